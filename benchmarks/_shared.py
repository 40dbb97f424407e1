"""The data that benchmarks of retrieval share: wiki passages, and questions to search with.

Looked for in RAGC_BENCH_DATA, default `../shared/data`.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

DATA = Path(os.environ.get("RAGC_BENCH_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
CORPUS = DATA / "wiki_passages" / "corpus.jsonl"
_QUESTIONS = DATA / "xquad_en" / "examples.jsonl"


def is_missing() -> bool:
    """Whether the data is not there, and say so."""
    missing = [str(path) for path in (CORPUS, _QUESTIONS) if not path.is_file()]
    if missing:
        print(f"no data at {', '.join(missing)}; set RAGC_BENCH_DATA to the folder that holds it")
    return bool(missing)


def questions(count: int) -> list[str]:
    """The first questions."""
    with _QUESTIONS.open(encoding="utf-8") as lines:
        return [json.loads(line)["question"] for line in lines][:count]
