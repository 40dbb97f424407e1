"""Where the processor's time of a call goes: each part of the gateway's by itself, on the same prompts.

Parts that are measured alone run with warm caches, so that their sum is a little below the whole. The best of several
rounds counts: whoever else uses the machine makes it slower, never faster.
"""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import dspy
from dspy._vendor.lm15.serde import request_to_dict, response_from_dict, response_to_dict
from dspy.lm15 import Request, Response

from benchmarks._overhead import MODEL, Instant, new_prompts
from ragc._secrets import redact_json
from ragc.models import Engine, Gateway, Journal
from ragc.models._edge import without_secrets
from ragc.models.gateway import Account, Amounts, Entry, actual, worst_case
from ragc.models.gateway._key import Asked, ask, lm_call
from ragc.models.gateway._limiter import Limiter
from ragc.models.gateway._responses import as_call
from ragc.project import Budget, ModelSettings

CALLS, ROUNDS = 250, 7


@dataclass(frozen=True)
class _Made:
    """One call in all the forms that it takes on its way."""

    request: Request
    asked: Asked
    response: Response
    entry: Entry


class _Keeping(Instant):
    """Keeps what it is asked."""

    def __init__(self) -> None:
        self.requests: list[Request] = []

    def complete(self, request: Request) -> Response:
        """One answer."""
        self.requests.append(request)
        return super().complete(request)


def parts() -> dict[str, float]:
    """Milliseconds of the processor's time a call, by what they go into."""
    engine, budget = Engine(ModelSettings(model=MODEL), inner=Instant()), Budget(usd=100)
    made = _made(engine)
    worst = worst_case(made[0].request, engine.settings, budget=budget)
    account, limiter = Account(budget), Limiter(16)
    gateway = Gateway(budget, task="bench")

    def reserved(_: _Made) -> None:
        account.reserve(worst).settle(Amounts(1, 1500, 12))

    def turned(_: _Made) -> None:
        with limiter.turn(5000) as turn:
            turn.succeeded()

    def handed_over(one: _Made) -> None:
        with lm_call(None):
            pass
        gateway._record.note(one.asked.key, as_call(MODEL, one.entry, hit=False))

    found = {
        "the key: canonical JSON and its hash": lambda one: ask(request_to_dict(one.request), engine.answers),
        "what it can take at most": lambda one: worst_case(
            one.request, engine.settings, budget=budget, canonical=one.asked.canonical
        ),
        "the account: reserved and settled": reserved,
        "the limiter's turn": turned,
        "what it took, and its price": lambda one: actual(one.response, one.request, engine.settings, worst),
        "secrets looked for": lambda one: [
            redact_json(one.asked.request, one.asked.canonical),
            without_secrets(one.response),
        ],
        "the response as JSON, and read again": lambda one: response_from_dict(response_to_dict(one.response)),
        "handed over and recorded": handed_over,
    }
    taken = {name: _best(part, made) for name, part in found.items()}
    gateway.close()
    return taken | _journals(made, worst)


def _journals(made: Sequence[_Made], worst: Amounts) -> dict[str, float]:
    """Of the journal: looked up, claimed and settled, in memory and then on the disk."""
    took: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        for place in ("memory", "disk"):
            with TemporaryDirectory() as folder:
                on_disk = place == "disk"
                with Journal.open(Path(folder) / "journal.db") if on_disk else Journal.in_memory() as journal:
                    for name, step in _steps(journal, worst).items():
                        took.setdefault(f"{place} {name}", []).append(_once(step, made))
    best = {name: min(times) for name, times in took.items()}
    return {
        "the journal: looked up": best["memory find"],
        "  the flight written": best["memory claim"],
        "  request and response written": best["memory settle"],
        "  the disk waited for, twice": sum(
            best[f"disk {name}"] - best[f"memory {name}"] for name in ("claim", "settle")
        ),
    }


def _steps(journal: Journal, worst: Amounts) -> dict[str, Callable[[_Made], object]]:
    return {
        "find": lambda one: journal.find(one.asked.key),
        "claim": lambda one: journal.claim(one.asked.key, "run", worst),
        "settle": lambda one: journal.settle(one.asked.key, one.entry),
    }


def _made(engine: Engine) -> list[_Made]:
    keeping = _Keeping()
    lm = dspy.LM(MODEL, engine=keeping, cache=False, num_retries=0)
    prompts = new_prompts()
    made = []
    for number in range(CALLS):
        lm(messages=prompts(number))
        request = keeping.requests[-1]
        response = Instant().complete(request)
        asked = ask(request_to_dict(request), engine.answers)
        entry = Entry(
            key=asked.key,
            kind="lm",
            model=MODEL,
            provider="openai-chat",
            request=asked.request,
            response=response_to_dict(response),
            input_tokens=1500,
            cached_input_tokens=1024,
            output_tokens=12,
            usd=worst_case(request, engine.settings, budget=Budget()).usd,
            seconds=0.1,
            run="run",
            task="bench",
            created="2026-01-01T00:00:00+00:00",
        )
        made.append(_Made(request, asked, response, entry))
    return made


def _best(part: Callable[[_Made], object], made: Sequence[_Made]) -> float:
    return min(_once(part, made) for _ in range(ROUNDS))


def _once(part: Callable[[_Made], object], made: Sequence[_Made]) -> float:
    """In a thread of its own: what the main thread has written goes through the journal's."""
    took: list[float] = []

    def work() -> None:
        begun = time.process_time()
        for one in made:
            part(one)
        took.append(1e3 * (time.process_time() - begun) / len(made))

    gc.collect()
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    return took[0]
