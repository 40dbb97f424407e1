"""Embeddings from a server that nobody here wrote: llama.cpp's own, with the embedded model behind it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from contract.stores import corpus_of
from ragc.errors import DataError
from ragc.models import Gateway, prepare_model
from ragc.models._weights import find_weights
from ragc.project import ChunkSettings, EmbedderSettings, ModelSettings
from ragc.retrieval import Index, make_embedder, open_store
from scenes import KEY

pytestmark = pytest.mark.model

MODEL = "smollm2-135m-instruct"
SERVE = """
import sys, xllamacpp
params = xllamacpp.CommonParams()
params.model.path, params.model_alias = sys.argv[1], {sys.argv[2]}
params.n_parallel, params.n_ctx, params.embedding = 1, 2048, True
params.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
params.verbosity, params.ui, params.offline = -1, False, True
params.api_keys = [sys.argv[3]]
server = xllamacpp.Server(params)
print(server.listening_address, flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """The address of the server, in a process of its own."""
    prepare_model(ModelSettings(model=f"local/{MODEL}"))
    weights = find_weights(MODEL)
    assert weights is not None
    with subprocess.Popen(
        [sys.executable, "-c", SERVE, os.fspath(weights), MODEL, KEY],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdout is not None
        yield server.stdout.readline().strip()
        server.kill()


def test_a_corpus_is_indexed_and_searched(address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUR_KEY", KEY)
    settings = EmbedderSettings(model=f"openai/{MODEL}", base_url=f"{address}/v1", api_key_env="OUR_KEY")
    gateway = Gateway()
    embedder = make_embedder(settings, gateway)
    store = open_store("sqlite://index.db", root=tmp_path, collection="handbook")
    index = Index(store, embedder, ChunkSettings(size=20_000), name="handbook")
    texts = {"fire.md": "Bonfires are allowed in November.", "leave.md": "Five days of leave can be carried over."}
    assert index.update(corpus_of(texts)).embedded == 2
    assert index.made_with.dimensions == 576
    assert index.search("Bonfires are allowed in November.", k=1, alpha=1)[0].document == "fire.md"
    np.testing.assert_allclose(np.linalg.norm(embedder.embed_documents(list(texts.values())), axis=1), 1, rtol=1e-6)
    assert 0 < gateway.usage.input_tokens < 100 and not gateway.notes
    with pytest.raises(DataError, match=r"^long\.md, characters 0 to .*does not fit the model's context"):
        index.update(corpus_of({**texts, "long.md": "It is long. " * 1000, "more.md": "Something else."}))
    index.close()
