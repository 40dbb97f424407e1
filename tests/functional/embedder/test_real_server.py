"""Embeddings from a server that nobody here wrote: llama.cpp's own, with the embedded model behind it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from contract.stores import corpus_of
from llama_server import MODEL, llama_server
from ragc.errors import DataError
from ragc.models import Gateway
from ragc.project import ChunkSettings, EmbedderSettings
from ragc.retrieval import Index, make_embedder, open_store
from scenes import KEY

pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """The address of the server, in a process of its own."""
    with llama_server(KEY, embeddings=True) as address:
        yield address


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
