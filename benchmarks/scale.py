"""How far one SQLite file goes: the embedded store with 100,000 passages, or as many as asked for.

    python benchmarks/scale.py [--passages 100000] [--queries 200] [--k 5] [--seed 0]

The passages are made from the shared wiki passages by a seeded recombination: each takes its sentences from several of
them, so that words are as frequent, and texts as long, as in the real ones. Looks for `wiki_passages/corpus.jsonl` and
`xquad_en/examples.jsonl` (questions to search with) in RAGC_BENCH_DATA, default `../shared/data`, and says so when they
are missing. `cpu` is processor time, for machines that are busy with something else.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks._shared import CORPUS, is_missing, questions  # noqa: E402 the checkout's own
from ragc.data import Corpus, Document  # noqa: E402
from ragc.project import ChunkSettings, EmbedderSettings  # noqa: E402
from ragc.retrieval import Index, make_embedder, open_store  # noqa: E402

MOST_MS = 60.0
"""What a hybrid query may take over 100,000 passages, p50."""
PASSAGES_EACH = 20
"""Sections of a made document, each a passage."""


def main() -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--passages", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--k", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if is_missing():
        return 0
    with tempfile.TemporaryDirectory() as folder:
        store = open_store("sqlite://index.db", root=Path(folder), collection="wiki")
        index = Index(
            store, make_embedder(EmbedderSettings(model="local/wordllama-256")), ChunkSettings(size=10_000), name="wiki"
        )
        corpus = recombined(options.passages, options.seed)
        begun, cpu = time.perf_counter(), time.process_time()
        report = index.update(corpus)
        seconds, cpu = time.perf_counter() - begun, time.process_time() - cpu
        size = sum(file.stat().st_size for file in Path(folder).iterdir()) / 2**20
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        row("index", f"{report.passages:,} passages, {seconds:.0f} s (cpu {cpu:.0f} s), {size:.0f} MB on disk")
        row("", f"{memory:.0f} MB resident at most, the corpus in memory included")
        reached = searched(index, options.k, options.queries, options.passages)
        index.close()
    return 0 if reached else 1


def row(label: str, figure: str) -> None:
    """Print one line."""
    print(f"{label:<18} {figure}", flush=True)


def recombined(passages: int, seed: int) -> Corpus:
    """Return a corpus of about so many passages, each of sentences from up to four passages of the shared corpus."""
    rng = random.Random(seed)
    with CORPUS.open(encoding="utf-8") as lines:
        records = [json.loads(line) for line in lines]
    texts = [re.split(r"(?<=[.!?])\s+", record["text"]) for record in records]
    titles = [record["title"] for record in records]

    def section() -> str:
        wanted = len(rng.choice(texts))  # as many sentences as a real passage has
        parts: list[str] = []
        while len(parts) < wanted:
            source = rng.choice(texts)
            first = rng.randrange(len(source))
            parts += source[first : first + max(1, wanted // 4)]
        return " ".join(parts[:wanted])

    def documents() -> Iterator[Document]:
        for number in range(-(-passages // PASSAGES_EACH)):
            here = min(PASSAGES_EACH, passages - number * PASSAGES_EACH)
            body = "\n\n".join(f"## {rng.choice(titles)}\n\n{section()}" for _ in range(here))
            yield Document(f"d{number:07}", rng.choice(titles), body)

    return Corpus(tuple(documents()))


def searched(index: Index, k: int, queries: int, passages: int) -> bool:
    """Search as a server does, the question embedded in each search, and say whether hybrid is fast enough."""
    asked = questions(queries + 20)
    reached = True
    for label, alpha in (("text", 0.0), ("vectors", 1.0), ("hybrid", 0.5)):
        taken, cpu = [], []
        for question in asked:
            begun, cpu_begun = time.perf_counter(), time.process_time()
            index.search(question, k=k, alpha=alpha)
            taken.append(1e3 * (time.perf_counter() - begun))
            cpu.append(1e3 * (time.process_time() - cpu_begun))
        taken, cpu = taken[20:], cpu[20:]  # the first ones open connections and warm caches
        p50, p95 = statistics.median(taken), statistics.quantiles(taken, n=20)[-1]
        figure = f"p50 {p50:.1f} ms, p95 {p95:.1f} ms (cpu p50 {statistics.median(cpu):.1f} ms), {len(taken)} questions"
        most = MOST_MS * max(1.0, passages / 100_000)
        is_hybrid = label == "hybrid"
        row(f"search, {label}", figure + (f"   (at most {most:.0f} ms p50)" if is_hybrid else ""))
        reached = p50 <= most if is_hybrid else reached
    return reached


if __name__ == "__main__":
    sys.exit(main())
