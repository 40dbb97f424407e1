"""A compile that searches rerankers, through the command line: counted, capped, sealed, replayed, served."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

import ragc
from functional.embedder.conftest import PASSAGES
from launcher import Done, Launcher
from provider import Answer, Asked, Provider, always, relevance
from ragc.errors import ModelError
from scenes import KEY, Scene, configure, stage

COHERE = "cohere/rerank-v3.5"
QUESTIONS = 20
BOOTSTRAP = ("--optimizer", "bootstrap", "--set", "bootstrapped=0")
TRIED = (*BOOTSTRAP, "--set", "candidates=2", "--set", "k=3", "--set", f"reranker={COHERE},none")
ONE = (*BOOTSTRAP, "--set", "candidates=1", "--set", "k=3", "--set", f"reranker={COHERE}")
NO_KEY: dict[str, str] = {}


def use_reranker(root: Path, provider: Provider, more: str = "") -> None:
    """Say where Cohere's reranker is."""
    table = f'{{ model = "{COHERE}", base_url = "{provider.cohere_url}", api_key_env = "OUR_KEY"{more} }}'
    configure(root, 'tracking = "off"', f'tracking = "off"\nrerankers = [{table}]')


def ranked(provider: Provider) -> list[Asked]:
    return [asked for asked in list(provider.requests) if asked.endpoint == "rerank"]


@pytest.fixture
def scene(tmp_path: Path, hosted_model: Provider, launcher: Launcher) -> Scene:
    scene = stage(tmp_path, hosted_model, launcher)
    use_reranker(scene.root, hosted_model)
    return scene


def compiled(scene: Scene, *args: str) -> Done:
    done = scene.compile(*args)
    assert done.returncode == 0, done.stderr
    return done


def state(scene: Scene) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((scene.root / "compiled/allotments/state.json").read_text())
    return read


def test_a_compile_searches_rerankers_and_asks_each_question_once(scene: Scene) -> None:
    done = compiled(scene, *TRIED)
    asked = ranked(scene.provider)
    queries = [one.body["query"] for one in asked]
    assert 0 < len(queries) == len(set(queries)) <= QUESTIONS
    assert {len(one.documents) for one in asked} == {PASSAGES}
    assert all("top_n" not in one.body for one in asked)
    assert done.json["paid_calls"] == scene.asked
    candidates = json.loads((scene.root / "compiled/allotments/manifest.json").read_text())["candidates"]
    assert [one["settings"].get("reranker") for one in candidates] == [COHERE, None]
    again = compiled(scene, *TRIED)
    replayed = scene.compile(*TRIED, "--replay", env=NO_KEY)
    assert replayed.returncode == 0, replayed.stderr
    assert (again.json["id"], again.json["paid_calls"]) == (done.json["id"], 0)
    assert (replayed.json["id"], replayed.json["cost"]) == (done.json["id"], done.json["cost"])
    assert len(ranked(scene.provider)) == len(asked)
    kinds = scene.run("journal", "--json").json
    assert COHERE in json.dumps(kinds)


def test_an_evaluation_of_retrieval_has_the_reranker_in_its_grid_and_pays_once(scene: Scene) -> None:
    grid = ("eval", "--retrieval", "--k", "1,3", "--alpha", "0,1", "--json")
    done = scene.run(*grid, "--csv", str(scene.root / "grid.csv"))
    assert done.returncode == 0, done.stderr
    found = done.json
    orders: list[tuple[str | None, int, int]] = [(None, 0, 1), (None, 0, 3), (None, 1, 1), (None, 1, 3)]
    orders += [(COHERE, alpha, k) for _, alpha, k in orders]
    assert [(one["reranker"], one["alpha"], one["k"]) for one in found["settings"]] == orders
    asked = ranked(scene.provider)
    assert len(asked) == scene.asked == found["paid"]["calls"] == 2 * found["n"]
    assert found["paid"]["usd"] == pytest.approx(0.002 * len(asked))
    lines = list(csv.DictReader((scene.root / "grid.csv").read_text("utf-8").splitlines()))
    whole = [line for line in lines if not line["slice"]]
    assert [(line["reranker"], line["k"], float(line["recall"])) for line in whole] == [
        (one["reranker"] or "none", str(one["k"]), one["recall"]) for one in found["settings"]
    ]
    assert len(lines) == 8 * (1 + len(found["slices"]))
    again = scene.run(*grid)
    assert (again.json["settings"], again.json["paid"]["calls"]) == (found["settings"], 0)
    without = scene.run(*grid, "--reranker", "none", env=NO_KEY)
    assert (without.json["settings"], without.json["paid"]) == (found["settings"][:4], None)
    assert len(ranked(scene.provider)) == len(asked)


