"""`ragc label`: a model drafts labels, a person decides on each, and both are kept apart."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from conftest import RunRagc
from provider import Asked, Provider, fields
from ragc.compiler import draft_labels
from ragc.data import assign_splits, read_drafts, read_examples
from ragc.errors import ConfigError, DataError

DATA = Path("data/allotments")


def drafting(asked: Asked) -> str:
    """Quotes the first sentence, asks for its last words; copies badly from every other document."""
    passage = asked.text.partition("[[ ## passage ## ]]")[2].partition("Respond with")[0].strip()
    text = passage.partition("\n\n")[2] or passage
    sentence = re.split(r"(?<=[.!?])\s", text.strip())[0]
    words = sentence.rstrip(".").split()
    return fields(quote=sentence, question=f"What do the {words[1]} {len(text)} say?", answer=" ".join(words[-2:]))


@pytest.fixture
def drafted(project: Path, hosted_model: Provider, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The small project with a hosted model that drafts."""
    hosted_model.script = drafting
    monkeypatch.setenv("OUR_KEY", "sk-scripted-0123456789abcdef")
    file = project / "pyproject.toml"
    table = f'{{ model = "openai/drafter", base_url = "{hosted_model.base_url}", api_key_env = "OUR_KEY", '
    table += "max_tokens = 256, price = { input = 1.0, output = 2.0 } }"
    file.write_text(file.read_text("utf-8").replace('"local/smollm2-135m-instruct"', table), "utf-8")
    return project


def lines(root: Path, name: str) -> list[dict[str, Any]]:
    file = root / DATA / name
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()] if file.exists() else []


def test_drafts_are_kept_apart_until_a_person_takes_them(
    drafted: Path, run_ragc: RunRagc, hosted_model: Provider
) -> None:
    before = (drafted / DATA / "examples.jsonl").read_bytes()
    done = run_ragc("label", "--draft-only", "3", "--json", cwd=drafted)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert len(found["new"]) == len(found["open"]) == 3
    assert len({one["evidence"][0]["document"] for one in found["open"]}) == 3, "documents in turn"
    assert found["usd"] > 0
    assert (drafted / DATA / "examples.jsonl").read_bytes() == before, "nothing becomes an example unasked"
    one, two, three = found["new"]
    done = run_ragc("label", "--accept", one, "--reject", two, "--json", cwd=drafted)
    assert json.loads(done.stdout)["decided"] == {"accepted": 1, "mended": 0, "rejected": 1}
    added = lines(drafted, "examples.jsonl")[-1]
    assert (added["id"], added["origin"]) == (one, "accepted")
    assert [draft.id for draft in read_drafts(drafted / DATA / "examples.jsonl").open] == [three]
    kinds = [line["kind"] for line in lines(drafted, "drafts.jsonl")]
    assert kinds.count("draft") == 3 and kinds.count("decision") == 2
    asked = [request.text for request in hosted_model.requests]
    run_ragc("label", "--draft-only", "2", cwd=drafted)
    again = [request.text for request in hosted_model.requests[len(asked) :]]
    assert again and not set(asked) & set(again), "no passage is drafted from twice"
    again_accepted = run_ragc("label", "--accept", one, cwd=drafted)
    assert again_accepted.returncode == 2 and "was accepted before" in again_accepted.stderr


def test_a_draft_that_does_not_stand_in_its_passage_is_dropped_and_counted(
    drafted: Path, hosted_model: Provider
) -> None:
    answers = iter(["quote", "answer", "told", "unreadable", "repeated"])

    def script(asked: Asked) -> str:
        good = drafting(asked)
        match next(answers, None):
            case "quote":
                return fields(quote="Nothing like it stands anywhere.", question="What does it say here?", answer="x")
            case "answer":
                return re.sub(r"(answer ## \]\]\n).*", r"\1seventeen zebras", good)
            case "told":
                return fields(quote="x", question="Is it five pounds to join?", answer="five pounds")
            case "unreadable":
                return "I would rather not."
            case "repeated":
                known = read_examples(drafted / DATA / "examples.jsonl")[0].question
                return re.sub(r"(question ## \]\]\n).*", rf"\1{known}", good)
        return good

    hosted_model.script = script
    result = draft_labels(project=drafted, number=1, threads=1)
    assert len(result.new) == 1
    assert result.dropped["quote"] == result.dropped["answer"] == result.dropped["question"] == 1
    assert result.dropped["repeated"] == 1
    assert set(result.dropped) >= {"unreadable"} or len(hosted_model.requests) > 6, "an unreadable one is asked again"


def test_the_budget_ends_drafting_and_what_was_drafted_is_kept(drafted: Path, run_ragc: RunRagc) -> None:
    done = run_ragc("label", "--draft-only", "5", "--budget-calls", "2", "--threads", "1", "--json", cwd=drafted)
    assert done.returncode == 3, done.stderr
    found = json.loads(done.stdout)
    assert (len(found["new"]), found["stopped"], found["calls"]) == (2, "budget", 2)


