"""What indexing and searching cost: the wiki passages of the shared data, the embedded store and embedder.

    python benchmarks/retrieval.py [--k 5] [--queries 300]

Looks for `wiki_passages/corpus.jsonl` and `xquad_en/examples.jsonl` (questions to search with) in RAGC_BENCH_DATA,
default `../shared/data`, and says so when they are missing. Every figure is that of a process of its own, by the
command line where there is one. `cpu` is processor time, for machines that are busy with something else.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks._shared import CORPUS, is_missing, questions  # noqa: E402 the checkout's own

PYPROJECT = """
[project]
name = "wiki"
version = "0"

[tool.ragc.tasks.wiki]
program = "programs.none:None"
corpus = "corpus.jsonl"
examples = "examples.jsonl"
"""


def main() -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--k", type=int, default=5)
    parser.add_argument("--queries", type=int, default=300)
    options = parser.parse_args()
    if is_missing():
        return 0
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder)
        (project / "pyproject.toml").write_text(PYPROJECT)
        (project / "corpus.jsonl").write_bytes(CORPUS.read_bytes())
        _index(project, "index", "15 s, 500 MB")
        _index(project, "again, unchanged", "1 s")
        _search(project, options.k, options.queries)
        _change(project)
    return 0


def _row(label: str, figure: str, target: str = "") -> None:
    print(f"{label:<24} {figure:<72} {f'(at most {target})' if target else ''}".rstrip(), flush=True)


def _command(project: Path, *arguments: str) -> tuple[dict[str, float], float, float, float]:
    """Return what `ragc … --json` printed, its seconds, its CPU seconds and its peak memory in MB."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun = time.perf_counter()
    # The child reports its own peak: this process' record of children keeps the largest of them all.
    script = (
        "import resource, sys; from ragc.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "finally: print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments, "--json"],
        cwd=project,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    seconds = time.perf_counter() - begun
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return json.loads(done.stdout), seconds, cpu, int(done.stderr.split()[-1]) / 1024


def _index(project: Path, label: str, target: str) -> None:
    report, seconds, cpu, memory = _command(project, "index")
    counts = f"{report['documents']:.0f} documents, {report['passages']:.0f} passages"
    _row(label, f"{seconds:.2f} s (cpu {cpu:.2f} s), {memory:.0f} MB resident, {counts}", target)


def _search(project: Path, k: int, queries: int) -> None:
    """Search in this process, over the public API, as a server does: the question is embedded in each search."""
    from ragc.project import Project
    from ragc.retrieval import open_index

    asked = questions(queries + 20)
    found = Project.find(project)
    index = open_index(found, found.task(None))
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
        _row(f"search, {label}", figure, "8 ms p50" if label == "hybrid" else "")
    index.close()


def _change(project: Path) -> None:
    """Change one document, run `ragc index`, and search in a reader that was open all the while."""
    from ragc.project import Project
    from ragc.retrieval import open_index

    found = Project.find(project)
    index = open_index(found, found.task(None))
    corpus = project / "corpus.jsonl"
    first, *others = corpus.read_text("utf-8").splitlines(keepends=True)
    document = json.loads(first)
    old = index.search(document["text"][:200], k=1, alpha=0)[0].text
    document["text"] = "Quokkas polish the brass of the lighthouse."
    corpus.write_text("".join([json.dumps(document) + "\n", *others]), "utf-8")
    _, seconds, _, _ = _command(project, "index")
    returned = time.perf_counter()
    new = index.search("Who polishes the brass of the lighthouse?", k=1)[0].text == document["text"]
    gone = all(passage.text != old for passage in index.search(old, k=100, alpha=0))
    after = time.perf_counter() - returned
    index.close()
    words = f"new text {'found' if new else 'NOT FOUND'}, old {'gone' if gone else 'STILL THERE'}"
    _row(
        "change one document", f"ragc index {seconds:.2f} s; {words} {after * 1e3:.0f} ms after its return", "1 s after"
    )


if __name__ == "__main__":
    sys.exit(main())
