"""The answer log of an artifact that is served: what it holds, and that nothing is answered that it does not hold."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dspy
import pytest

import ragc
from artifacts import hosted_lm, seal_program
from provider import Provider, fields
from ragc.artifact import Artifact
from ragc.errors import ConfigError, RagcError
from ragc.project import Project
from ragc.retrieval import index
from teams import QUESTION, WORDS

Load = Callable[..., Artifact]


def configure(root: Path, *lines: str) -> None:
    """Add keys to [tool.ragc]."""
    file = root / "pyproject.toml"
    file.write_text(file.read_text().replace("[tool.ragc]\n", "\n".join(["[tool.ragc]", *lines, ""]), 1))


def logged(root: Path) -> list[dict[str, Any]]:
    """The lines of the project's log."""
    return [json.loads(line) for line in (root / ".ragc" / "answers.jsonl").read_bytes().split(b"\n") if line]


@pytest.fixture
def load(teams: Path) -> Load:
    """Loads the artifact of a project that logs its answers."""
    configure(teams, 'audit = "jsonl://.ragc/answers.jsonl"')
    return lambda **given: ragc.load(teams / "compiled" / "teams", **given)


def test_without_the_setting_nothing_is_logged(teams: Path) -> None:
    prediction = ragc.load(teams / "compiled" / "teams")(question=QUESTION)
    assert "answer_id" not in prediction.provenance
    assert [path.name for path in (teams / ".ragc").iterdir() if not path.name.startswith("index.db")] == []


def test_a_line_has_all_that_the_answer_was_made_of(load: Load, teams: Path) -> None:
    artifact = load(filters={"team": "payroll"})
    prediction = artifact(question=QUESTION)
    (line,) = logged(teams)
    assert line["id"] == prediction.provenance["answer_id"]
    assert line["time"].endswith("Z")
    assert (line["task"], line["artifact"]) == ("teams", artifact.id)
    assert line["corpus_version"] == prediction.provenance["corpus_version"]
    assert (line["model"], line["measured"], line["differs"]) == ("openai/scripted", False, ["filters", "prompts"])
    assert (line["question"], line["answer"]) == (QUESTION, WORDS["payroll"])
    assert line["citations"] == list(prediction.citations) != []
    held = index_digests(teams)
    for passage, shown in zip(line["passages"], prediction.passages, strict=True):
        assert (passage["id"], passage["text"], passage["document"]) == (shown.id, shown.text, shown.document)
        assert (passage["start"], passage["end"]) == (shown.start, shown.end)
        assert passage["sha256"] == held[shown.document]
        assert passage["metadata"] == {"team": "payroll", "year": 2024}
    bound = [{"field": "team", "operator": "eq", "value": "payroll"}]
    assert line["filters"] == bound
    assert [search["filters"] for search in line["searches"]] == [bound]
    assert line["sealed"]["verdict"]["word"] == "not tested"
    assert (line["error"], line["dropped"]) == (None, [])


def index_digests(root: Path) -> dict[str, str]:
    from ragc.retrieval import open_store

    store = open_store("sqlite://.ragc/index.db", root=root, collection="teams")
    try:
        return store.documents()
    finally:
        store.close()


def test_filters_of_the_program_and_what_was_dropped_are_logged(load: Load, teams: Path) -> None:
    artifact = load()
    artifact.program.retrieve.filters = {"year": {"gte": 2025}}
    artifact.program.retrieve.max_tokens = 60
    artifact(question=QUESTION)
    (line,) = logged(teams)
    assert line["filters"] == []
    assert line["searches"][0]["filters"] == [{"field": "year", "operator": "gte", "value": 2025}]
    assert line["dropped"] == line["searches"][0]["dropped"] != []
    assert not {one["id"] for one in line["passages"]} & set(line["dropped"])


def test_every_way_to_ask_is_logged_once(load: Load, teams: Path) -> None:
    artifact = load()
    answers = [artifact(question=QUESTION), asyncio.run(artifact.acall(question=QUESTION))]
    answers += [one for one in artifact.batch([QUESTION] * 6, threads=3) if isinstance(one, dspy.Prediction)]
    ids = [one.provenance["answer_id"] for one in answers]
    assert sorted(ids) == sorted(line["id"] for line in logged(teams))
    assert len(set(ids)) == 8


