"""What arms can be: a table of the configuration, an artifact, another index; and an arm that fails."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from artifacts import seal_program
from ragc.artifact import verify
from scenes import KEY, Scene, configure, model_table

from .conftest import arms_of, questions_of

TABLE = """
[tool.ragc.experiments.first]
task = "allotments"
arms.closed_book = {{ program = "programs.closed_book:ClosedBook" }}
arms.rag = {{ }}
arms.compiled = {{ optimizer = "labeled", set = {{ candidates = 2 }} }}
arms.yesterday = {{ artifact = "compiled/allotments" }}
arms.embedded = {{ embedder = {embedder} }}
baseline = "rag"
repeats = 2
budget = {{ calls = 500 }}
"""


def test_an_experiment_with_repeats_an_artifact_and_another_index(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedder = model_table(
        scene.provider, model="openai/embedding", price={"input": 0.1}, max_tokens=None, threads=None
    )
    file = scene.root / "pyproject.toml"
    file.write_text(file.read_text("utf-8") + TABLE.format(embedder=embedder.partition(" = ")[2]), "utf-8")
    configure(scene.root, 'tracking = "off"', 'tracking = "sqlite:///.ragc/mlflow.db"')
    monkeypatch.setenv("OUR_KEY", KEY)
    sealed = seal_program(scene.root, k=2)
    done = scene.run("compare", "--experiment", "first", "--json")
    assert done.returncode == 0, done.stderr
    arms = {arm["name"]: arm for arm in done.json["arms"]}
    assert list(arms) == ["closed_book", "rag", "compiled", "yesterday", "embedded"]
    assert arms["compiled"]["seeds"] == [0, 1] and len(arms["compiled"]["scores"]) == 2
    assert [len(arm["artifacts"]) for arm in arms.values()] == [1, 1, 2, 1, 1]
    assert arms["yesterday"]["artifacts"] == [{"path": str(sealed.path), "id": sealed.id}]
    embedders = {
        verify(arms[name]["artifacts"][0]["path"]).identity["embedder"]["name"] for name in ("rag", "embedded")
    }
    assert len(embedders) == 2
    asked = scene.asked
    again = scene.run("search", "allotments", "When is rent due?")  # the task's own index is as it was
    assert (again.returncode, scene.asked) == (0, asked), again.stderr
    script = (
        "import json, sys\n"
        "from mlflow import MlflowClient\n"
        "client = MlflowClient(tracking_uri=sys.argv[1])\n"
        "experiment = client.get_experiment_by_name('ragc/allotments')\n"
        "runs = client.search_runs([experiment.experiment_id])\n"
        "print(json.dumps([{'id': r.info.run_id, 'name': r.info.run_name, 'tags': r.data.tags,\n"
        "  'metrics': r.data.metrics} for r in runs]))\n"
    )
    tracked = json.loads(
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", script, f"sqlite:///{scene.root}/.ragc/mlflow.db"],
            capture_output=True, text=True, timeout=60, check=True,
            env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"},
        ).stdout
    )  # fmt: skip
    (parent,) = [run for run in tracked if "mlflow.parentRunId" not in run["tags"]]
    children = {run["name"]: run for run in tracked if run is not parent}
    assert children.keys() == arms.keys()
    assert {run["tags"]["mlflow.parentRunId"] for run in children.values()} == {parent["id"]}
    assert children["compiled"]["metrics"]["test.score"] == arms["compiled"]["score"]
    assert parent["tags"]["mlflow.note.content"] == done.json["verdict"]


BROKEN = '''
import dspy
from programs.closed_book import ClosedBook

class Broken(ClosedBook):
    """Answers nothing that is a text where it is tested."""

    def forward(self, question):
        answered = super().forward(question)
        return dspy.Prediction(answer=None) if question in {questions!r} else answered
'''


def test_an_arm_that_fails_ends_alone_and_a_replay_says_why(scene: Scene) -> None:
    scene.run("compare", "--arm", "program=closed_book", "--dry-run")  # assigns the splits
    test = sorted(questions_of(scene, "test").values())
    (scene.root / "programs" / "broken.py").write_text(BROKEN.format(questions=test[3:]), "utf-8")
    nowhere = 'name=nowhere,lm={ model = "openai/x", base_url = "http://127.0.0.1:9/v1", api_key_env = "OUR_KEY" }'
    words = ("compare", "--json", "--arm", "program=broken", "--arm", "program=closed_book", "--arm", nowhere)
    done = scene.run(*words)
    assert done.returncode == 2, done.stderr
    arms = arms_of(done.json)
    assert 'without a text "answer"' in arms["broken"]["error"] and arms["broken"]["score"] is None
    assert "cannot be reached" in arms["nowhere"]["error"]
    assert (arms["closed_book"]["n"], arms["rag"]["n"]) == (10, 10)
    assert done.stderr.count('error: arm "broken"') == 1 and "Traceback" not in done.stderr
    asked = scene.asked
    again = scene.run(*words, "--replay")
    assert (again.returncode, arms_of(again.json), scene.asked) == (2, arms, asked)


def test_a_failed_arm_is_tried_again_by_the_same_command(scene: Scene) -> None:
    lm = model_table(scene.provider, model="openai/other", api_key_env="OTHER_KEY").partition(" = ")[2]
    words = ("compare", "--json", "--arm", f"program=closed_book,lm={lm}")
    scene.provider.faults = lambda asked: "401" if asked.key == "sk-wrong" else None
    done = scene.run(*words, env={"OUR_KEY": KEY, "OTHER_KEY": "sk-wrong"})
    assert done.returncode == 2 and arms_of(done.json)["closed_book+other"]["error"], done.stderr
    paid = scene.in_journal()
    again = scene.run(*words, env={"OUR_KEY": KEY, "OTHER_KEY": KEY})
    assert again.returncode == 0, again.stderr
    assert (again.json["paid_calls"], scene.in_journal()) == (15, paid + 15)


def test_an_artifact_that_knows_a_test_question_is_no_arm(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.run("compare", "--arm", "k=1", "--dry-run")  # assigns the splits
    lines = (scene.root / "data" / "allotments" / "examples.jsonl").read_text("utf-8").splitlines()
    test = questions_of(scene, "test")
    known = next(one for one in map(json.loads, lines) if one["id"] in test and one["answers"])
    monkeypatch.setenv("OUR_KEY", KEY)
    seal_program(scene.root, shown={known["question"]: known["answers"][0]})
    done = scene.run("compare", "--arm", "artifact=compiled/allotments")
    assert done.returncode == 2 and 'arm "allotments"' in done.stderr and known["id"] in done.stderr, done.stderr
    assert scene.asked == 0