def test_a_model_that_drafts_badly_is_given_up(drafted: Path, hosted_model: Provider) -> None:
    hosted_model.script = lambda asked: fields(quote="nowhere", question="What is it about?", answer="nothing")
    told: list[Any] = []
    result = draft_labels(project=drafted, number=1, threads=1, on_event=told.append)
    assert result.new == () and result.dropped["quote"] + result.left >= 12
    assert result.left == 0 or "larger model" in str(told)


def test_drafted_labels_stay_out_of_the_test_split(project: Path) -> None:
    file = project / DATA / "examples.jsonl"
    words = ("pump", "shed", "hedge", "gate", "path", "wall", "tap", "sign", "bench", "bin")
    with file.open("a") as more:
        for number, word in enumerate(words):
            line = {"id": f"d{number}", "question": f"Who mends the {word}s?", "answers": [f"Ann {number}"]}
            more.write(json.dumps({**line, "origin": "drafted"}) + "\n")
    splits = assign_splits(read_examples(file), project / DATA / "splits.json")
    assert not [one.id for one in splits.test if one.origin == "drafted"]
    assert sum(one.origin == "drafted" for one in (*splits.train, *splits.validation)) == 10
    with file.open("a") as more:
        line = {"id": "asked", "question": "Who keeps the keys?", "answers": ["Ann"], "split": "test"}
        more.write(json.dumps({**line, "origin": "drafted"}) + "\n")
    with pytest.raises(DataError, match=r"line 51: .*not for the test split until a person has accepted it"):
        read_examples(file)


def test_without_a_terminal_it_says_what_to_type(project: Path, run_ragc: RunRagc) -> None:
    done = run_ragc("label", cwd=project)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: no terminal to decide in: --draft-only N drafts")
    done = run_ragc("label", "--accept", "nobody", cwd=project)
    assert done.returncode == 2 and 'no draft "nobody"' in done.stderr
    with pytest.raises(ConfigError, match="expected 1 or more"):
        draft_labels(project=project, number=0)


def test_a_damaged_line_of_drafts_is_named(project: Path, run_ragc: RunRagc) -> None:
    (project / DATA / "drafts.jsonl").write_text('{"schema": 1, "kind": "draft"}\n')
    done = run_ragc("label", "--json", cwd=project)
    assert done.returncode == 2
    assert 'drafts.jsonl line 1: "draft": expected text, found null; restore it' in done.stderr
    (project / DATA / "drafts.jsonl").write_text('{"schema": 2, "kind": "draft"}\n')
    assert "newer than this ragc knows" in run_ragc("label", "--json", cwd=project).stderr


def test_keys_decide_one_by_one_and_what_was_decided_is_kept(drafted: Path) -> None:
    draft_labels(project=drafted, number=4)
    first = _typed(drafted, ["y", "e", "Whose rules are they?\n", "\n", "\n", "rules\n", "n", "q"])
    assert "openai/drafter" in first
    assert "1 accepted, 1 mended, 1 rejected, 1 open" in first
    accepted, mended = lines(drafted, "examples.jsonl")[-2:]
    assert accepted["origin"] == "accepted"
    assert (mended["origin"], mended["question"], mended["slice"]) == ("mended", "Whose rules are they?", "rules")
    drafts = {draft.id: draft for draft in read_drafts(drafted / DATA / "examples.jsonl").drafts}
    assert drafts[mended["id"]].question != mended["question"], "what the model wrote stays"
    interrupted = _typed(drafted, ["\x03"])
    assert "interrupted" in interrupted.lower()
    assert len(read_drafts(drafted / DATA / "examples.jsonl").open) == 1


def _typed(root: Path, keys: list[str]) -> str:
    """What is shown while these are typed: keys where a key is asked for, lines where a line is."""
    controller, terminal = pty.openpty()
    command = [sys.executable, "-m", "ragc", "label"]
    process = subprocess.Popen(command, cwd=root, stdin=terminal, stdout=terminal, stderr=terminal, close_fds=True)
    os.close(terminal)
    shown, seen, deadline = "", 0, time.monotonic() + 60
    for key in keys:
        wanted = ":" if key.endswith("\n") else "quit (q)"
        while wanted not in shown[seen:] and time.monotonic() < deadline:
            shown += _read(controller)
        seen = len(shown)
        time.sleep(0.3)  # what is typed before a key is waited for is thrown away
        os.write(controller, key.encode())
    while process.poll() is None and time.monotonic() < deadline:
        shown += _read(controller)
    process.kill()
    process.wait()
    shown += _read(controller)
    os.close(controller)
    return shown


def _read(controller: int) -> str:
    ready, _, _ = select.select([controller], [], [], 0.1)
    try:
        return os.read(controller, 65536).decode("utf-8", "replace") if ready else ""
    except OSError:  # the other end is closed
        return ""
