"""The journal with 100,000 responses: time to open, look-up, size, and CPU time of a call's two commits.

    python benchmarks/journal.py [--responses 100000] [--questions 2000]

Prompts as DSPy's ChatAdapter writes them: instructions, four demonstrations of a candidate, five passages of Wikipedia
and a question; every candidate asks all the questions. The size is compared with the same requests and responses
compressed by zlib at level 6, each by itself and all as one stream. CPU time is the process's, user and system, for
`claim` and `settle` together, both durable; making the prompts is not in it.

The data is looked for under RAGC_BENCH_DATA, else ../shared/data: `wiki_passages/` (6,119 paragraphs, CC BY-SA 4.0).
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import json
import os
import random
import statistics
import sys
import tempfile
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from ragc._fence import fenced
from ragc.models.gateway import Amounts, Entry, Journal

BATCH = 2_000
"""Calls that are made ready, and then measured, at once."""
ALONE = 2_000
"""Calls of one thread."""
THREADS = 16
LOOK_UPS = 2_000
WORST = Amounts(1, 16_000, 1_000, Fraction(1, 100))
SYSTEM = """Your input fields are:
1. `passages` (Passages): Quoted material to answer from.
2. `question` (str):
Your output fields are:
1. `answer` (str):
All interactions will be structured in the following way, with the appropriate values filled in.

