"""What a call takes of the processor's time above DSPy's own, with an engine that answers at once."""

from __future__ import annotations

import gc
import random
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import dspy
from dspy.lm15 import Message, Request, Response, TextPart, Usage

from ragc._fence import fenced
from ragc.models import AsyncEngine, Engine, Gateway, Journal
from ragc.models._edge import Edge
from ragc.project import Budget, ModelSettings

CORPUS = Path(__file__).resolve().parent.parent / "data" / "handbook" / "corpus"
MODEL = "openai/gpt-5-mini"
QUESTIONS = 300
"""So many with the same demonstrations."""
CALLS, ROUNDS = 250, 7
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
        Answer the question from the passages, in as few words as possible."""
ANSWER = "[[ ## answer ## ]]\nfive days\n\n[[ ## completed ## ]]"


class Instant:
    """An engine that answers at once, like OpenAI's: with the reply as it came over the wire."""

    def __deepcopy__(self, memo: object) -> Instant:
        return self

    def complete(self, request: Request) -> Response:
        """One answer."""
        choice = {"index": 0, "message": {"role": "assistant", "content": ANSWER}, "finish_reason": "stop"}
        return Response(
            id="chatcmpl-0123456789",
            model="gpt-5-mini-2025-08-07",
            message=Message.assistant([TextPart(ANSWER)]),
            finish_reason="stop",
            usage=Usage(1500, 12, total_tokens=1512, cache_read_tokens=1024, reasoning_tokens=0),
            provider_data={"id": "chatcmpl-0123456789", "object": "chat.completion", "choices": [choice]},
        )


@dataclass(frozen=True)
class Overhead:
    """Milliseconds of the processor's time a call; medians of pairs that were measured one after the other."""

    dspy: float
    memory: float
    """On top of that, with the journal in memory."""
    disk: float
    """On top of the same, with every response on the disk before it is seen."""


def overhead(threads: int) -> Overhead:
    """Measures DSPy's own call, and the same through a gateway, in turns."""
    plain = dspy.LM(MODEL, engine=Instant(), cache=False, num_retries=0)
    prompts = new_prompts()
    taken: list[tuple[float, float, float]] = []
    for turn in range(ROUNDS + 1):
        some = [prompts(turn * CALLS + number) for number in range(CALLS)]
        with TemporaryDirectory() as folder:
            disk = Gateway(Budget(usd=100), journal=Journal.open(Path(folder) / "journal.db"), run="run", task="bench")
            memory = Gateway(Budget(usd=100), run="run", task="bench")
            lms = [plain, _through(memory), _through(disk)]
            taken.append(tuple(1e3 * _cpu(lm, some, threads) / CALLS for lm in lms))  # type: ignore[arg-type]
            memory.close()
            disk.close()
    warm = taken[1:]
    return Overhead(
        statistics.median(alone for alone, _, _ in warm),
        statistics.median(memory - alone for alone, memory, _ in warm),
        statistics.median(disk - alone for alone, _, disk in warm),
    )


def _through(gateway: Gateway) -> dspy.LM:
    engine = Engine(ModelSettings(model=MODEL), gateway=gateway, inner=Edge(Instant(), None))
    return dspy.LM(
        MODEL,
        engine=engine,
        async_engine=AsyncEngine(engine),
        cache=False,
        num_retries=0,
    )


def _cpu(lm: dspy.LM, prompts: Sequence[list[dict[str, str]]], threads: int) -> float:
    """The CPU seconds of this process, the journal's thread and the system's part included."""
    left, lock = iter(prompts), threading.Lock()

    def work() -> None:
        while True:
            with lock:
                prompt = next(left, None)
            if prompt is None:
                return
            lm(messages=prompt)

    crew = [threading.Thread(target=work) for _ in range(threads)]
    gc.collect()
    begun = time.process_time()
    for one in crew:
        one.start()
    for one in crew:
        one.join()
    return time.process_time() - begun


def new_prompts() -> Callable[[int], list[dict[str, str]]]:
    """Prompts as DSPy's ChatAdapter writes them: four demonstrations, three passages of the handbook each."""
    texts = [
        text
        for file in sorted(CORPUS.rglob("*"))
        if file.is_file()
        for text in file.read_text("utf-8").split("\n\n")
        if len(text) > 150
    ]

    def asked(number: int) -> dict[str, Any]:
        found = random.Random(number).sample(range(len(texts)), 3)
        passages = "\n".join(fenced(f"{one:016x}", f"Section {one}", texts[one][:500]) for one in found)
        question = f"How many days in case {number}?"
        return _message("user", f"[[ ## passages ## ]]\n{passages}\n\n[[ ## question ## ]]\n{question}")

    def prompt(number: int) -> list[dict[str, str]]:
        candidate = number // QUESTIONS
        shown = [part for one in range(4) for part in (asked(-1 - one - 10 * candidate), _message("assistant", ANSWER))]
        return [_message("system", SYSTEM), *shown, asked(number)]

    return prompt


def _message(role: str, text: str) -> dict[str, str]:
    return {"role": role, "content": text}
