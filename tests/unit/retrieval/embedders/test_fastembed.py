"""fastembed's models, run here on weights of a few hundred bytes in its cache's own form; nothing is fetched."""

from __future__ import annotations

import base64
import json
import socket
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from contract.stores import corpus_of
from ragc.errors import ConfigError, DataError, ExampleError, ModelError
from ragc.project import ChunkSettings, EmbedderSettings
from ragc.retrieval import Embedder, Index, check_embedder, is_local, make_embedder, open_store
from ragc.retrieval.embedders._embedder import NotEmbedded

NAME = "fastembed/sentence-transformers/all-MiniLM-L6-v2"
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "five", "days", "of", "leave", "bonfires", "are", "allowed", "word"]
LONGEST = 16
# An ONNX graph: last_hidden_state[text, token, 0..383] = sin(input_ids[text, token] * (1/3 … 8/3)), 48 times over.
MODEL = (
    "CAg69gMKHQoOdG9rZW5fdHlwZV9pZHMKAm56EgJ0MCIDTXVsCh0KDmF0dGVudGlvbl9tYXNrCgJuehICbTAiA011bAoYCglpbnB1"
    "dF9pZHMKAnQwEgJpMSIDQWRkChEKAmkxCgJtMBICaTIiA0FkZAoYCgJpMhIBZiIEQ2FzdCoJCgJ0bxgBoAECChcKAWYKBGF4aXMS"
    "AXUiCVVuc3F1ZWV6ZQoOCgF1CgF3EgFwIgNNdWwKCwoBcBIBcyIDU2luCiIKAXMKBHRpbGUSEWxhc3RfaGlkZGVuX3N0YXRlIgRU"
    "aWxlEgV3b3JkcyotCAEIAQgIEAFCAXdKIKuqqj6rqio/AACAP6uqqj9VVdU/AAAAQFVVFUCrqipAKiQIAxAHQgR0aWxlShgBAAAA"
    "AAAAAAEAAAAAAAAAMAAAAAAAAAAqFAgBEAdCBGF4aXNKCAIAAAAAAAAAKhAQB0ICbnpKCAAAAAAAAAAAWh0KCWlucHV0X2lkcxIQ"
    "Cg4IBxIKCgMSAWIKAxIBdFoiCg5hdHRlbnRpb25fbWFzaxIQCg4IBxIKCgMSAWIKAxIBdFoiCg50b2tlbl90eXBlX2lkcxIQCg4I"
    "BxIKCgMSAWIKAxIBdGIqChFsYXN0X2hpZGRlbl9zdGF0ZRIVChMIARIPCgMSAWIKAxIBdAoDCIADQgQKABAN"
)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache that holds the model as `hf download` leaves it, and no network."""
    pytest.importorskip("fastembed", reason="the extra fastembed is not installed")
    repository = tmp_path / "cache" / "models--Qdrant--all-MiniLM-L6-v2-onnx"
    folder = repository / "snapshots" / "0123456789abcdef"
    folder.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0123456789abcdef")
    (folder / "model.onnx").write_bytes(base64.b64decode(MODEL))
    for name, content in _tokenizer().items():
        (folder / name).write_text(json.dumps(content))
    monkeypatch.setenv("FASTEMBED_CACHE_PATH", str(tmp_path / "cache"))
    monkeypatch.setattr(socket.socket, "connect", _no_network)
    return folder


def _no_network(*_: object) -> None:
    raise AssertionError("the network was used")


def _tokenizer() -> dict[str, Any]:
    special = [
        {"id": number, "content": word, "special": True, "single_word": False, "lstrip": False, "rstrip": False,
         "normalized": False}
        for number, word in enumerate(WORDS[:4])
    ]  # fmt: skip
    marks = [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"SpecialToken": {"id": "[SEP]", "type_id": 0}}]
    text = {"Sequence": {"id": "A", "type_id": 0}}
    return {
        "tokenizer.json": {
            "version": "1.0", "truncation": None, "padding": None, "added_tokens": special,
            "normalizer": {"type": "Lowercase"}, "pre_tokenizer": {"type": "Whitespace"},
            "post_processor": {
                "type": "TemplateProcessing", "single": [marks[0], text, marks[1]], "pair": [marks[0], text, marks[1]],
                "special_tokens": {
                    name: {"id": name, "ids": [WORDS.index(name)], "tokens": [name]} for name in ("[CLS]", "[SEP]")
                },
            },
            "decoder": None,
            "model": {"type": "WordLevel", "vocab": {word: at for at, word in enumerate(WORDS)}, "unk_token": "[UNK]"},
        },
        "config.json": {"pad_token_id": 0},
        "tokenizer_config.json": {"model_max_length": LONGEST, "max_length": LONGEST, "pad_token": "[PAD]"},
        "special_tokens_map.json": {
            "cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]", "unk_token": "[UNK]",
        },
    }  # fmt: skip


def made(**values: Any) -> Embedder:
    return make_embedder(EmbedderSettings.model_validate({"model": NAME, **values}))


def test_vectors_are_of_unit_length_in_order_and_blank_text_has_none(cache: Path) -> None:
    embedder = made()
    texts = ["five days of leave", " ", "bonfires are allowed", "leave \ud800"]
    vectors = embedder.embed_documents(texts)
    assert vectors.shape == (4, 384)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), [1, 0, 1, 1], atol=1e-6)
    for text, vector in zip(texts, vectors, strict=True):
        np.testing.assert_allclose(embedder.embed_query(text), vector, atol=1e-6)
    assert embedder.count_tokens("five days") == 4
    assert is_local(EmbedderSettings(model=NAME))


def test_it_indexes_and_finds(cache: Path, tmp_path: Path) -> None:
    store = open_store("sqlite://index.db", root=tmp_path, collection="handbook")
    index = Index(store, made(), ChunkSettings(), name="handbook")
    index.update(corpus_of({"leave.md": "Five days of leave.", "fire.md": "Bonfires are allowed."}))
    assert index.search("leave", alpha=1)[0].document == "leave.md"
    assert index.outstanding(corpus_of({"new.md": "Five."})).calls == 0
    index.close()


def test_a_text_that_is_longer_than_the_model_reads_is_named(cache: Path, tmp_path: Path) -> None:
    embedder = made()
    said = f"{NAME}: a text has 42 tokens, more than the {LONGEST} that it reads"
    with pytest.raises(NotEmbedded, match=said) as raised:
        embedder.embed_documents(["five", "", "word " * 40])
    assert raised.value.number == 2
    with pytest.raises(ExampleError, match=said):
        embedder.embed_query("word " * 40)
    store = open_store("sqlite://index.db", root=tmp_path, collection="handbook")
    index = Index(store, embedder, ChunkSettings(), name="handbook")
    with pytest.raises(DataError, match=r"^long\.md, characters 0 to \d+, cannot be embedded: .*lower chunk\.size"):
        index.update(corpus_of({"long.md": "word " * 40}))
    index.close()


def test_the_fingerprint_is_that_of_the_weights(cache: Path) -> None:
    before = made().fingerprint
    assert made().fingerprint == before
    model = cache / "model.onnx"
    model.write_bytes(model.read_bytes() + b"\x00")
    assert made().fingerprint != before


def test_it_may_be_used_by_many_threads(cache: Path) -> None:
    embedder, found = made(), []
    expected = embedder.embed_query("five days")
    threads = [
        threading.Thread(target=lambda: found.append(np.allclose(embedder.embed_query("five days"), expected)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 8


def test_weights_that_are_not_here_are_named_with_the_command_and_not_fetched(
    cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FASTEMBED_CACHE_PATH", str(tmp_path / "empty"))
    with pytest.raises(ModelError, match="fetch them once with `hf download Qdrant/all-MiniLM-L6-v2-onnx`") as raised:
        check_embedder(EmbedderSettings(model=NAME))
    assert "\n" not in str(raised.value)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (
            {"model": "fastembed/nobody/knows"},
            "unknown embedder 'fastembed/nobody/knows': fastembed knows .* and others",
        ),
        ({"dimensions": 128}, "has 384 dimensions, not 128"),
        ({"base_url": "http://127.0.0.1:9"}, "runs in this process and takes no base_url"),
    ],
)
def test_what_does_not_fit_is_one_line(cache: Path, table: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        check_embedder(EmbedderSettings.model_validate({"model": NAME, **table}))


def test_a_missing_extra_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fastembed", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ModelError, match=r"needs the library fastembed: pip install 'ragc\[fastembed\]'"):
        check_embedder(EmbedderSettings(model=NAME))