[[ ## passages ## ]]
{passages}

[[ ## question ## ]]
{question}

[[ ## answer ## ]]
{answer}

[[ ## completed ## ]]
In adhering to this structure, your objective is:
        Answer the question from the passages, in as few words as possible.

        If the passages do not hold the answer, say: The documents do not say."""
ASKED = """

Respond with the corresponding output fields, starting with the field `[[ ## answer ## ]]`, and then ending with the \
marker for `[[ ## completed ## ]]`."""


@dataclass(frozen=True)
class Prompts:
    """Calls as a compile makes them, each the same every time it is made."""

    paragraphs: Sequence[str]
    questions: int

    def entry(self, number: int) -> Entry:
        """The response to call `number`: candidates one after the other, each with all questions."""
        candidate, question = divmod(number, self.questions)
        chance = random.Random(number)
        request = {
            "request": {
                "model": "gpt-5-mini",
                "messages": [
                    *(
                        message
                        for shown in random.Random(f"candidate {candidate}").sample(range(40), 4)
                        for message in (
                            self._asked(-1 - shown),
                            _message("assistant", _answer(self._words(-1 - shown))),
                        )
                    ),
                    self._asked(question, ASKED),
                ],
                "system": SYSTEM,
                "config": {"max_tokens": 1000},
            },
            "provider": "openai-chat",
        }
        tokens = {"input_tokens": chance.randint(2500, 3500), "output_tokens": chance.randint(12, 40)}
        return Entry(
            key=hashlib.sha256(json.dumps(request).encode()).hexdigest(),
            kind="lm",
            model="openai/gpt-5-mini",
            provider="openai-chat",
            request=request,
            response={
                "id": f"chatcmpl-{chance.randbytes(14).hex()}",
                "model": "gpt-5-mini-2025-08-07",
                "message": _message("assistant", _answer(self._words(number))),
                "finish_reason": "stop",
                "usage": {**tokens, "total_tokens": sum(tokens.values()), "cache_read_tokens": 1024},
            },
            input_tokens=tokens["input_tokens"],
            cached_input_tokens=1024,
            output_tokens=tokens["output_tokens"],
            usd=Fraction(tokens["input_tokens"] + 8 * tokens["output_tokens"], 4_000_000),
            seconds=chance.lognormvariate(0, 0.5),
            run=f"run-{candidate // 8}",
            task="wiki",
            created="2026-01-01T00:00:00+00:00",
        )

    def _asked(self, question: int, end: str = "") -> dict[str, Any]:
        chance = random.Random(f"question {question}")
        found = [
            fenced(f"{number:016x}", f"Article {number}", self.paragraphs[number][:500])
            for number in chance.sample(range(len(self.paragraphs)), 5)
        ]
        text = f"[[ ## passages ## ]]\n{chr(10).join(found)}\n\n[[ ## question ## ]]\n{self._words(question, 60)}?{end}"
        return _message("user", text)

    def _words(self, number: int, most: int = 40) -> str:
        """Some words that no other number has."""
        chance = random.Random(f"words {number}")
        paragraph = chance.choice(self.paragraphs)
        start = chance.randrange(len(paragraph))
        return paragraph[start : start + most]


def _answer(text: str) -> str:
    return f"[[ ## answer ## ]]\n{text}\n\n[[ ## completed ## ]]"


def _message(role: str, text: str) -> dict[str, Any]:
    return {"role": role, "parts": [{"type": "text", "text": text}]}


def read() -> list[str]:
    """The paragraphs, or an end that says what is missing."""
    here = Path(__file__).resolve().parents[2] / "shared" / "data"
    file = Path(os.environ.get("RAGC_BENCH_DATA", here)) / "wiki_passages" / "corpus.jsonl"
    if not file.is_file():
        print(f"no {file}: set RAGC_BENCH_DATA to the folder that holds wiki_passages/")
        sys.exit(0)
    return [json.loads(line)["text"] for line in file.open(encoding="utf-8")]


def cpu(journal: Journal, entries: Sequence[Entry], threads: int) -> float:
    """The CPU seconds of claiming and settling all entries."""
    left, lock = iter(entries), threading.Lock()

    def work() -> None:
        while True:
            with lock:
                entry = next(left, None)
            if entry is None:
                return
            if not journal.claim(entry.key, entry.run, WORST).mine:
                raise ValueError("two of the calls are the same")
            journal.settle(entry.key, entry)

    gc.collect()
    gc.freeze()  # what was made ready is not the journal's to look through
    crew = [threading.Thread(target=work) for _ in range(threads)]
    begun = time.process_time()
    for one in crew:
        one.start()
    for one in crew:
        one.join()
    taken = time.process_time() - begun
    gc.unfreeze()
    return taken


class Content:
    """How large the content is when zlib compresses it."""

    def __init__(self) -> None:
        self.raw = self.each = self.stream = 0
        self._packer = zlib.compressobj(6)

    def add(self, entry: Entry) -> None:
        """Count one request with its response."""
        data = json.dumps([entry.request, entry.response], separators=(",", ":"), ensure_ascii=False).encode()
        self.raw += len(data)
        self.each += len(zlib.compress(data, 6))
        self.stream += len(self._packer.compress(data))

    def close(self) -> None:
        """No more will come."""
        self.stream += len(self._packer.flush())


def batches(prompts: Prompts, responses: int) -> Iterator[list[Entry]]:
    """All calls, some at a time."""
    for start in range(0, responses, BATCH):
        yield [prompts.entry(number) for number in range(start, min(start + BATCH, responses))]


def timed(work: Callable[[], object]) -> float:
    """Seconds that `work` takes."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--responses", type=int, default=100_000)
    parser.add_argument("--questions", type=int, default=2_000)
    given = parser.parse_args()
    prompts = Prompts(read(), given.questions)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal.db"
        content, shares = Content(), []
        with Journal.open(path) as journal:
            for entries in batches(prompts, given.responses):
                shares.append(1e6 * cpu(journal, entries, THREADS) / len(entries))
                for entry in entries:
                    content.add(entry)
            alone = [prompts.entry(given.responses + number) for number in range(ALONE)]
            one = 1e6 * cpu(journal, alone, 1) / ALONE
        content.close()
        size = path.stat().st_size * given.responses / (given.responses + ALONE)

        opening = [timed(lambda: Journal.open(path).close()) for _ in range(5)]
        keys = [prompts.entry(number).key for number in random.Random(0).sample(range(given.responses), LOOK_UPS)]
        with Journal.open(path, read_only=True) as journal:
            bare = sorted(1e6 * timed(lambda key=key: journal.find(key)) for key in keys)  # type: ignore[misc]
        with Journal.open(path, read_only=True) as journal:
            whole = sorted(1e6 * timed(lambda key=key: _decoded(journal, key)) for key in keys)  # type: ignore[misc]

    print(
        f"{given.responses:,} responses, {given.questions:,} questions, {content.raw / given.responses:,.0f} bytes each"
    )
    print(f"opens in            {1e3 * statistics.median(opening):8.1f} ms")
    print(f"look-up             {statistics.median(bare):8.0f} µs   95%: {bare[int(0.95 * len(bare))]:.0f} µs")
    print(f"  with the request  {statistics.median(whole):8.0f} µs   95%: {whole[int(0.95 * len(whole))]:.0f} µs")
    print(f"claim and settle    {statistics.median(shares):8.0f} µs of CPU a call, {THREADS} threads")
    print(f"                    {one:8.0f} µs of CPU a call, 1 thread")
    print(f"size                {size / 1e6:8.1f} MB")
    print(f"content compressed  {content.stream / 1e6:8.1f} MB as one stream: ratio {size / content.stream:.2f}")
    print(f"                    {content.each / 1e6:8.1f} MB each by itself:  ratio {size / content.each:.2f}")


def _decoded(journal: Journal, key: str) -> dict[str, Any]:
    found = journal.find(key)
    if found is None:
        raise LookupError(key)
    return dict(found.request)


if __name__ == "__main__":
    main()