MISTAKES = {
    "no reranker": (("--reranker", "fast"), KEY, "unknown reranker 'fast'"),
    "no key": (("--reranker", COHERE), None, "set OUR_KEY in the environment"),
    "too deep": (("--k", "51"), KEY, "k is at most 50 here with a reranker"),
    "no folder for the file": (("--reranker", "none", "--csv", "pyproject.toml/x.csv"), KEY, "cannot write"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_what_cannot_be_ranked_or_written_is_one_line(scene: Scene, name: str) -> None:
    args, key, said = MISTAKES[name]
    done = scene.run("eval", "--retrieval", *args, env=NO_KEY if key is None else {"OUR_KEY": key})
    assert done.returncode == 2
    assert said in done.stderr.splitlines()[-1] and not ranked(scene.provider)


def test_a_search_is_priced_and_capped(scene: Scene) -> None:
    dry = scene.compile(*ONE, "--dry-run")
    assert dry.returncode == 0, dry.stderr
    assert not scene.asked
    estimate = dry.json["estimate"]
    assert estimate["usd"][0] > 16 * 0.002  # validation and test
    done = compiled(scene, *ONE)
    searches = len(ranked(scene.provider))
    assert done.json["paid_usd"] > searches * 0.002
    chat = scene.asked - searches
    assert estimate["calls"] == [searches + chat] * 2 == [done.json["paid_calls"]] * 2
    scene.forget()
    capped = scene.compile(*ONE, "--budget-usd", "0.01")
    assert (capped.returncode, capped.stdout) == (2, "")
    assert "the smallest that can is about $0.0" in capped.stderr
    assert not ranked(scene.provider)


def test_a_reranker_without_a_price_is_refused_under_a_cap_with_the_line_to_write(scene: Scene) -> None:
    configure(scene.root, COHERE, "cohere/ours")
    done = scene.compile(*BOOTSTRAP, "--set", "candidates=1", "--set", "reranker=cohere/ours", "--budget-usd", "1")
    assert (done.returncode, done.stdout) == (2, "")
    assert 'write rerankers = [{ model = "cohere/ours", price = { search = … } }]' in done.stderr
    assert not scene.asked


def test_what_is_wrong_is_one_line_before_anything_is_paid(scene: Scene) -> None:
    for reranker, said in (
        ("jina/reranker-v2", "unknown reranker 'jina/reranker-v2'; known: cohere/rerank-v3.5, voyage/rerank-2.5, none"),
        ("voyage/rerank-2.5", "voyage/rerank-2.5: no key: set VOYAGE_API_KEY in the environment"),
    ):
        done = scene.compile(*BOOTSTRAP, "--set", f"reranker={reranker}")
        assert (done.returncode, done.stdout) == (2, ""), done.stderr
        assert said in done.stderr
        assert "Traceback" not in done.stderr
    assert not scene.asked


def test_a_key_that_is_refused_ends_the_run(scene: Scene) -> None:
    scene.provider.faults = always(lambda asked, answer: Answer(status=401) if asked.documents else answer)
    done = scene.compile(*ONE)
    assert done.returncode == 2, done.stderr
    assert f"{COHERE}: the provider refuses the key in OUR_KEY" in done.stderr
    assert KEY not in done.stderr


def test_what_a_compile_chose_is_sealed_and_served(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    # The program itself reranks, so that whatever is sealed does.
    program = scene.root / "programs/grounded.py"
    program.write_text(program.read_text().replace("ragc.Retrieve(", f'ragc.Retrieve(reranker="{COHERE}", '))
    compiled(scene, *ONE)
    assert state(scene)["retrieve"]["reranker"] == COHERE
    manifest = json.loads((scene.root / "compiled/allotments/manifest.json").read_text())
    assert manifest["built"]["rerankers"][0]["base_url"] == scene.provider.cohere_url
    files = [file for file in scene.root.rglob("*") if file.is_file()]
    assert not [file for file in files if KEY.encode() in file.read_bytes()]
    before = len(ranked(scene.provider))
    question = "How much does it cost to join the waiting list?"
    done = scene.run("ask", "allotments", question, "--json")
    assert done.returncode == 0, done.stderr
    assert len(ranked(scene.provider)) == before + 1
    scores = [passage["score"] for passage in done.json["passages"]]
    assert scores == sorted(scores, reverse=True)
    monkeypatch.delenv("OUR_KEY", raising=False)
    with pytest.raises(ModelError, match="set OUR_KEY in the environment"):
        ragc.load(scene.root / "compiled/allotments").ready()


def test_search_shows_the_rerankers_score_beside_its_parts(scene: Scene) -> None:
    scene.run("index")
    question = "When may I light a bonfire?"
    done = scene.run("search", "allotments", question, "--rerank", COHERE, "--k", "4", "--json")
    assert done.returncode == 0, done.stderr
    (asked,) = ranked(scene.provider)
    best = sorted((relevance(question, text) for text in asked.documents), reverse=True)
    assert [passage["rerank_score"] for passage in done.json["passages"]] == best[:4]
    assert all(passage["score"] == passage["rerank_score"] for passage in done.json["passages"])
    assert any(passage["text_score"] is not None for passage in done.json["passages"])
    assert scene.in_journal() == 0
    refused = scene.run("search", "allotments", question, "--rerank", "bm42")
    assert refused.returncode == 2
    assert "unknown reranker 'bm42'" in refused.stderr


def test_doctor_names_the_missing_key(scene: Scene) -> None:
    checks = {one["name"]: one for one in scene.run("doctor", "--json", env=NO_KEY).json["checks"]}
    assert checks["reranker"]["status"] == "problem"
    assert "set OUR_KEY in the environment" in checks["reranker"]["found"]


def test_a_compile_that_is_killed_while_it_reranks_pays_nothing_twice(scene: Scene) -> None:
    whole = compiled(scene, *ONE)
    calls, counts = scene.asked, scene.provider.counts()
    scene.forget()
    running = scene.start("compile", "--json", *ONE)
    running.until(lambda: len(ranked(scene.provider)) >= 4)
    running.kill()
    kept = scene.in_journal()
    done = compiled(scene, *ONE)
    assert (done.json["id"], done.json["paid_calls"]) == (whole.json["id"], calls - kept)
    assert set(scene.provider.counts()) == set(counts)


def test_an_evaluation_reranks_and_counts(scene: Scene) -> None:
    program = scene.root / "programs/grounded.py"
    program.write_text(program.read_text().replace("ragc.Retrieve(", f'ragc.Retrieve(reranker="{COHERE}", '))
    refused = scene.run("eval", "allotments", "--uncompiled", env=NO_KEY)
    assert refused.returncode == 2
    assert "set OUR_KEY in the environment" in refused.stderr
    done = scene.run("eval", "allotments", "--uncompiled", "--json")
    assert done.returncode == 0, done.stderr
    asked = ranked(scene.provider)
    assert len(asked) == len({one.body["query"] for one in asked}) == done.json["n"]
    again = scene.run("eval", "allotments", "--uncompiled", "--json")
    assert (again.json["score"], len(ranked(scene.provider))) == (done.json["score"], len(asked))
