"""`ragc compile` from labels to a sealed artifact, on a scripted hosted model."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import ragc
from conftest import RunRagc
from hosted import HostedModel, fields
from ragc.artifact import verify
from ragc.errors import ArtifactError, BudgetError, ConfigError, ModelError
from ragc.evaluation import TooManyErrors

from .conftest import KEY, configure, examples_of, learner, use_model

FIGURES = {"score", "n", "errors", "usd_per_question", "latency_p95"}


def test_compile_seals_what_demonstrations_taught(hosted_project: Path, run_ragc: RunRagc) -> None:
    done = run_ragc("compile", cwd=hosted_project)
    assert done.returncode == 0, done.stderr
    for label in ("allotments", "estimate", "baseline", "labeled", "test", "sealed", "cost", "use it"):
        assert re.search(rf"^{label} ", done.stdout, re.MULTILINE), label
    assert "better" in done.stdout
    assert 'from compiled import allotments; allotments(question="…").answer' in done.stdout
    assert "\x1b" not in done.stdout
    asked = subprocess.run(
        [
            sys.executable,
            "-c",
            "from compiled import allotments; p = allotments(question='How much does it cost to join the waiting"
            " list?'); print(p.answer); print(len(p.citations)); print(p.provenance['artifact'])",
        ],
        cwd=hosted_project,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    answer, _, identity = asked.stdout.split("\n")[:3]
    assert answer
    assert identity == verify(hosted_project / "compiled" / "allotments").id


def test_json_is_one_object_with_the_promised_keys(hosted_project: Path, run_ragc: RunRagc) -> None:
    done = run_ragc("compile", "--json", cwd=hosted_project)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert set(found) >= {
        "artifact", "id", "task", "optimizer", "metric", "validation", "test", "detectable_gain", "verdict", "sealed",
        "cost", "paid_usd", "paid_calls", "seconds", "stopped",
    }  # fmt: skip
    assert set(found["validation"]["baseline"]) == set(found["test"]["compiled"]) == FIGURES
    assert set(found["test"]) == {"baseline", "compiled", "difference", "ci_low", "ci_high", "p_value"}
    assert found["verdict"] == "better"
    assert found["sealed"] == "candidate"
    assert found["stopped"] is None
    assert found["test"]["ci_low"] > 0
    assert found["cost"]["calls"] == found["paid_calls"] == 64
    assert found["cost"]["usd"] == found["paid_usd"] > 0
    assert Path(found["artifact"]).is_dir()


def test_the_same_run_has_the_same_id(hosted_project: Path) -> None:
    first = ragc.compile(project=hosted_project)
    second = ragc.compile(project=hosted_project)
    assert first.id == second.id
    assert ragc.compile(project=hosted_project, seed=1).id != first.id


def test_bootstrap_uses_what_the_program_got_right(hosted_project: Path) -> None:
    result = ragc.compile(
        project=hosted_project, optimizer="bootstrap", settings={"candidates": "3", "demos": "2", "bootstrapped": "1"}
    )
    assert result.verdict == "better"
    state = json.loads((hosted_project / "compiled" / "allotments" / "state.json").read_text("utf-8"))
    demos = state["respond"]["demos"]
    assert len(demos) == 2
    labels = {example["question"]: example["answers"] for example in examples_of(hosted_project)}
    assert all(demo["answer"] in (labels[demo["question"]] or ["The documents do not say."]) for demo in demos)
    manifest = verify(hosted_project / "compiled" / "allotments")
    assert [one["label"] for one in manifest.candidates] == ["bootstrap 1", "bootstrap 2", "bootstrap 3"]


def test_the_test_split_is_asked_once_by_each_program_and_never_before_the_search_is_over(
    hosted_project: Path, hosted_model: HostedModel
) -> None:
    result = ragc.compile(project=hosted_project)
    splits = json.loads((hosted_project / "data" / "allotments" / "splits.json").read_text("utf-8"))["splits"]
    test = [one["question"] for one in examples_of(hosted_project) if splits[one["id"]] == "test"]
    last = [str(body["messages"][-1]["content"]) for body in hosted_model.requests]
    asked = [number for number, text in enumerate(last) if any(question in text for question in test)]
    assert result.baseline_test is not None and result.baseline_test.n == len(test)
    assert asked == list(range(len(last) - 2 * len(test), len(last)))
    shown = [str(message) for body in hosted_model.requests for message in body["messages"][:-1]]
    assert not any(question in text for question in test for text in shown)


def test_a_worse_candidate_is_reported_and_the_baseline_sealed(hosted_project: Path, hosted_model: HostedModel) -> None:
    hosted_model.script = learner(hosted_project, plain=0.9, shown=0.1)
    result = ragc.compile(project=hosted_project)
    assert result.verdict == "worse"
    assert result.sealed == "baseline"
    assert result.as_json()["test"]["compiled"]["score"] < result.as_json()["test"]["baseline"]["score"]
    state = json.loads((hosted_project / "compiled" / "allotments" / "state.json").read_text("utf-8"))
    assert state["respond"]["demos"] == []


def test_a_candidate_over_the_limits_is_not_eligible(hosted_project: Path) -> None:
    configure(hosted_project, 'optimizer = "labeled"', 'optimizer = "labeled"\nlimits = { usd_per_question = 0.0005 }')
    result = ragc.compile(project=hosted_project)
    assert result.sealed == "baseline"
    assert result.verdict == "not tested"
    manifest = verify(hosted_project / "compiled" / "allotments")
    assert "over the limit" in str(manifest.candidates[0]["why_not"])


def test_dry_run_makes_no_call(hosted_project: Path, hosted_model: HostedModel, run_ragc: RunRagc) -> None:
    done = run_ragc("compile", "--dry-run", cwd=hosted_project)
    assert done.returncode == 0, done.stderr
    assert "64 calls" in done.stdout
    assert hosted_model.requests == []
    assert not (hosted_project / "compiled" / "allotments").exists()


def test_a_sample_of_validation_is_named(hosted_project: Path, run_ragc: RunRagc) -> None:
    configure(hosted_project, 'optimizer = "labeled"', 'optimizer = "labeled"\nvalidation_sample = 6')
    done = run_ragc("compile", cwd=hosted_project)
    assert "6 of 12 validation (a seeded sample)" in done.stdout


# -- budgets


def test_a_budget_that_cannot_fund_the_run_is_refused_with_the_smallest_that_can(
    hosted_project: Path, hosted_model: HostedModel
) -> None:
    with pytest.raises(BudgetError, match="the smallest that can is 64 calls") as caught:
        ragc.compile(project=hosted_project, budget_calls=63)
    assert caught.value.exit_code == 2
    assert hosted_model.requests == []
    assert ragc.compile(project=hosted_project, budget_calls=64).stopped is None


def test_a_budget_that_runs_out_in_the_search_seals_the_best_so_far(
    hosted_project: Path, hosted_model: HostedModel, run_ragc: RunRagc
) -> None:
    done = run_ragc(
        "compile", "--optimizer", "bootstrap", "--set", "candidates=9", "--budget-calls", "90", "--json",
        cwd=hosted_project,
    )  # fmt: skip
    assert done.returncode == 3, done.stderr
    found = json.loads(done.stdout)
    assert found["stopped"] == "budget"
    assert found["verdict"] == "better"
    assert found["cost"]["calls"] <= 90
    assert len(hosted_model.requests) <= 90
    verify(hosted_project / "compiled" / "allotments")


def test_a_budget_in_dollars_holds_the_final_test_back(hosted_project: Path) -> None:
    result = ragc.compile(project=hosted_project, optimizer="bootstrap", settings={"candidates": "30"}, budget_usd=0.12)
    assert result.stopped == "budget"
    assert result.comparison is not None and result.comparison.verdict == "better"
    assert result.usage is not None and result.usage.usd is not None and result.usage.usd <= 0.12


def test_a_budget_in_dollars_without_a_price_is_refused(
    project: Path, hosted_model: HostedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_model(project, hosted_model, price=False)
    monkeypatch.setenv("OUR_KEY", KEY)
    with pytest.raises(BudgetError, match="price"):
        ragc.compile(project=project, budget_usd=1.0)
    assert hosted_model.requests == []


# -- stops


def test_ctrl_c_seals_the_best_so_far_and_exits_130(hosted_project: Path, hosted_model: HostedModel) -> None:
    script, seen = hosted_model.script, threading.Event()

    def slow(messages: list[dict[str, Any]]) -> str:
        if len(hosted_model.requests) > 36:  # the second candidate has begun
            seen.set()
            time.sleep(0.2)
        return script(messages)

    hosted_model.script = slow
    process = subprocess.Popen(
        [sys.executable, "-m", "ragc", "compile", "--set", "candidates=20", "--threads", "2", "--json"],
        cwd=hosted_project,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert seen.wait(60)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    found = json.loads(out)
    assert (found["stopped"], found["verdict"], found["sealed"]) == ("interrupted", "not tested", "candidate")
    assert "Traceback" not in err
    verify(hosted_project / "compiled" / "allotments")


def test_a_kill_at_any_moment_leaves_the_previous_artifact_whole(
    hosted_project: Path, hosted_model: HostedModel
) -> None:
    before = ragc.compile(project=hosted_project).id
    command = [sys.executable, "-m", "ragc", "compile", "--seed", "1"]
    for calls in (0, 20, 60, 64):
        hosted_model.requests.clear()
        process = subprocess.Popen(command, cwd=hosted_project, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while len(hosted_model.requests) < calls and process.poll() is None:
            time.sleep(0.002)
        process.kill()
        process.wait()
        assert verify(hosted_project / "compiled" / "allotments").id == before or calls == 64


def test_errors_are_counted_and_too_many_stop_the_run(hosted_project: Path, hosted_model: HostedModel) -> None:
    hosted_model.script = lambda messages: "no field at all"
    configure(hosted_project, 'optimizer = "labeled"', 'optimizer = "labeled"\nmax_error_rate = 0.0')
    result = ragc.compile(project=hosted_project, settings={"candidates": "2"})
    assert result.baseline is not None
    assert (result.baseline.errors, result.baseline.n, result.baseline.score) == (12, 0, None)
    assert result.stopped == "errors"


def test_too_many_errors_name_the_last_one(hosted_project: Path, hosted_model: HostedModel) -> None:
    hosted_model.script = lambda messages: "no field at all"
    with pytest.raises(TooManyErrors, match="examples ended in an error"):
        ragc.evaluate("allotments", project=hosted_project, uncompiled=True, split="test")


def test_a_refused_key_stops_after_the_first_call_with_one_line(
    hosted_project: Path, hosted_model: HostedModel, run_ragc: RunRagc
) -> None:
    hosted_model.status = 401
    done = run_ragc("compile", "--threads", "1", cwd=hosted_project)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()[-1:]) == 1
    assert "OUR_KEY" in done.stderr
    assert KEY not in done.stderr + done.stdout
    assert "Traceback" not in done.stderr
    assert len(hosted_model.requests) == 1


def test_a_missing_key_is_named_before_anything_is_asked(
    hosted_project: Path, hosted_model: HostedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OUR_KEY")
    with pytest.raises(ModelError, match="OUR_KEY"):
        ragc.compile(project=hosted_project)
    assert hosted_model.requests == []


def test_a_model_called_past_ragc_is_named(hosted_project: Path, hosted_model: HostedModel) -> None:
    file = hosted_project / "programs" / "grounded.py"
    text = file.read_text("utf-8").replace(
        "        passages = self.retrieve(question)\n",
        "        passages = self.retrieve(question)\n"
        "        with dspy.context(lm=dspy.utils.DummyLM([{'answer': 'x'}] * 500)):\n"
        "            dspy.Predict('question -> answer')(question=question)\n",
        1,
    )
    file.write_text(text, "utf-8")
    result = ragc.compile(project=hosted_project)
    assert result.strangers == ("dummy",)


# -- mistakes of the user, one line each, exit 2, nothing lost


@pytest.mark.parametrize(
    ("change", "arguments", "message"),
    [
        (None, {"optimizer": "bootstap"}, "unknown optimizer.*bootstap.*bootstrap"),
        (None, {"settings": {"demo": "3"}}, 'no setting "demo", did you mean "demos"'),
        (None, {"settings": {"demos": "many"}}, "expected a whole number"),
        (None, {"task": "allotment"}, 'unknown task "allotment"'),
        (None, {"threads": 0}, "--threads 0"),
        (('metric = "answer_f1"', 'metric = "answer_f"'), {}, 'unknown metric "answer_f"'),
        (('metric = "answer_f1"', 'metric = "programs.bad:nan"'), {}, "returned nan on example"),
        (('metric = "answer_f1"', 'metric = "programs.bad:raises"'), {}, "raised ZeroDivisionError on example"),
        (("programs.grounded:GroundedAnswer", "programs.bad:nan"), {}, "not a dspy.Module"),
        (("programs.grounded:GroundedAnswer", "programs.grunded:GroundedAnswer"), {}, "unknown program"),
        (("programs.grounded:GroundedAnswer", "programs.broken:X"), {}, "does not import: NameError"),
        (('optimizer = "labeled"', 'optimiser = "labeled"'), {}, 'did you mean "optimizer"'),
    ],
)
def test_a_mistake_is_one_line(
    hosted_project: Path, change: tuple[str, str] | None, arguments: dict[str, Any], message: str
) -> None:
    (hosted_project / "programs" / "bad.py").write_text(
        "def nan(example, prediction): return float('nan')\ndef raises(example, prediction): return 1 / 0\n", "utf-8"
    )
    (hosted_project / "programs" / "broken.py").write_text("undefined_name\n", "utf-8")
    if change is not None:
        configure(hosted_project, *change)
    with pytest.raises(ConfigError, match=message) as caught:
        ragc.compile(project=hosted_project, **arguments)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


def test_an_optimizer_that_returns_no_program_is_named(hosted_project: Path) -> None:
    (hosted_project / "optimizers" / "odd.py").write_text("def odd(program, run): return 5\n", "utf-8")
    with pytest.raises(ragc.errors.RagcError, match='optimizer "odd" returned int'):
        ragc.compile(project=hosted_project, optimizer="odd")


def test_a_foreign_folder_in_the_artifacts_place_is_named_before_anything_is_paid(
    hosted_project: Path, hosted_model: HostedModel
) -> None:
    place = hosted_project / "compiled" / "allotments"
    place.mkdir(parents=True)
    (place / "notes.txt").write_text("mine", "utf-8")
    with pytest.raises(ArtifactError, match="not an artifact"):
        ragc.compile(project=hosted_project)
    assert hosted_model.requests == []
    assert (place / "notes.txt").read_text("utf-8") == "mine"


def test_nothing_that_a_run_writes_holds_the_key(hosted_project: Path) -> None:
    configure(hosted_project, 'tracking = "off"', 'tracking = "sqlite:///.ragc/mlflow.db"')
    ragc.compile(project=hosted_project)
    written = [path for path in hosted_project.rglob("*") if path.is_file()]
    assert any(path.name == "mlflow.db" for path in written)
    assert [path for path in written if KEY.encode() in path.read_bytes()] == []
    assert not [path for path in written if path.suffix in (".pkl", ".pickle")]


# -- tracking


def test_the_run_is_logged_to_mlflow(hosted_project: Path) -> None:
    configure(hosted_project, 'tracking = "off"', 'tracking = "sqlite:///.ragc/mlflow.db"')
    result = ragc.compile(project=hosted_project, optimizer="bootstrap", settings={"candidates": "2"})
    script = (
        "import json, sys\n"
        "from mlflow import MlflowClient\n"
        "client = MlflowClient(tracking_uri=sys.argv[1])\n"
        "experiment = client.get_experiment_by_name('ragc/allotments')\n"
        "run, = client.search_runs([experiment.experiment_id])\n"
        "steps = client.get_metric_history(run.info.run_id, 'validation.candidate')\n"
        "files = [f.path for f in client.list_artifacts(run.info.run_id, 'compiled/allotments')]\n"
        "print(json.dumps({'params': run.data.params, 'metrics': run.data.metrics, 'tags': run.data.tags,\n"
        "  'steps': [s.step for s in steps], 'files': files, 'status': run.info.status,\n"
        "  'inputs': [d.dataset.name for d in run.inputs.dataset_inputs]}))\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script, f"sqlite:///{hosted_project}/.ragc/mlflow.db"],
        capture_output=True, text=True, timeout=60, check=True,
        env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"},
    )  # fmt: skip
    found = json.loads(done.stdout)
    assert found["status"] == "FINISHED"
    assert found["tags"]["ragc.artifact"] == result.id
    assert found["params"]["optimizer.candidates"] == "2"
    assert found["steps"] == [1, 2]
    assert found["metrics"]["test.difference"] == pytest.approx(result.as_json()["test"]["difference"])
    assert found["metrics"]["test.ci_low"] < found["metrics"]["test.difference"]
    assert "compiled/allotments/manifest.json" in found["files"]
    assert sorted(found["inputs"]) == ["corpus", "examples", "splits"]


def test_a_tracking_server_that_is_down_costs_a_warning(hosted_project: Path, run_ragc: RunRagc) -> None:
    configure(hosted_project, 'tracking = "off"', 'tracking = "http://127.0.0.1:9"')
    done = run_ragc("compile", cwd=hosted_project)
    assert done.returncode == 0
    assert "warning: not tracked: the tracking server at http://127.0.0.1:9 cannot be reached" in done.stderr
    verify(hosted_project / "compiled" / "allotments")


# -- eval and ask


def test_eval_scores_the_artifact_and_the_uncompiled_program(hosted_project: Path, run_ragc: RunRagc) -> None:
    ragc.compile(project=hosted_project)
    compiled = run_ragc("eval", "allotments", "--json", cwd=hosted_project)
    plain = run_ragc("eval", "allotments", "--uncompiled", "--json", cwd=hosted_project)
    assert compiled.returncode == plain.returncode == 0, compiled.stderr + plain.stderr
    ours, theirs = json.loads(compiled.stdout), json.loads(plain.stdout)
    assert ours["score"] > theirs["score"]
    assert ours["n"] == theirs["n"] == 12
    assert set(ours) >= {"score", "n", "errors", "slices"}
    failed = run_ragc("eval", "./compiled/allotments", "--fail-under", "0.99", cwd=hosted_project)
    assert failed.returncode == 1
    assert "below --fail-under 0.99" in failed.stderr


def test_eval_without_an_artifact_says_what_to_run(hosted_project: Path, run_ragc: RunRagc) -> None:
    done = run_ragc("eval", "allotments", cwd=hosted_project)
    assert done.returncode == 2
    assert "ragc compile allotments" in done.stderr


def test_ask_shows_the_answer_and_what_supports_it(
    hosted_project: Path, hosted_model: HostedModel, run_ragc: RunRagc
) -> None:
    ragc.compile(project=hosted_project)
    hosted_model.script = lambda messages: fields(answer="£5")
    question = "How much does it cost to join the waiting list?"
    done = run_ragc("ask", "allotments", question, "--json", cwd=hosted_project)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["answer"] == "£5"
    assert set(found["citations"]) <= {passage["id"] for passage in found["passages"]}
    assert set(found["passages"][0]) == {"id", "document", "title", "text", "score"}
    assert found["provenance"]["artifact"]
    shown = run_ragc("ask", "allotments", question, cwd=hosted_project)
    assert "£5" in shown.stdout and "waiting-list.md" in shown.stdout
    assert run_ragc("ask", "allotments", "  ", cwd=hosted_project).returncode == 2


# -- what a user must be told


def test_an_interrupted_run_does_not_replace_a_tested_artifact(hosted_project: Path, hosted_model: HostedModel) -> None:
    before = ragc.compile(project=hosted_project)
    calls = len(hosted_model.requests)
    script = hosted_model.script

    def interrupting(messages: list[dict[str, Any]]) -> str:
        if len(hosted_model.requests) == 2 * calls - 10:  # in the middle of the test
            os.kill(os.getpid(), signal.SIGINT)
        return script(messages)

    hosted_model.script = interrupting
    after = ragc.compile(project=hosted_project, seed=1, threads=1)
    assert (after.stopped, after.verdict) == ("interrupted", "not tested")
    assert after.artifact == hosted_project / ".ragc" / "untested" / "allotments"
    assert verify(hosted_project / "compiled" / "allotments").id == before.id
    assert verify(after.artifact).id == after.id


def test_a_seal_says_what_it_replaces(hosted_project: Path, run_ragc: RunRagc) -> None:
    before = ragc.compile(project=hosted_project).id
    assert before is not None
    done = run_ragc("compile", "--seed", "1", cwd=hosted_project)
    assert f"replaces {before[:8]} (better, +" in done.stdout


@pytest.mark.parametrize("setting", [{"candidates": "0"}, {"demo_passages": "0"}, {"k": "3,0"}, {"threshold": "2"}])
def test_a_setting_out_of_range_is_refused_before_anything_is_asked(
    hosted_project: Path, hosted_model: HostedModel, setting: dict[str, str]
) -> None:
    with pytest.raises(ConfigError, match=rf"--set {next(iter(setting))}=\S+: expected"):
        ragc.compile(project=hosted_project, optimizer="bootstrap", settings=setting)
    assert hosted_model.requests == []


def test_a_column_that_the_program_does_not_take_is_refused_before_anything_is_asked(
    hosted_project: Path, hosted_model: HostedModel
) -> None:
    file = hosted_project / "data" / "allotments" / "examples.jsonl"
    rows = [json.dumps({**example, "topic": "water"}) for example in examples_of(hosted_project)]
    file.write_text("\n".join(rows), "utf-8")
    with pytest.raises(ragc.errors.DataError, match='"topic" is no input of GroundedAnswer'):
        ragc.compile(project=hosted_project)
    assert hosted_model.requests == []


def test_answers_that_stand_nowhere_are_a_warning(hosted_project: Path, run_ragc: RunRagc) -> None:
    file = hosted_project / "data" / "allotments" / "examples.jsonl"
    rows = [{**example, "evidence": []} for example in examples_of(hosted_project)]
    rows[0]["answers"] = ["a thousand guineas"]
    file.write_text("\n".join(json.dumps(row) for row in rows), "utf-8")
    done = run_ragc("compile", "--dry-run", cwd=hosted_project)
    assert "1 of 40 labels has an answer that stands in no document" in done.stderr
    assert "a thousand guineas" in done.stderr


def test_a_candidate_that_the_budget_cannot_finish_is_not_begun(
    hosted_project: Path, hosted_model: HostedModel
) -> None:
    result = ragc.compile(project=hosted_project, optimizer="bootstrap", settings={"candidates": "9"}, budget_calls=90)
    assert result.stopped == "budget"
    assert result.usage is not None
    assert result.usage.calls == len(hosted_model.requests) == 12 + 8 + 2 * 12 + 40
