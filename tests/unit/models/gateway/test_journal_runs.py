"""Runs in the journal: what they used, cost and paid, what pruning leaves them, and how they are carried elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from fractions import Fraction
from pathlib import Path

import pytest

from journals import WORST, entry, key, run
from ragc.errors import DataError
from ragc.models.gateway._amounts import Amounts
from ragc.models.gateway._journal import Failure, Journal, StepRecord, Use
from ragc.models.gateway._journal._schema import SCHEMA

OLD = "2026-01-01T00:00:00+00:00"
QUARTER = timedelta(days=90)
PRICE = Fraction(1, 1000)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / ".ragc" / "journal.db"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    with Journal.open(path) as opened:
        yield opened


def uses(*numbers: int) -> list[Use]:
    return [Use(f"e{number}", 0, key(number)) for number in numbers]


def test_runs_are_found_by_task_and_identity_the_newest_first(journal: Journal) -> None:
    for id, task, identity in [("a", "one", "x"), ("b", "two", "x"), ("c", "one", "y"), ("d", "one", "x")]:
        journal.begin_run(run(id, task=task, identity=identity))
    assert [record.id for record in journal.find_runs()] == ["d", "c", "b", "a"]
    assert [record.id for record in journal.find_runs(task="one")] == ["d", "c", "a"]
    assert [record.id for record in journal.find_runs(identity="x")] == ["d", "b", "a"]
    assert [record.id for record in journal.find_runs(task="one", identity="x")] == ["d", "a"]
    assert journal.find_runs(task="none") == []


def test_a_run_is_changed_where_a_change_is_given(journal: Journal) -> None:
    journal.begin_run(run("a", components={"lm": "gpt", "optimizer": {"seed": 1}}))
    journal.update_run("a", state="budget", stop=4, seconds=12.5)
    journal.update_run("a", artifact="a1")
    (record,) = journal.find_runs()
    assert (record.state, record.stop, record.artifact, record.seconds) == ("budget", 4, "a1", 12.5)
    journal.update_run("a", state="running", stop=None, caps={"usd": 5.0})
    (record,) = journal.find_runs()
    assert (record.state, record.stop, record.artifact, record.caps) == ("running", None, "a1", {"usd": 5.0})
    assert record.components == {"lm": "gpt", "optimizer": {"seed": 1}}
    assert record.created
    with pytest.raises(KeyError, match="no run b"):
        journal.update_run("b", state="failed")
    with pytest.raises(ValueError, match="there is a run a already"):
        journal.begin_run(run("a"))


def test_the_run_that_sealed_an_artifact_is_known_as_it_was(journal: Journal) -> None:
    journal.begin_run(run("a"))
    journal.update_run("a", state="budget", stop=4, artifact="a1")
    journal.update_run("a", state="running", stop=None)
    journal.update_run("a", state="sealed", artifact="a2")
    first, second = journal.sealed_by("a1"), journal.sealed_by("a2")
    assert first is not None and (first.state, first.stop, first.artifact) == ("budget", 4, "a1")
    assert second is not None and (second.state, second.stop) == ("sealed", None)
    assert journal.sealed_by("a3") is None


def test_cost_counts_each_entry_once_whoever_paid_and_leaves_out_what_was_not_used(journal: Journal) -> None:
    for number in range(4):
        journal.settle(key(number), entry(number, run="earlier" if number == 1 else "r1"))
    journal.settle(key(4), entry(4, usd=None))
    failed = Use("e9", 0, key(9), "the context is too long")
    journal.record_step("r1", 0, "baseline", [*uses(0, 1), failed])
    journal.record_step("r1", 1, "candidate 1", [*uses(1, 4), Use("e1", 1, key(0))])
    cost = journal.cost_of("r1")
    assert cost.amounts == Amounts(3, 300, 30, 2 * PRICE)
    assert (cost.cached_input_tokens, cost.unpriced) == (120, 1)
    assert journal.spent_by("r1") == Amounts(4, 400, 40, 3 * PRICE)
    assert journal.cost_of("nobody").amounts == Amounts()


def test_steps_come_back_in_order_with_what_they_used_in_order(journal: Journal) -> None:
    second = [Use("e2", 0, key(2)), Use(None, 0, key(1)), Use("e2", 1, key(0), "failed")]
    journal.record_step("r1", 0, "pilot", uses(0))
    journal.record_step("r1", 1, "baseline", second)
    assert journal.steps_of("r1") == [
        StepRecord(0, "pilot", tuple(uses(0))),
        StepRecord(1, "baseline", tuple(second)),
    ]
    assert journal.uses_of("r1") == [*uses(0), *second]


def test_a_step_that_is_repeated_changes_nothing_and_another_takes_the_rest_away(journal: Journal) -> None:
    for number in range(3):
        journal.record_step("r1", number, f"step {number}", uses(number))
    journal.record_step("r1", 0, "step 0", uses(0))
    assert [step.number for step in journal.steps_of("r1")] == [0, 1, 2]
    journal.record_step("r1", 1, "another", uses(7))
    assert [step.label for step in journal.steps_of("r1")] == ["step 0", "another"]
    journal.record_step("r2", 0, "step 0", uses(9))
    assert len(journal.steps_of("r1")) == 2


def test_a_step_that_cannot_be_written_leaves_no_uses(journal: Journal) -> None:
    with pytest.raises(ValueError, match="hexadecimal"):
        journal.record_step("r1", 0, "baseline", [*uses(1), Use("e2", 0, "no key")])
    assert journal.steps_of("r1") == []
    assert journal.uses_of("r1") == []


def test_generations_count_for_each_task(journal: Journal) -> None:
    assert journal.generation("one") == 0
    assert [journal.next_generation("one"), journal.next_generation("one"), journal.next_generation("two")] == [1, 2, 1]
    assert (journal.generation("one"), journal.generation("two"), journal.generation("three")) == (2, 1, 0)


def test_the_summary_tells_what_was_paid_for_what(journal: Journal, path: Path) -> None:
    journal.begin_run(run("r1"))
    journal.begin_run(run("r2", task="faq"))
    for number in range(3):
        journal.settle(key(number), entry(number))
    journal.settle(key(3), entry(3, run="r2", task="faq", model="openai/gpt-5", usd=Fraction(1, 2)))
    journal.settle(key(4), entry(4, run="r2", task="faq", model="local/smollm2", usd=None))
    journal.claim(key(5), "r2", WORST)
    journal.release(key(5), paid=Amounts(1, 5, 0, PRICE))
    found = journal.summary()
    assert found.path == path
    assert found.bytes > 4096
    assert (found.total.entries, found.total.usd, found.total.unpriced) == (5, Fraction(1, 2) + 3 * PRICE, 1)
    assert [(share.name, share.entries) for share in found.by_task] == [("faq", 2), ("handbook", 3)]
    assert [(share.name, share.usd) for share in found.by_model] == [
        ("openai/gpt-5", Fraction(1, 2)),
        ("openai/gpt-5-mini", 3 * PRICE),
        ("local/smollm2", 0),
    ]
    assert [(share.name, record.task if record else None) for share, record in found.by_run] == [
        ("r2", "faq"),
        ("r1", "handbook"),
    ]
    assert found.unanswered == 1


def aged(journal: Journal) -> None:
    """Set the clock of every run back by a year."""
    journal._write(lambda connection: connection.execute("UPDATE runs SET changed = changed - 31536000000000"))


def test_pruning_never_takes_what_a_sealed_or_running_run_uses(journal: Journal) -> None:
    for number in range(10):
        paid_by = {6: "running", 7: "stopped"}.get(number, "elsewhere")
        journal.settle(key(number), entry(number, run=paid_by, created=OLD))
    journal.settle(key(10), entry(10, run="elsewhere", created="2999-01-01T00:00:00+00:00"))
    for id in ("sealed", "running", "interrupted", "stopped", "failed"):
        journal.begin_run(run(id))
    journal.record_step("sealed", 0, "baseline", uses(0, 1))
    journal.update_run("sealed", state="sealed", artifact="a1")
    journal.record_step("sealed", 0, "baseline", uses(2))  # it went on, and differently
    journal.record_step("running", 0, "baseline", uses(3))
    journal.record_step("interrupted", 0, "baseline", uses(4))
    journal.update_run("interrupted", state="interrupted")
    journal.record_step("stopped", 0, "baseline", uses(5, 7))
    journal.update_run("stopped", state="budget")
    journal.update_run("failed", state="failed")

    young = journal.prune(QUARTER)  # of runs that are young, nothing
    assert (young.entries, young.runs) == (2, 0)
    assert [number for number in range(11) if journal.find(key(number)) is None] == [8, 9]
    aged(journal)
    old = journal.prune(QUARTER)
    assert (old.entries, old.usd, old.runs) == (2, 2 * PRICE, 2)
    kept = [number for number in range(11) if journal.find(key(number)) is not None]
    assert kept == [0, 1, 2, 3, 4, 6, 10]
    assert [record.id for record in journal.find_runs()] == ["interrupted", "running", "sealed"]
    assert journal.steps_of("stopped") == []
    for number in kept:
        found = journal.find(key(number))
        assert found is not None and dict(found.request) == dict(entry(number).request)


def test_pruning_gives_the_space_back_and_what_comes_after_it_is_sound(journal: Journal, path: Path) -> None:
    for number in range(300):
        journal.settle(key(number), entry(number, created=OLD, response={"text": key(number) * 20}))
    before = journal.summary().bytes
    pruned = journal.prune(QUARTER)
    assert pruned.entries == 300
    assert journal.summary().bytes < before / 2
    assert pruned.bytes == before - journal.summary().bytes
    connection = journal._database.writer()
    assert connection.execute("SELECT count(*) FROM texts").get == 0
    journal.settle(key(1), entry(1, created="2999-01-01T00:00:00+00:00"))
    found = journal.find(key(1))
    assert found is not None and dict(found.request) == dict(entry(1).request)
    assert journal.prune(QUARTER).entries == 0


@pytest.fixture
def filled(journal: Journal) -> Journal:
    """Two sealed runs that share a response, one that failed, and a response that nobody used."""
    for number in range(6):
        journal.settle(key(number), entry(number, usd=None if number == 5 else PRICE))
    journal.begin_run(run("r1", generation=1))
    journal.record_step("r1", 0, "baseline", [*uses(0, 1), Use("e9", 0, key(9), "too long")])
    journal.claim(key(9), "r1", WORST)
    journal.release(key(9), Failure("ExampleError", "too long"))
    journal.update_run("r1", state="budget", stop=1, artifact="a1", seconds=3.5)
    journal.begin_run(run("r2", identity="i2"))
    journal.record_step("r2", 0, "baseline", uses(1, 2))
    journal.update_run("r2", state="sealed", artifact="b2")
    journal.claim(key(8), "r2", WORST)
    journal.release(key(8), paid=Amounts(1, 7, 1, PRICE))
    assert journal.next_generation("handbook") == 1
    return journal


def test_an_export_read_again_is_the_same_journal(filled: Journal, tmp_path: Path) -> None:
    file = tmp_path / "all.jsonl"
    count = filled.export(file)
    lines = file.read_text("utf-8").splitlines()
    assert count == len(lines)
    assert json.loads(lines[0]) == {"journal": SCHEMA}
    with Journal.load(file) as loaded:
        assert list(loaded.lines()) == lines
        for number in range(6):
            found, was = loaded.find(key(number)), filled.find(key(number))
            assert found is not None and was is not None
            assert replace(found, request={}) == replace(was, request={})
            assert dict(found.request) == dict(was.request)
        assert loaded.find_runs() == filled.find_runs()
        assert loaded.steps_of("r1") == filled.steps_of("r1")
        assert loaded.failure_of("r1", key(9)) == Failure("ExampleError", "too long")
        assert loaded.cost_of("r1") == filled.cost_of("r1")
        assert loaded.spent_by("r2") == filled.spent_by("r2") == Amounts(1, 7, 1, PRICE)
        assert loaded.generation("handbook") == 1
        assert loaded.sealed_by("a1") == filled.sealed_by("a1")
        assert list(loaded.lines("a1")) == list(filled.lines("a1"))
        loaded.settle(key(20), entry(20))


@pytest.mark.parametrize(("id", "numbers"), [("a1", {0, 1}), ("a", {0, 1}), ("b2", {1, 2})])
def test_an_export_of_one_artifact_holds_what_its_replay_needs_and_no_more(
    id: str, numbers: set[int], filled: Journal, tmp_path: Path
) -> None:
    file = tmp_path / "one.jsonl"
    filled.export(file, artifact=id)
    with Journal.load(file) as loaded:
        assert {number for number in range(6) if loaded.find(key(number))} == numbers
        (record,) = loaded.find_runs()
        whole = f"{id[0]}{'1' if id[0] == 'a' else '2'}"
        assert record == filled.sealed_by(whole) == loaded.sealed_by(whole)
        assert loaded.generation(record.task) == record.generation
        assert loaded.cost_of(record.id) == filled.cost_of(record.id)
        if record.id == "r1":
            assert loaded.failure_of("r1", key(9)) == Failure("ExampleError", "too long")
            assert (record.stop, record.generation) == (1, 1)


def test_half_a_character_is_exported_and_read_again(journal: Journal, tmp_path: Path) -> None:
    request = {"text": "half a character \ud800, and a whole one: é"}
    journal.settle(key(1), entry(1, request=request))
    file = tmp_path / "all.jsonl"
    journal.export(file)
    with Journal.load(file) as loaded:
        found = loaded.find(key(1))
        assert found is not None and dict(found.request) == request


@pytest.mark.parametrize("id", ["c", "", "a1x"])
def test_an_artifact_that_the_journal_does_not_know_is_one_line(id: str, filled: Journal, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f'no artifact "{id}"') as caught:
        filled.export(tmp_path / "one.jsonl", artifact=id)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "one.jsonl").exists()


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("no json", "line 3: not a line that `ragc journal export` writes"),
        ('{"entry": {"key": "k"}}', "line 3"),
        ('{"something": 1}', "nothing is called something"),
        ("[]", "line 3"),
        ('{"run": {"id": "r1"}}', "line 3"),
    ],
)
def test_a_line_that_is_wrong_is_named(line: str, error: str, filled: Journal, tmp_path: Path) -> None:
    file = tmp_path / "all.jsonl"
    filled.export(file)
    lines = file.read_text("utf-8").splitlines()
    file.write_text("\n".join([*lines[:2], line, *lines[2:]]), encoding="utf-8")
    with pytest.raises(DataError, match=error) as caught:
        Journal.load(file)
    assert "all.jsonl: line 3" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b'{"journal": 99}\n', f"line 1.*expected was journal {SCHEMA}"),
        (b'{"run": {}}\n', "line 1"),
        (b"\xff\xfe\n", "UTF-8"),
    ],
)
def test_a_file_that_is_no_export_is_refused(content: bytes, error: str, tmp_path: Path) -> None:
    file = tmp_path / "all.jsonl"
    file.write_bytes(content)
    with pytest.raises(DataError, match=error):
        Journal.load(file)
    with pytest.raises(DataError, match="no such file"):
        Journal.load(tmp_path / "missing.jsonl")
