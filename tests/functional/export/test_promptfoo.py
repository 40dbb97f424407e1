"""`ragc export promptfoo`: a configuration, and the Python that promptfoo calls, as promptfoo calls it."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from artifacts import hosted_lm, seal_program
from provider import Provider, fields

Run = Callable[..., Any]
HOME = Path("promptfoo/allotments")


@pytest.fixture
def sealed(project: Path, hosted_model: Provider, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SCRIPTED_KEY", "sk-scripted-0123456789abcdef")
    seal_program(project, lm=hosted_lm(hosted_model.base_url))
    return project


def config_of(root: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((root / HOME / "promptfooconfig.yaml").read_text("utf-8"))
    return found


def provider_of(root: Path) -> ModuleType:
    """The Python that promptfoo calls, loaded as promptfoo loads it."""
    spec = importlib.util.spec_from_file_location("user_module", root / HOME / "ragc_allotments.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_each_question_of_the_split_is_a_test_that_the_artifact_answers(
    sealed: Path, hosted_model: Provider, run_ragc: Run
) -> None:
    done = run_ragc("export", "promptfoo", "allotments", "--json", cwd=sealed)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "written": ["promptfoo/allotments/promptfooconfig.yaml", "promptfoo/allotments/ragc_allotments.py"]
    }
    config = config_of(sealed)
    assert not hosted_model.requests
    splits = json.loads((sealed / "data/allotments/splits.json").read_text())["splits"]
    assert {test["metadata"]["id"] for test in config["tests"]} == {i for i, s in splits.items() if s == "validation"}
    assert config["providers"][0]["id"] == "file://ragc_allotments.py"
    assert config["defaultTest"]["assert"] == [
        {"type": "python", "value": "file://ragc_allotments.py:score", "metric": "answer_f1", "threshold": 0.5}
    ]

    module, test = provider_of(sealed), next(one for one in config["tests"] if one["metadata"]["answers"])
    right = test["metadata"]["answers"][0]
    hosted_model.script = lambda asked: fields(answer=right)
    context = {"vars": {**test["vars"], "__evalId": "eval-1"}, "test": {"metadata": test["metadata"]}}
    answered = module.call_api(test["vars"]["question"], {}, context)
    assert answered["output"] == right
    assert module.score(answered["output"], context)["score"] == 1
    assert module.score("nothing of the kind", context)["score"] == 0


def test_a_provider_that_fails_is_an_error_and_no_wrong_answer(sealed: Path, run_ragc: Run) -> None:
    run_ragc("export", "promptfoo", "allotments", cwd=sealed)
    (sealed / "compiled/allotments/state.json").write_text("{}")
    found = provider_of(sealed).call_api("q", {}, {"vars": {"question": "q"}})
    assert "was changed after sealing" in found["error"]


def test_the_test_split_is_exported_on_request_alone_and_that_is_an_opening(sealed: Path, run_ragc: Run) -> None:
    openings = sealed / "data/allotments/openings.jsonl"
    run_ragc("export", "promptfoo", "allotments", cwd=sealed)
    assert not openings.exists()
    done = run_ragc("export", "promptfoo", "allotments", "--split", "test", cwd=sealed)
    assert "the test split is opened (number 1)" in done.stderr
    (opening,) = [json.loads(line) for line in openings.read_text().splitlines()]
    assert opening["by"] == "export promptfoo"


def test_a_question_that_looks_like_a_template_reaches_the_program_as_it_is(sealed: Path, run_ragc: Run) -> None:
    file = sealed / "data/allotments/examples.jsonl"
    odd = {"id": "odd", "question": "What is {{ 7 * 7 }}?", "answers": ["49"], "split": "validation"}
    file.write_text(file.read_text() + json.dumps(odd) + "\n")
    assert run_ragc("export", "promptfoo", cwd=sealed).returncode == 0
    test = next(one for one in config_of(sealed)["tests"] if one["metadata"]["id"] == "odd")
    assert test["vars"]["question"] == "{% raw %}What is {{ 7 * 7 }}?{% endraw %}"
    context = {"vars": test["vars"], "test": {"metadata": test["metadata"]}}
    assert provider_of(sealed).score("49", context)["score"] == 1


def test_what_is_in_the_way_is_one_line(project: Path, run_ragc: Run) -> None:
    for flags, says in ((("promptfoo",), "run `ragc compile allotments` first"), (("deepeval",), "promptfoo")):
        done = run_ragc("export", *flags, cwd=project)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
        assert says in done.stderr
    seal_program(project)
    (project / HOME).mkdir(parents=True)
    (project / HOME / "promptfooconfig.yaml").write_text("prompts: [mine]\n")
    others: list[tuple[tuple[str, ...], str]] = [
        ((), "was not written by ragc export"),
        (("--out", "other", "--metric", "citation_recall"), "--metric answer_f1"),
        (("--out", "other", "--threshold", "50"), "scores are 0 to 1 here"),
        (("nothing",), "allotments"),
    ]
    for more, says in others:
        done = run_ragc("export", "promptfoo", *more, cwd=project)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
        assert says in done.stderr
    assert (project / HOME / "promptfooconfig.yaml").read_text() == "prompts: [mine]\n"
    assert not (project / "other").exists()
