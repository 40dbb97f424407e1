"""The same corpus in every store that can be reached: who ranks as SQLite does, how fast it is indexed and searched.

    python benchmarks/stores.py [--questions 100] [--k 10] [NAME=URL …]

SQLite always, Weaviate where WEAVIATE_URL names a server, and whatever is given as NAME=URL. The corpus is the wiki
passages of the shared data (`wiki_passages/corpus.jsonl` in RAGC_BENCH_DATA, default `../shared/data`), the questions
those of `xquad_en`. `overlap` is the mean share of SQLite's top k that a store's top k holds; SQLite's legs are exact.
Vectors are given: none is embedded while the clock runs. `above the client` is what a search through `Store` takes
beyond the same request sent with the store's own client, each the median of the same questions, taken in turns.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks._shared import CORPUS, is_missing, questions  # noqa: E402 the checkout's own

ALPHAS = {"text": 0.0, "vectors": 1.0, "hybrid": 0.5}
BATCH = 512


def main() -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--questions", type=int, default=100)
    parser.add_argument("--k", type=int, default=10)
    parser.add_argument("stores", nargs="*", metavar="NAME=URL")
    options = parser.parse_args()
    if is_missing():
        return 0
    with tempfile.TemporaryDirectory() as folder:
        documents, made_with, embed = _documents()
        asked = [(text, embed(text)) for text in questions(options.questions)]
        urls = {"sqlite": f"sqlite:///{folder}/index.db", **_given(options.stores)}
        exact: dict[str, list[list[str]]] = {}
        for name, url in urls.items():
            exact = _measure(name, url, documents, made_with, asked, options.k, exact)
    return 0


def _given(stores: Sequence[str]) -> dict[str, str]:
    """The stores beside SQLite, each with collections of this run's own."""
    found = dict(one.split("=", 1) for one in stores)
    if os.environ.get("WEAVIATE_URL"):
        found.setdefault("weaviate", os.environ["WEAVIATE_URL"])
    own = f"Bench{uuid.uuid4().hex[:8]}"
    return {name: f"{url}{'&' if '?' in url else '?'}collection={own}" for name, url in found.items()}


def _documents() -> tuple[list[Any], Any, Callable[[str], Any]]:
    """The corpus ready to be written, what it is made with, and what embeds a question."""
    from ragc._files import digest
    from ragc.data import read_corpus
    from ragc.project import ChunkSettings, EmbedderSettings
    from ragc.retrieval import Entry, IndexedDocument, MadeWith, make_embedder
    from ragc.retrieval._chunking import Chunker
    from ragc.retrieval._passage import indexed_text

    embedder = make_embedder(EmbedderSettings(model="local/wordllama-256"))
    chunker = Chunker(ChunkSettings(), embedder.count_tokens)
    corpus = read_corpus(CORPUS)
    documents = []
    for start in range(0, len(corpus.documents), BATCH):
        cut = [(document, chunker.passages(document)) for document in corpus.documents[start : start + BATCH]]
        texts = [indexed_text(one.title, one.heading, one.text) for _, passages in cut for one in passages]
        vectors = iter(embedder.embed_documents(texts))
        keys = iter([digest(text.encode()) for text in texts])
        documents += [
            IndexedDocument(
                document.id,
                document.digest,
                document.title,
                document.metadata,
                [Entry(passage, next(keys), next(vectors)) for passage in passages],
            )
            for document, passages in cut
        ]
    made_with = MadeWith(embedder.name, embedder.fingerprint, embedder.dimensions, "bench")
    return documents, made_with, embedder.embed_query


def _measure(
    name: str,
    url: str,
    documents: Sequence[Any],
    made_with: Any,
    questions: Sequence[tuple[str, Any]],
    k: int,
    exact: dict[str, list[list[str]]],
) -> dict[str, list[list[str]]]:
    from ragc.retrieval import Query, open_store

    store = open_store(url, root=ROOT, collection="bench")
    try:
        passages = sum(len(document.entries) for document in documents)
        store.state()  # which connects
        begun = time.perf_counter()
        with store.updating():
            store.reset(made_with)
            for start in range(0, len(documents), BATCH):
                store.write(documents[start : start + BATCH], (), None)
            store.write((), (), "bench")
        taken = time.perf_counter() - begun
        print(f"{name:<10} index    {passages} passages in {taken:.1f} s, {passages / taken:,.0f} a second", flush=True)
        found: dict[str, list[list[str]]] = {}
        for leg, alpha in ALPHAS.items():
            times, found[leg] = [], []
            for text, vector in questions:
                asked = Query(text, vector if alpha else None, k, alpha)
                begun = time.perf_counter()
                answer = store.search(asked, made_with)
                times.append(1e3 * (time.perf_counter() - begun))
                found[leg].append([passage.id for passage in answer])
            figure = f"p50 {statistics.median(times):.2f} ms, p95 {statistics.quantiles(times, n=20)[-1]:.2f} ms"
            overlap = f", overlap {_overlap(exact[leg], found[leg]):.3f}" if exact else ""
            print(f"{name:<10} {leg:<8} {figure}{overlap}", flush=True)
        if url.startswith("weaviate"):
            _above_the_client(name, store, made_with, questions, k)
        return exact or found
    finally:
        _take_away(url, store)


def _overlap(wanted: Sequence[Sequence[str]], found: Sequence[Sequence[str]]) -> float:
    return statistics.fmean(
        len(set(one) & set(other)) / len(one) for one, other in zip(wanted, found, strict=True) if one
    )


def _above_the_client(name: str, store: Any, made_with: Any, questions: Sequence[tuple[str, Any]], k: int) -> None:
    """The same hybrid request through the client alone, and through the store, in turns."""
    from ragc.retrieval import Query
    from ragc.retrieval.stores.weaviate._search import asked

    name_ = store._collections.physical(made_with)
    collection = store._collections.use(name_)
    through: list[float] = []
    alone: list[float] = []
    spent = {True: 0.0, False: 0.0}
    for number, (text, vector) in enumerate([*questions, *questions]):
        query = Query(text, vector, k, 0.5)
        # Who is first changes: what a server has just read it finds faster.
        for ours in (True, False) if number % 2 else (False, True):
            request = asked(query, store._requests.view(name_))
            if request is None:
                continue
            begun, worked = time.perf_counter(), time.thread_time()
            store.search(query, made_with) if ours else collection.query.hybrid(**request.arguments)
            spent[ours] += time.thread_time() - worked
            (through if ours else alone).append(1e3 * (time.perf_counter() - begun))
    above_cpu = 1e3 * (spent[True] - spent[False]) / len(alone)
    above = statistics.median(through) - statistics.median(alone)
    mean = statistics.fmean(through) - statistics.fmean(alone)
    print(
        f"{name:<10} hybrid   {above:.2f} ms above the client's own call (p50 {statistics.median(through):.2f} and "
        f"{statistics.median(alone):.2f}; {mean:.2f} in the mean, {above_cpu:.2f} of this process's own time)",
        flush=True,
    )


def _take_away(url: str, store: Any) -> None:
    store.close()
    if url.startswith("weaviate"):
        sys.path.insert(0, str(ROOT / "tests"))
        from contract.servers import delete_collections

        address, _, own = url.rpartition("collection=")
        delete_collections(address.rstrip("?&"), own)


if __name__ == "__main__":
    sys.exit(main())
