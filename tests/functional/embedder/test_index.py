"""`ragc index` and `ragc search` with an embedder behind an endpoint."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from functional.embedder.conftest import PASSAGES, embedded
from provider import Answer, Asked, Provider, always, first_times
from scenes import KEY, Scene, configure

NO_KEY: dict[str, str] = {}


def test_index_says_what_it_cost_and_asks_nothing_that_it_has(scene: Scene) -> None:
    done = scene.run("index")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == f"allotments 10 documents, {PASSAGES} passages"
    assert done.stdout.splitlines()[-1].startswith("paid       2 calls, ")
    probe, texts = embedded(scene.provider)
    assert (probe, len(texts)) == (["dimensions"], PASSAGES)
    done = scene.run("index", "--json", env=NO_KEY)
    assert done.returncode == 0, done.stderr
    assert (done.json["embedded"], done.json["paid"]) == (0, None)
    assert scene.asked == 2
    (scene.root / "data/allotments/corpus/new.md").write_text("Kites are allowed.")
    done = scene.run("index", "--json")
    assert done.json["embedded"] == done.json["paid"]["calls"] == 1
    assert done.json["paid"]["usd"] == pytest.approx(done.json["paid"]["input_tokens"] * 0.1 / 1e6)
    assert scene.asked == 3
    done = scene.run("journal", "--json")
    assert [(run["run"], run["responses"]) for run in done.json["runs"]] == [("index", 3)]


def test_an_index_that_is_lost_is_made_again_from_the_journal(scene: Scene) -> None:
    scene.run("index")
    for file in (scene.root / ".ragc").glob("index.db*"):
        file.unlink()
    done = scene.run("index", "--json")
    assert done.returncode == 0, done.stderr
    assert (done.json["embedded"], done.json["paid"]["calls"]) == (PASSAGES, 0)
    assert scene.asked == 2


def test_a_document_before_all_others_is_all_that_is_paid_for_when_the_index_is_lost(scene: Scene) -> None:
    scene.run("index")
    for file in (scene.root / ".ragc").glob("index.db*"):
        file.unlink()
    (scene.root / "data/allotments/corpus/0.md").write_text("Kites are allowed.")
    asked = scene.asked
    done = scene.run("index", "--json")
    assert done.returncode == 0, done.stderr
    assert (done.json["embedded"], done.json["paid"]["calls"]) == (PASSAGES + 1, 1)
    assert scene.asked == asked + 1
    assert embedded(scene.provider)[-1] == ["0\nKites are allowed."]


def test_search_embeds_the_question_and_leaves_no_trace(scene: Scene) -> None:
    scene.run("index")
    before = scene.in_journal()
    done = scene.run("search", "allotments", "When may I light a bonfire?", "--alpha", "1", "--json")
    assert done.returncode == 0, done.stderr
    assert all(passage["vector_score"] is not None for passage in done.json["passages"])
    assert embedded(scene.provider)[-1] == ["When may I light a bonfire?"]
    assert scene.in_journal() == before
    done = scene.run("search", "allotments", "bonfires", "--alpha", "0", "--json", env=NO_KEY)
    assert done.returncode == 0 and done.json["passages"]


def test_an_evaluation_of_retrieval_embeds_every_question_once_and_pays_for_none_twice(scene: Scene) -> None:
    scene.run("index")
    before = scene.asked
    done = scene.run("eval", "--retrieval", "--k", "1,3", "--alpha", "0,0.5,1", "--json")
    assert done.returncode == 0, done.stderr
    texts = [text for request in embedded(scene.provider) for text in request][1 + PASSAGES :]
    assert len(texts) == len(set(texts)) == done.json["n"] == scene.asked - before
    assert done.json["paid"]["calls"] == done.json["n"]
    again = scene.run("eval", "--retrieval", "--k", "1,5", "--json")
    assert again.returncode == 0, again.stderr
    assert again.json["paid"]["calls"] == 0
    assert scene.asked - before == done.json["n"]


def large_corpus(root: Path, documents: int = 26, sections: int = 60) -> None:
    """So many passages that an index takes several requests."""
    folder = root / "data/allotments/corpus"
    shutil.rmtree(folder)
    folder.mkdir()
    for document in range(documents):
        text = "\n\n".join(f"## {number}\n\nOf {document} and {number}." for number in range(sections))
        (folder / f"{document:02}.md").write_text(f"# Document {document}\n\n{text}\n")


def test_an_index_that_is_killed_goes_on_and_pays_for_nothing_twice(scene: Scene) -> None:
    large_corpus(scene.root)
    whole = scene.run("index", "--json")
    assert whole.returncode == 0, whole.stderr
    calls = scene.asked
    assert calls == whole.json["paid"]["calls"] > 3
    clean = scene.provider.counts()
    for after in range(1, calls + 1):
        scene.forget()
        running = scene.start("index", "--json")
        running.until(lambda after=after: scene.asked >= after)  # type: ignore[misc]
        running.kill()
        kept = scene.in_journal()
        assert kept >= after - 1
        done = scene.run("index", "--json")
        assert done.returncode == 0, done.stderr
        assert done.json["paid"]["calls"] == calls - kept
        assert set(scene.provider.counts()) == set(clean)
        assert scene.provider.counts().total() <= calls + 1  # what was in flight is asked again


@pytest.mark.parametrize("fault", ["429", "500", "half", "not json"])
def test_what_may_pass_is_tried_again(scene: Scene, fault: str) -> None:
    scene.provider.faults = first_times(1, fault)
    done = scene.run("index", "--json")
    assert done.returncode == 0, done.stderr
    assert done.json["paid"]["calls"] == 2
    assert scene.asked == 4


def _too_long(asked: Asked, answer: Answer) -> Answer:
    if max(map(len, asked.texts)) > 300:
        return Answer(status=400, message="This model's maximum context length is 8192 tokens.")
    return answer


def _nan(asked: Asked, answer: Answer) -> Answer:
    data = [{"index": place, "embedding": [float("nan"), 1]} for place in range(len(asked.texts))]
    return Answer(raw=json.dumps({"data": data, "usage": {"prompt_tokens": 9}}).encode())


BAD = {
    "401": ("401", "openai/words: the provider refuses the key in OUR_KEY"),
    "unknown model": ("unknown model", "openai/words: the provider does not know this model"),
    "too long": (_too_long, "cannot be embedded: openai/words: the prompt does not fit the model's context"),
    "NaN": (_nan, "the endpoint answered with a vector that holds NaN"),
    "another shape": ("wrong shape", "the reply holds no answer"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_refusal_is_one_line(scene: Scene, name: str) -> None:
    fault, said = BAD[name]
    scene.provider.faults = always(fault)  # type: ignore[arg-type]
    done = scene.run("index", "--json")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ") and said in done.stderr
    assert done.stderr.count("\n") == 1 and KEY not in done.stderr


def test_other_dimensions_than_were_asked_for_are_one_line(scene: Scene) -> None:
    configure(scene.root, "price = { input = 0.1 }", "price = { input = 0.1 }, dimensions = 32")
    data = [{"index": number, "embedding": [1, 2, 3]} for number in range(PASSAGES)]
    raw = json.dumps({"data": data, "usage": {"prompt_tokens": 9}}).encode()
    scene.provider.faults = always(lambda asked, answer: Answer(raw=raw))
    done = scene.run("index")
    assert done.returncode == 2
    assert "vectors of 3 dimensions, not 32: set dimensions" in done.stderr
    assert done.stderr.count("\n") == 1


def test_an_index_made_with_another_embedder_is_refused_and_made_anew(scene: Scene) -> None:
    scene.run("index")
    configure(scene.root, "openai/words", "openai/others")
    asked = scene.asked
    done = scene.run("search", "allotments", "bonfire")
    assert done.returncode == 2
    assert "was made with the embedder openai/words, not openai/others; run `ragc index allotments`" in done.stderr
    assert scene.asked == asked
    assert scene.run("index", "--json").json["embedded"] == PASSAGES
    assert scene.run("search", "allotments", "bonfire").returncode == 0
    configure(scene.root, "openai/others", "openai/words")
    done = scene.run("index", "--json")
    assert (done.json["embedded"], done.json["paid"]["calls"]) == (PASSAGES, 0)  # the journal has its vectors


def test_doctor_looks_for_key_and_endpoint_and_pays_for_nothing(scene: Scene) -> None:
    def embedder(env: dict[str, str]) -> str:
        done = scene.run("doctor", "--json", env=env)
        (found,) = [check for check in done.json["checks"] if check["name"] == "embedder"]
        return f"{found['status']}: {found['found']}"

    assert embedder({"OUR_KEY": KEY}).startswith("ok: openai/words, http://127.0.0.1:")
    assert embedder({"OUR_KEY": KEY}).endswith(" answers")
    assert "set OUR_KEY in the environment" in embedder(NO_KEY)
    configure(
        scene.root, scene.provider.base_url + '", api_key_env = "OUR_KEY", price', 'http://127.0.0.1:9/v1", price'
    )
    assert "does not answer" in embedder({"OUR_KEY": KEY})
    done = scene.run("doctor", "--json", env={"OUR_KEY": KEY, "RAGC_EMBEDDER": "jina/embeddings-v4"})
    assert "known: local/wordllama-256, openai/text-embedding-3-small" in done.stdout
    assert not scene.asked


def test_an_own_model_may_be_local_to_the_house_and_without_a_key(scene: Scene, hosted_model: Provider) -> None:
    configure(scene.root, 'api_key_env = "OUR_KEY", price = { input = 0.1 }', "price = { input = 0.0 }")
    done = scene.run("index", "--json", env=NO_KEY)
    assert done.returncode == 0, done.stderr
    assert done.json["paid"]["usd"] == 0
    assert {asked.key for asked in hosted_model.requests} == {"none"}


def test_no_key_reaches_a_file(scene: Scene) -> None:
    scene.provider.faults = always(lambda asked, answer: Answer(model=f"words for {asked.key}"))
    assert scene.run("index").returncode == 0
    files = [file for file in scene.root.rglob("*") if file.is_file()]
    assert not [file for file in files if KEY.encode() in file.read_bytes()]
    exported = scene.run("journal", "export").stdout
    assert "words for ***" in exported and KEY not in exported
