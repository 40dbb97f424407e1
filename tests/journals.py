"""What tests of the journal share: entries, and processes of their own that use a journal."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from ragc.models.gateway._amounts import Amounts
from ragc.models.gateway._journal._records import Entry, RunRecord

WORST = Amounts(1, 4000, 1000, Fraction(1, 100))
"""The worst case of every call here."""

_PREAMBLE = """
import sys, time
from pathlib import Path
from journals import WORST, entry, key
from ragc.models.gateway._journal import Journal
path = Path(sys.argv[1])
def say(*words):
    print(*words, flush=True)
"""


def key(number: object) -> str:
    """The key of a call."""
    return hashlib.sha256(str(number).encode()).hexdigest()


def entry(number: int, **changes: Any) -> Entry:
    """The response to call `number`: 100 tokens in, 10 out, $0.001, by run `r1` of the task `handbook`."""
    text = f"[[ ## answer ## ]]\nanswer {number}\n\n[[ ## completed ## ]]"
    fields: dict[str, Any] = {
        "key": key(number),
        "kind": "lm",
        "model": "openai/gpt-5-mini",
        "provider": "openai-chat",
        "request": request(number),
        "response": {
            "model": "gpt-5-mini-2026",
            "message": {"role": "assistant", "parts": [{"type": "text", "text": text}]},
            "finish_reason": "stop",
            "usage": {"input_tokens": 100, "output_tokens": 10},
        },
        "input_tokens": 100,
        "cached_input_tokens": 40,
        "output_tokens": 10,
        "usd": Fraction(1, 1000),
        "seconds": 0.5,
        "run": "r1",
        "task": "handbook",
        "created": "2026-03-01T12:00:00.000000+00:00",
    }
    return Entry(**{**fields, **changes})


def request(number: int) -> dict[str, Any]:
    """A request with instructions and a passage that all share, and a question of its own."""
    shared = "Answer from the passages, in as few words as possible, and say so when they do not hold the answer.\n\n"
    passage = f'<passage id="01" source="rent.md">\n{"New members pay a deposit for the key. " * 5}\n</passage>\n'
    text = f"{shared}{passage}\nQuestion: what is the deposit of plot {number}?\nAnswer:"
    return {"request": {"model": "gpt-5-mini", "messages": [{"role": "user", "text": text}]}, "provider": "openai-chat"}


def run(id: str = "r1", **changes: Any) -> RunRecord:
    """A run of the task `handbook`."""
    fields: dict[str, Any] = {"task": "handbook", "identity": "i1", "components": {"lm": "gpt"}, "caps": {"usd": 2.0}}
    return RunRecord(id=id, **{**fields, **changes})


def started(script: str, path: Path, *arguments: str, under: Sequence[str] = ()) -> subprocess.Popen[str]:
    """A process that runs `script` with the journal at `path`; it has `path`, `say`, `entry`, `key`, `WORST`.

    `under`: the beginning of a command line that runs it.
    """
    tests = str(Path(__file__).parent)
    code = f"import sys; sys.path[:0] = [{tests!r}]\n{_PREAMBLE}\n{script}"
    return subprocess.Popen(
        [*under, sys.executable, "-W", "error", "-c", code, str(path), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.PIPE,
        text=True,
    )


def heard(process: subprocess.Popen[str]) -> str:
    """The next line that the process says."""
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        assert process.stderr is not None
        raise AssertionError(f"it said nothing more: {process.stderr.read()}")
    return line.strip()


def ended(process: subprocess.Popen[str]) -> tuple[str, str]:
    """What else it says until it ends by itself."""
    out, err = process.communicate(timeout=60)
    return out, err


def killed(process: subprocess.Popen[str]) -> None:
    """Kill it as `kill -9` does."""
    process.kill()
    process.communicate()