def test_an_artifact_inside_another_logs_its_own_answer_under_the_outer_ones_filters(
    load: Load, teams: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(teams))
    for name in [name for name in sys.modules if name == "compiled"]:
        monkeypatch.delitem(sys.modules, name)
    load(filters={"team": "payroll"})(question=QUESTION, mode="nested")
    sys.modules.pop("compiled", None)
    inner, outer = logged(teams)
    assert inner["filters"] == outer["filters"] == [{"field": "team", "operator": "eq", "value": "payroll"}]
    assert {one["document"] for one in inner["passages"]} == {"payroll.md"}


def test_a_question_that_failed_is_logged_as_that_with_what_it_had_found(
    load: Load, teams: Path, hosted_model: Provider
) -> None:
    hosted_model.script = lambda asked: "I would rather not say"
    artifact = load()
    with pytest.raises(RagcError, match="did not answer in the expected form"):
        artifact(question=QUESTION)
    with pytest.raises(RagcError):
        asyncio.run(artifact.acall(question=QUESTION))
    with pytest.raises(TypeError):
        artifact(question=QUESTION, filters={})
    for line in logged(teams)[:2]:
        assert line["error"]["message"].startswith("the model did not answer in the expected form")
        assert line["answer"] is None
        assert len(line["passages"]) == 9
        assert not any(passage["shown"] for passage in line["passages"])
    assert logged(teams)[2]["error"]["type"] == "TypeError"


