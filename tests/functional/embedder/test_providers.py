"""Cohere's and Voyage's embedders through the command line: index, compile, replay, answer; each text is sent once."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from functional.embedder.conftest import PASSAGES
from launcher import Launcher
from provider import Asked, Provider
from scenes import FEW, KEY, Scene, configure, stage

NO_KEY: dict[str, str] = {}
QUESTION = "How much does it cost to join the waiting list?"


def staged(folder: Path, provider: Provider, launcher: Launcher, model: str, more: str = "") -> Scene:
    scene = stage(folder, provider, launcher)
    url = provider.cohere_url if model.startswith("cohere/") else provider.voyage_url
    table = f'{{ model = "{model}", base_url = "{url}", api_key_env = "OUR_KEY"{more} }}'
    configure(scene.root, 'tracking = "off"', f'tracking = "off"\nembedder = {table}')
    return scene


def texts(provider: Provider) -> list[tuple[str, str]]:
    """Every text that was sent to be embedded, with its input type."""
    requests: list[Asked] = [asked for asked in list(provider.requests) if asked.endpoint == "embeddings"]
    return [(asked.body["input_type"], text) for asked in requests for text in asked.texts]


@pytest.mark.parametrize(
    ("model", "document", "query"),
    [("cohere/embed-v4.0", "search_document", "search_query"), ("voyage/voyage-code-3", "document", "query")],
)
def test_from_the_index_to_an_answer_each_text_is_sent_once(
    tmp_path: Path, hosted_model: Provider, launcher: Launcher, model: str, document: str, query: str
) -> None:
    scene = staged(tmp_path, hosted_model, launcher, model, ", dimensions = 256")
    indexed = scene.run("index", "--json")
    assert indexed.returncode == 0, indexed.stderr
    assert (indexed.json["embedded"], indexed.json["paid"]["calls"]) == (PASSAGES, 1)
    assert indexed.json["paid"]["usd"] > 0  # from the price list
    done = scene.compile(*FEW, "--budget-usd", "1")
    assert done.returncode == 0, done.stderr
    sent = Counter(texts(scene.provider))
    assert set(sent.values()) == {1}
    assert Counter(use for use, _ in sent) == {document: PASSAGES, query: 20}
    identity = json.loads((scene.root / "compiled/allotments/manifest.json").read_text())["identity"]
    assert (identity["embedder"]["name"], identity["embedder"]["dimensions"]) == (model, 256)
    before = scene.asked
    replayed = scene.compile(*FEW, "--budget-usd", "1", "--replay", env=NO_KEY)
    assert replayed.returncode == 0, replayed.stderr
    assert (replayed.json["id"], replayed.json["paid_calls"], scene.asked) == (done.json["id"], 0, before)
    answer = scene.run("ask", "allotments", QUESTION, "--json")
    assert answer.returncode == 0, answer.stderr
    assert answer.json["passages"]
    assert texts(scene.provider)[-1] == (query, QUESTION)
    assert len(texts(scene.provider)) == sent.total() + 1
    for file in (scene.root / ".ragc").glob("index.db*"):
        file.unlink()
    again = scene.run("index", "--json")
    assert (again.json["embedded"], again.json["paid"]["calls"]) == (PASSAGES, 0)  # from the journal
    files = [file for file in scene.root.rglob("*") if file.is_file()]
    assert not [file for file in files if KEY.encode() in file.read_bytes()]


def test_what_is_wrong_is_one_line(tmp_path: Path, hosted_model: Provider, launcher: Launcher) -> None:
    scene = staged(tmp_path, hosted_model, launcher, "cohere/embed-v4.0", ", dimensions = 300")
    done = scene.run("index")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == ("error: embedder cohere/embed-v4.0 has 256, 512, 1024 or 1536 dimensions, not 300\n")
    configure(scene.root, ", dimensions = 300", "")
    done = scene.run("index", env=NO_KEY)
    assert done.returncode == 2
    assert done.stderr == "error: cohere/embed-v4.0: no key: set OUR_KEY in the environment\n"
    doctor = {one["name"]: one for one in scene.run("doctor", "--json", env=NO_KEY).json["checks"]}
    assert doctor["embedder"]["status"] == "problem"
    assert "set OUR_KEY in the environment" in doctor["embedder"]["found"]
    configure(scene.root, "cohere/embed-v4.0", "sentence-transformers/nobody-has-it")
    configure(scene.root, f', base_url = "{hosted_model.cohere_url}", api_key_env = "OUR_KEY"', "")
    done = scene.run("index")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "ragc[sentence-transformers]" in done.stderr or "hf download" in done.stderr
    assert not scene.asked
