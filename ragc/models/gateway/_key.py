"""What a call is known by. The same key is one response, for ever: single flight, cache, resume and replay in one rule.

A key is the hash of everything that the answer depends on: the request as DSPy hands it over, who answers it, DSPy's
rollout id, and the number of the candidate within one LM call (DSPy sends `n=3` as three equal requests). A generation
other than 0 is part of it, so that `--fresh` asks everything anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ragc._files import canonical_json, digest

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Asked:
    """What is asked, as the journal keeps it."""

    key: str
    request: dict[str, Any]
    """Everything that the key is made of."""
    canonical: bytes = field(repr=False)
    """The same as canonical JSON."""


@dataclass
class _LMCall:
    """One call of a `dspy.LM`, which may send several requests."""

    rollout: int | str | None
    candidates: int = 0

    def next_candidate(self) -> int:
        self.candidates += 1
        return self.candidates - 1


_LM_CALL: ContextVar[_LMCall | None] = ContextVar("ragc_lm_call", default=None)


@contextmanager
def lm_call(rollout: int | str | None) -> Iterator[None]:
    """Around one call of an LM, which may send several requests: they are candidates of this rollout."""
    token = _LM_CALL.set(_LMCall(rollout))
    try:
        yield
    finally:
        _LM_CALL.reset(token)


def ask(request: Mapping[str, Any], answers: Mapping[str, Any], generation: int = 0) -> Asked:
    """The next request of the LM call that is under way in this context.

    `request` is JSON; `answers` says who answers it (provider, endpoint, weights).
    """
    call = _LM_CALL.get()
    part: dict[str, Any] = {}
    if call is not None:
        candidate = call.next_candidate()
        part |= {"rollout_id": call.rollout} if call.rollout is not None else {}
        part |= {"candidate": candidate} if candidate else {}
    return _asked(request, answers, part, generation)


def ask_alone(request: Mapping[str, Any], answers: Mapping[str, Any], generation: int = 0) -> Asked:
    """Unlike `ask`: a request for vectors or a ranking, which is no part of an LM call and has one answer."""
    return _asked(request, answers, {}, generation)


def _asked(request: Mapping[str, Any], answers: Mapping[str, Any], part: Mapping[str, Any], generation: int) -> Asked:
    material = {"request": request, **{name: value for name, value in answers.items() if value}, **part}
    if generation:
        material["generation"] = generation
    canonical = canonical_json(material)
    return Asked(digest(canonical), material, canonical)