def test_no_key_reaches_the_log(load: Load, teams: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = "sk-planted-0123456789abcdef"
    monkeypatch.setenv("SCRIPTED_KEY", key)
    load()(question=f"Is {key} the code word?")
    with pytest.raises(TypeError):
        load()(question=QUESTION, **{key: key})
    assert "planted" not in (teams / ".ragc" / "answers.jsonl").read_text()


def test_a_log_that_cannot_be_opened_stops_ready_and_every_question_before_anything_is_asked(
    teams: Path, hosted_model: Provider
) -> None:
    (teams / "taken").write_text("a file, no folder")
    configure(teams, 'audit = "jsonl://taken/answers.jsonl"')
    artifact = ragc.load(teams / "compiled" / "teams")
    hosted_model.requests.clear()
    for use in (artifact.ready, lambda: artifact(question=QUESTION), lambda: artifact.batch([QUESTION])):
        with pytest.raises(RagcError, match=r"^the answer log: cannot write .*taken/answers\.jsonl") as caught:
            use()
        assert "\n" not in str(caught.value)
    assert hosted_model.requests == []


def test_an_answer_that_cannot_be_logged_is_not_given(load: Load, teams: Path) -> None:
    artifact = load()
    artifact(question=QUESTION)
    log = teams / ".ragc" / "answers.jsonl"
    log.unlink()
    log.mkdir()
    with pytest.raises(RagcError, match="no answer is given unlogged"):
        artifact(question=QUESTION)
    with pytest.raises(RagcError, match="no answer is given unlogged"):
        asyncio.run(artifact.acall(question=QUESTION))
    (found,) = artifact.batch([QUESTION])
    assert isinstance(found, RagcError)
    with pytest.raises(RagcError, match="no answer is given unlogged"):
        artifact.ready()
    log.rmdir()
    assert artifact(question=QUESTION).answer


def test_an_error_stands_when_it_cannot_be_logged_either(load: Load, teams: Path, hosted_model: Provider) -> None:
    artifact = load()
    artifact(question=QUESTION)
    log = teams / ".ragc" / "answers.jsonl"
    log.unlink()
    log.mkdir()
    hosted_model.script = lambda asked: "I would rather not say"
    with pytest.raises(RagcError, match="expected form") as caught:
        artifact(question=QUESTION)
    assert "unlogged" in caught.value.__notes__[0]


REDACTION = """
def hide(text):
    if "BARRACUDA" in text:
        raise ValueError(text)
    return text.replace("ALBATROSS", "[word]").replace("door", "[thing]")
"""


def test_redaction_comes_before_the_disk(load: Load, teams: Path) -> None:
    configure(teams, 'redact = "redaction:hide"')
    (teams / "redaction.py").write_text(REDACTION)
    prediction = load(filters={"team": "payroll"})(question=QUESTION)
    assert prediction.answer == WORDS["payroll"]
    text = (teams / ".ragc" / "answers.jsonl").read_text()
    assert WORDS["payroll"] not in text
    assert "door" not in text
    (line,) = logged(teams)
    assert (line["question"], line["answer"]) == ("What is the code word of the [thing]?", "[word]")
    assert line["passages"][0]["document"] == "payroll.md"


def test_a_redaction_that_fails_leaves_no_content_and_no_answer(load: Load, teams: Path) -> None:
    configure(teams, 'redact = "redaction:hide"')
    (teams / "redaction.py").write_text(REDACTION)
    artifact = load(filters={"team": "legal"})
    with pytest.raises(
        ConfigError, match=r"redact failed on this answer \(it raised ValueError\); .* not given"
    ) as one:
        artifact(question=QUESTION)
    assert WORDS["legal"] not in str(one.value)
    assert one.value.__cause__ is None
    text = (teams / ".ragc" / "answers.jsonl").read_text()
    assert WORDS["legal"] not in text
    assert QUESTION not in text
    (line,) = logged(teams)
    assert line["withheld"] == "redact: it raised ValueError"
    assert {tuple(passage) for passage in line["passages"]} == {("id", "document", "sha256")}


def test_a_redact_that_is_none_is_said_at_the_start(load: Load, teams: Path) -> None:
    configure(teams, 'redact = "redaction:hide"')
    with pytest.raises(ConfigError, match="redact"):
        load().ready()
    with pytest.raises(ConfigError, match="redact"):
        load()(question=QUESTION)


def test_the_variable_goes_before_the_file(load: Load, teams: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = teams.parent / "elsewhere.jsonl"
    monkeypatch.setenv("RAGC_AUDIT", f"jsonl://{elsewhere}")
    load()(question=QUESTION)
    assert len(elsewhere.read_text().splitlines()) == 1
    monkeypatch.setenv("RAGC_AUDIT", "off")
    assert "answer_id" not in load()(question=QUESTION).provenance
    assert not (teams / ".ragc" / "answers.jsonl").exists()
    monkeypatch.setenv("RAGC_AUDIT", "elsewhere.jsonl")
    with pytest.raises(ConfigError, match=r"RAGC_AUDIT: .*must be jsonl://PATH"):
        load()(question=QUESTION)


def test_an_artifact_without_a_project_takes_the_variable(
    teams: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hosted_model: Provider
) -> None:
    alone = tmp_path / "alone" / "teams"
    alone.parent.mkdir()
    (teams / "compiled" / "teams").rename(alone)
    monkeypatch.setenv("RAGC_STORE", f"sqlite:///{teams}/.ragc/index.db")
    monkeypatch.setenv("RAGC_AUDIT", f"jsonl://{tmp_path}/answers.jsonl")
    prediction = ragc.load(alone)(question=QUESTION)
    assert prediction.provenance["answer_id"] in (tmp_path / "answers.jsonl").read_text()


def test_forked_workers_log_to_one_file(load: Load, teams: Path) -> None:
    artifact = load()
    artifact(question=QUESTION)
    children = []
    for _ in range(3):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                code = 0 if [artifact(question=QUESTION) for _ in range(5)] else 2
            finally:
                os._exit(code)
        children.append(child)
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0, 0, 0]
    assert len({line["id"] for line in logged(teams)}) == 16


def test_hashes_follow_the_documents(load: Load, teams: Path) -> None:
    artifact = load(filters={"team": "payroll"})
    artifact(question=QUESTION)
    file = teams / "corpus.jsonl"
    file.write_text(file.read_text().replace("door is ALBATROSS", "door is no more ALBATROSS"))
    index(project=Project.find(teams))
    artifact(question=QUESTION)
    before, after = logged(teams)
    assert before["passages"][0]["sha256"] != after["passages"][0]["sha256"] == index_digests(teams)["payroll.md"]
    assert before["corpus_version"] != after["corpus_version"]


def test_serving_with_the_log_imports_neither_tracking_nor_statistics(
    project: Path, hosted_model: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCRIPTED_KEY", "any")
    hosted_model.script = lambda asked: fields(answer="£5")
    seal_program(project, lm=hosted_lm(hosted_model.base_url))
    configure(project, 'audit = "jsonl://.ragc/answers.jsonl"')
    code = (
        "import sys; from compiled import allotments\n"
        "print(allotments(question='What does it cost?').provenance['answer_id'])\n"
        "print([n for n in ('mlflow', 'scipy', 'ragc.tracking', 'ragc.compiler', 'ragc.artifact.answers._audit',"
        " 'ragc.models.gateway._gateway') if n in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], cwd=project, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == [logged(project)[0]["id"], "[]"]
