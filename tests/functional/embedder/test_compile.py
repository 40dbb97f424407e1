"""A compile whose passages and questions are embedded behind an endpoint: counted, capped, resumed, replayed."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from functional.embedder.conftest import PASSAGES, embedded
from launcher import Done
from provider import Answer, Asked, always
from scenes import FEW, KEY, Scene, configure

NO_KEY: dict[str, str] = {}
QUESTIONS = 20


@pytest.fixture(scope="module")
def first(shared: Scene) -> Done:
    """The first compile, which makes the index."""
    done = shared.compile(*FEW)
    assert done.returncode == 0, done.stderr
    return done


def test_a_run_embeds_passages_and_each_question_once(shared: Scene, first: Done) -> None:
    texts = embedded(shared.provider)
    assert [len(one) for one in texts[:2]] == [1, PASSAGES]
    questions = [text for one in texts[2:] for text in one]
    assert len(questions) == len(set(questions)) == QUESTIONS
    assert first.json["paid_calls"] == shared.asked


def test_the_index_is_paid_for_and_no_part_of_what_the_artifact_cost(shared: Scene, first: Done) -> None:
    cost = first.json["cost"]
    assert cost["calls"] == first.json["paid_calls"] - 2
    assert cost["usd"] < first.json["paid_usd"]
    assert f"index      {PASSAGES} passages embedded: 2 calls, " in first.stderr


def test_the_artifact_says_what_it_was_measured_with_and_holds_no_key(shared: Scene, first: Done) -> None:
    manifest = json.loads((shared.root / "compiled/allotments/manifest.json").read_text())
    assert {**manifest["identity"]["embedder"], "fingerprint": ""} == {
        "name": "openai/words", "fingerprint": "", "dimensions": 64,
    }  # fmt: skip
    assert manifest["identity"]["embedder_settings"] == {
        "model": "openai/words", "dimensions": None, "price": {"input": 0.1},
    }  # fmt: skip
    assert manifest["built"]["embedder_settings"]["base_url"] == shared.provider.base_url
    files = [file for file in shared.root.rglob("*") if file.is_file()]
    assert not [file for file in files if KEY.encode() in file.read_bytes()]


def test_a_second_compile_and_a_replay_ask_nothing(shared: Scene, first: Done) -> None:
    before = shared.asked
    for arguments, env in (((), {"OUR_KEY": KEY}), (("--replay",), NO_KEY)):
        done = shared.compile(*FEW, *arguments, env=env)
        assert done.returncode == 0, done.stderr
        assert (done.json["id"], done.json["cost"]) == (first.json["id"], first.json["cost"])
        assert done.json["paid_calls"] == 0
    assert shared.asked == before


def test_the_id_is_the_same_when_the_index_was_there_before(shared: Scene, first: Done, tmp_path: Path) -> None:
    copy = Scene(tmp_path / "copy", shared.provider, shared.launcher, tmp_path)
    shutil.copytree(shared.root, copy.root, ignore=shutil.ignore_patterns(".ragc", "compiled"))
    assert copy.run("index").returncode == 0
    done = copy.compile(*FEW)
    assert done.returncode == 0, done.stderr
    assert done.json["cost"] == first.json["cost"]
    assert _decided(copy) == _decided(shared)


def _decided(scene: Scene) -> dict[str, Any]:
    """What the id is made of; the address is no part of it, and both have the same."""
    identity: dict[str, Any] = json.loads((scene.root / "compiled/allotments/manifest.json").read_text())["identity"]
    return identity


def test_a_replay_without_an_index_takes_its_vectors_from_the_journal_or_names_the_command(
    shared: Scene, first: Done, tmp_path: Path
) -> None:
    before = shared.asked
    for file in (shared.root / ".ragc").glob("index.db*"):
        file.rename(tmp_path / file.name)
    done = shared.compile(*FEW, "--replay", env=NO_KEY)
    assert done.returncode == 0, done.stderr
    assert done.json["id"] == first.json["id"]
    export = tmp_path / "one.jsonl"
    assert shared.run("journal", "export", "--artifact", first.json["id"][:12], str(export)).returncode == 0
    elsewhere = Scene(tmp_path / "elsewhere", shared.provider, shared.launcher, tmp_path)
    shutil.copytree(shared.root, elsewhere.root, ignore=shutil.ignore_patterns(".ragc", "compiled"))
    done = elsewhere.compile(*FEW, "--replay", str(export), env=NO_KEY)
    assert done.returncode == 2
    assert "run `ragc index allotments`, then replay" in done.stderr
    assert shared.asked == before


def test_a_dry_run_says_what_the_index_would_take_and_asks_nothing(scene: Scene) -> None:
    done = scene.compile(*FEW, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert f"index      {PASSAGES} passages to be embedded: about 1 call, " in done.stderr
    assert not scene.asked
    whole = scene.compile(*FEW)
    estimate = done.json["estimate"]
    assert estimate["calls"][0] <= whole.json["paid_calls"] <= estimate["calls"][1] + 2
    assert estimate["smallest"]["calls"] > QUESTIONS


def test_a_cap_holds_over_both_kinds_of_calls(scene: Scene) -> None:
    done = scene.compile("--set", "candidates=12", "--budget-calls", "75")
    assert done.returncode == 3, done.stderr
    assert (done.json["stopped"], done.json["paid_calls"]) == ("budget", scene.asked)
    assert done.json["verdict"] != "not tested"
    assert scene.asked <= 75


def test_a_cap_in_usd_is_shared_by_index_questions_and_answers(scene: Scene) -> None:
    configure(scene.root, "price = { input = 0.1 }", "price = { input = 5.0 }")
    done = scene.compile(*FEW, "--budget-usd", "0.01")  # 650 tokens would fit, the most that they can be does not
    assert (done.returncode, done.stdout) == (3, "")
    assert "error: the index of allotments: the budget of $0.01 " in done.stderr
    assert "; raise the budget, or run `ragc index allotments` first" in done.stderr
    done = scene.compile(*FEW, "--budget-usd", "0.04")
    assert (done.returncode, done.stdout) == (2, "")
    assert "1 call, 654 tokens, $0.0033\n" in done.stderr  # the index fits
    needed = re.search(r"the smallest that can is about \$[0-9.]+ \(--budget-usd ([0-9.]+)\)", done.stderr)
    assert needed is not None
    paid = scene.asked
    done = scene.compile(*FEW, "--budget-usd", needed[1])
    assert done.returncode == 0, done.stderr
    assert done.json["paid_calls"] == scene.asked - paid
    assert done.json["paid_usd"] + 0.0033 < float(needed[1])


def test_a_budget_that_cannot_fund_the_index_is_refused_before_anything_is_paid(scene: Scene) -> None:
    file = scene.root / "data/allotments/corpus/long.md"
    file.write_text("\n\n".join(f"## {number}\n\nOf plot {number}." for number in range(1200)))
    done = scene.compile(*FEW, "--budget-calls", "2")
    assert (done.returncode, done.stdout) == (2, "")
    assert "a budget of 2 calls cannot fund the index: 1,215 passages to be embedded take about 3 calls" in done.stderr
    assert "or run `ragc index allotments` first" in done.stderr
    assert not scene.asked


def test_a_cap_in_usd_without_a_price_is_refused_with_the_line_to_write(scene: Scene) -> None:
    configure(scene.root, ", price = { input = 0.1 }", "")
    done = scene.compile(*FEW, "--budget-usd", "1")
    assert (done.returncode, done.stdout) == (2, "")
    assert 'write embedder = { model = "openai/words", price = { input = … } }' in done.stderr
    assert not scene.asked


def test_a_compile_that_is_killed_while_it_embeds_goes_on_and_pays_nothing_twice(scene: Scene) -> None:
    whole = scene.compile(*FEW)
    calls, counts = scene.asked, scene.provider.counts()
    for after in (2, 8):
        scene.forget()
        running = scene.start("compile", "--json", *FEW)
        running.until(lambda after=after: scene.asked >= after)  # type: ignore[misc]
        running.kill()
        kept = scene.in_journal()
        done = scene.compile(*FEW)
        assert done.returncode == 0, done.stderr
        assert (done.json["id"], done.json["paid_calls"]) == (whole.json["id"], calls - kept)
        assert set(scene.provider.counts()) == set(counts)


def test_a_question_that_is_refused_is_that_examples_error(scene: Scene) -> None:
    (asked,) = [json.loads(line) for line in _examples(scene)][:1]

    def fault(one: Asked, answer: Answer) -> Answer:
        if one.endpoint == "embeddings" and one.texts == [asked["question"]]:
            return Answer(status=400, message="This model's maximum context length is 8192 tokens.")
        return answer

    scene.provider.faults = always(fault)
    done = scene.compile(*FEW)
    assert done.returncode == 0, done.stderr
    errors = [done.json[part][side]["errors"] for part in ("validation", "test") for side in ("baseline", "compiled")]
    assert sum(errors) in (0, 2)  # in training it is only left out
    assert scene.compile(*FEW, "--replay", env=NO_KEY).json["id"] == done.json["id"]


def _examples(scene: Scene) -> list[str]:
    return (scene.root / "data/allotments/examples.jsonl").read_text("utf-8").splitlines()


def test_a_key_that_is_refused_ends_the_run_after_one_request(scene: Scene) -> None:
    scene.provider.faults = always(lambda asked, answer: Answer(status=401) if asked.texts else answer)
    done = scene.compile(*FEW)
    assert (done.returncode, done.stdout) == (2, "")
    assert "openai/words: the provider refuses the key in OUR_KEY" in done.stderr
    assert scene.asked == 1
    scene.provider.faults = None
    done = scene.compile(*FEW, env=NO_KEY)
    assert "set OUR_KEY in the environment" in done.stderr


def test_a_run_without_vectors_asks_for_none(scene: Scene) -> None:
    program = scene.root / "programs/grounded.py"
    text = program.read_text()
    assert "ragc.Retrieve(" in text
    program.write_text(text.replace("ragc.Retrieve(", "ragc.Retrieve(alpha=0, "))
    assert scene.compile(*FEW).returncode == 0
    assert len(embedded(scene.provider)) == 2  # the index has them all the same
