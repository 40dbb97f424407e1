"""32 readers and one writer on one SQLite index: no error, no torn read.

    python benchmarks/readers.py [--readers 32] [--seconds 60] [--documents 300]

Every document is written in generations: all of its passages name the generation that they were written in. The writer
brings the index up to date again and again, with some documents changed, some added, some removed and some renamed.
Each reader is a process of its own with a connection of its own; it searches (text, vectors, hybrid) and reads whole
documents, and checks each time that no document has passages of two generations or only a part of its passages, that
scores come in order, and that a version of the corpus is never followed by an older one. Exits 1 where anything was
seen that must not be.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from ragc.data import Corpus, Document  # noqa: E402 the checkout's own
from ragc.project import ChunkSettings, EmbedderSettings  # noqa: E402
from ragc.retrieval import Index, Passage, make_embedder, open_store  # noqa: E402

SECTIONS = 4
"""Passages of a document."""
TOPICS = ("leave", "rent", "bonfires", "keys", "bees", "water", "sheds", "manure", "gates", "paths")


def main() -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--readers", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--documents", type=int, default=300)
    parser.add_argument("--read", metavar="FILE", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.read:
        return _read(Path(options.read), options.seconds)
    with tempfile.TemporaryDirectory() as folder:
        return _run(Path(folder) / "index.db", options.readers, options.seconds, options.documents)


def _run(path: Path, readers: int, seconds: float, documents: int) -> int:
    index = _index(path)
    generations = dict.fromkeys((f"d{number:04}" for number in range(documents)), 0)
    index.update(_corpus(generations))
    command = [sys.executable, str(Path(__file__).resolve()), "--read", str(path), "--seconds", str(seconds)]
    running = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ})
        for _ in range(readers)
    ]
    rng, writes, slowest = random.Random(0), 0, 0.0
    ended = time.monotonic() + seconds
    while time.monotonic() < ended:
        generations = _next(generations, rng)
        begun = time.monotonic()
        index.update(_corpus(generations))
        slowest = max(slowest, time.monotonic() - begun)
        writes += 1
    index.close()
    failed, searches, versions = [], 0, 0
    for process in running:
        output, errors = process.communicate(timeout=120)
        if process.returncode:
            failed.append((errors.strip().splitlines() or ["no message"])[-1])
        else:
            seen = json.loads(output)
            searches += seen["searches"]
            versions = max(versions, seen["versions"])
    print(f"writer     {writes:,} updates, the slowest {slowest:.2f} s")
    print(f"readers    {readers} processes, {searches:,} searches, up to {versions:,} versions seen by one")
    print(f"failed     {len(failed)}{': ' + '; '.join(failed[:3]) if failed else ''}")
    return 1 if failed or not searches or versions < 2 else 0


def _index(path: Path, *, read_only: bool = False) -> Index:
    store = open_store(f"sqlite:///{path}", root=path.parent, collection="house", read_only=read_only)
    return Index(store, make_embedder(EmbedderSettings(model="local/wordllama-256")), ChunkSettings(), name="house")


def _corpus(generations: dict[str, int]) -> Corpus:
    def text(name: str, generation: int) -> str:
        words = [TOPICS[(int(name[1:5]) + step) % len(TOPICS)] for step in range(SECTIONS)]
        return "".join(f"## {word}\n\nThe rule of {word}, generation {generation}.\n\n" for word in words)

    documents = sorted(generations.items())
    return Corpus(tuple(Document(name, name, text(name, generation)) for name, generation in documents))


def _next(generations: dict[str, int], rng: random.Random) -> dict[str, int]:
    changed = dict(generations)
    names = rng.sample(sorted(changed), min(24, len(changed)))
    for name in names[:16]:
        changed[name] += 1
    for name in names[16:20]:  # renamed: as far as a reader can tell, one is gone and another is there
        changed[f"{name[:5]}-{rng.randrange(10**6)}"] = changed.pop(name)
    for name in names[20:]:
        del changed[name]
        changed[f"d{rng.randrange(10**4):04}-{rng.randrange(10**6)}"] = 0
    return changed


def _read(path: Path, seconds: float) -> int:
    index = _index(path, read_only=True)
    rng = random.Random(os.getpid())
    searches, last, seen = 0, "", set()
    ended = time.monotonic() + seconds
    while time.monotonic() < ended:
        found = index.search(f"rule of {rng.choice(TOPICS)}", k=20, alpha=rng.choice([0, 0.5, 1]))
        scores = [passage.score for passage in found]
        if not found or scores != sorted(scores, reverse=True):
            raise SystemExit(f"scores out of order: {scores}")
        _check(found, whole=False)
        _check(index.passages(sorted({passage.document for passage in found})), whole=True)
        version = index.corpus_version
        if version is not None and version != last:
            if version in seen:
                raise SystemExit(f"version {version[:12]} came back after a newer one")
            seen.add(version)
            last = version
        searches += 1
    print(json.dumps({"searches": searches, "versions": len(seen)}))
    return 0


def _check(passages: Iterable[Passage], *, whole: bool) -> None:
    """End the process where a document has passages of two generations, or is read whole and has not all of them."""
    generations: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    for passage in passages:
        generations[passage.document][passage.text.rpartition("generation ")[2]] += 1
    for document, counts in generations.items():
        if len(counts) > 1 or (whole and sum(counts.values()) != SECTIONS):
            raise SystemExit(f"a torn read of {document}: {dict(counts)}")


if __name__ == "__main__":
    sys.exit(main())
