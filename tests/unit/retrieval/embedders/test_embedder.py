"""local/wordllama-256, and what a name in the configuration becomes."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from ragc.errors import ConfigError, ModelError
from ragc.project import EmbedderSettings
from ragc.retrieval import Embedder, make_embedder
from ragc.retrieval.embedders import _wordllama

TEXTS = ["At most five days of leave.", "Bonfires are allowed in November.", "Ünïcode 東京 🙂", "x"]


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return make_embedder(EmbedderSettings(model="local/wordllama-256"))


def test_vectors_are_float32_of_unit_length_in_order(embedder: Embedder) -> None:
    vectors = embedder.embed_documents(TEXTS)
    assert vectors.shape == (4, embedder.dimensions)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    for text, vector in zip(TEXTS, vectors, strict=True):
        np.testing.assert_allclose(embedder.embed_query(text), vector, atol=1e-6)


def test_a_long_question_is_embedded_like_a_document(embedder: Embedder) -> None:
    text = "How many days of leave may be carried over? " * 100
    np.testing.assert_allclose(embedder.embed_query(text), embedder.embed_documents([text])[0], atol=1e-6)


def test_a_question_needs_no_numpy() -> None:
    """A first answer would take half as long again."""
    script = """
import sys
from ragc.project import EmbedderSettings
from ragc.retrieval import make_embedder
import ragc.retrieval.stores.sqlite._store
make_embedder(EmbedderSettings(model="local/wordllama-256")).embed_query("How many days?")
print("numpy" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_like_meanings_are_near(embedder: Embedder) -> None:
    leave, fire = embedder.embed_documents(["annual leave and holidays", "lighting a fire in the garden"])
    question = np.asarray(embedder.embed_query("How many vacation days do I get?"))
    assert question @ leave > question @ fire


def test_vectors_are_those_of_the_package(embedder: Embedder) -> None:
    # In a process of its own: importing the package configures the root logger.
    script = """
import pathlib, sys, numpy, wordllama
model = wordllama.WordLlama.load(cache_dir=pathlib.Path(wordllama.__file__).parent, disable_download=True)
sys.stdout.buffer.write(model.embed(sys.argv[1:], norm=True).astype(numpy.float32).tobytes())
"""
    output = subprocess.run([sys.executable, "-c", script, *TEXTS], capture_output=True, check=True).stdout
    expected = np.frombuffer(output[-4 * 256 * 4 :], dtype=np.float32).reshape(4, 256)
    np.testing.assert_allclose(embedder.embed_documents(TEXTS), expected, atol=1e-6)


@pytest.mark.parametrize("text", ["", "\ud800"])
def test_text_with_nothing_in_it(embedder: Embedder, text: str) -> None:
    vector = embedder.embed_query(text)
    assert len(vector) == 256
    assert np.isfinite(vector).all()
    assert not any(embedder.embed_query(""))


def test_no_documents(embedder: Embedder) -> None:
    assert embedder.embed_documents([]).shape == (0, 256)


def test_counts_tokens(embedder: Embedder) -> None:
    assert embedder.count_tokens("") == 0
    assert embedder.count_tokens("five days") < embedder.count_tokens("five days of annual leave") < 10


def test_fingerprint_covers_the_weights(embedder: Embedder, monkeypatch: pytest.MonkeyPatch) -> None:
    assert embedder.fingerprint == make_embedder(EmbedderSettings(model="local/wordllama-256")).fingerprint
    monkeypatch.setattr(_wordllama, "_file_digest", lambda name: "other")
    assert embedder.fingerprint != _wordllama.WordLlama().fingerprint


def test_many_threads_get_the_same_vectors(embedder: Embedder) -> None:
    expected = embedder.embed_documents(TEXTS)
    with ThreadPoolExecutor(8) as pool:
        for vectors in pool.map(embedder.embed_documents, [TEXTS] * 32):
            np.testing.assert_array_equal(vectors, expected)


def test_loading_leaves_logging_and_forks_alone() -> None:
    script = """
import logging, os
from ragc.project import EmbedderSettings
from ragc.retrieval import make_embedder
embedder = make_embedder(EmbedderSettings(model="local/wordllama-256"))
embedder.embed_documents(["a b c"] * 300)
assert not logging.getLogger().handlers and logging.getLogger().level == logging.WARNING
child = os.fork()
embedder.embed_documents(["a"])
if child == 0:
    os._exit(0)
os.waitpid(child, 0)
"""
    environment = {name: value for name, value in os.environ.items() if name != "TOKENIZERS_PARALLELISM"}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert logging.getLogger().level == logging.WARNING


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"model": "local/nope"}, "unknown embedder 'local/nope'; known: local/wordllama-256"),
        ({"model": "local/wordllama-256", "dimensions": 128}, "256 dimensions, not 128"),
        ({"model": "local/wordllama-256", "base_url": "http://x"}, "takes no base_url"),
    ],
)
def test_embedder_that_there_is_none_of(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make_embedder(EmbedderSettings(**settings))


def test_missing_weights_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    _wordllama._file_digest.cache_clear()
    try:
        with pytest.raises(ModelError, match="pip install wordllama"):
            _ = _wordllama.WordLlama().fingerprint
    finally:
        _wordllama._file_digest.cache_clear()
