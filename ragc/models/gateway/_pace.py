"""How fast a provider may be asked: how many requests at once, learnt from its answers, and how many a minute."""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass

START = 4
"""Requests in flight at first."""
IN_A_ROW = 8
"""Refusals without one answer between them, at least, after which everybody waits."""
FIRST_WAIT = 0.5
"""Seconds of the first such wait; it doubles from there. A wait is between half of it and all."""
LONGEST_WAIT = 30.0
RAREST = 16
"""A level that keeps being refused is tried again after so many rounds of answers, at most."""
MINUTE = 61.0
"""Seconds in which `rpm` and `tpm` hold: one more than sixty, because requests take unequally long to arrive."""
_LUCK = random.Random()  # its own: waits must not change what a program or an optimizer draws


class Concurrency:
    """How many requests may be in flight: more after answers, fewer after refusals (429). Not thread-safe.

    Invariant: `1 <= allowed <= maximum`, whatever comes back.

    A turn's *level* is how many requests were in flight when it began, itself included, without those that were refused
    or as good as answered. The highest level answered is *known* to go well, and what is above it is a try:

    - An answer while all slots are in use allows one more, so that the slots double in a round trip until a try is
      refused. That takes them back to what is known; the next try waits for a round of answers, and each refused in a
      row doubles the wait. So a provider that takes N at once sees N, and a try now and then.
    - A refusal at a known level takes one slot until the next answer. When more are refused than answered (half of what
      is known may be refused first), the known level is halved, once for all turns that began before.
    - When nothing but refusals comes back, everybody waits, each time twice as long, and then one request goes first.
      After a wait that the provider asked for, a few do. Each answer lets one more go, up to what is known.

    Halving at every refusal, as TCP does, would make a run take 1.7 times as long where a provider refuses one call in
    twenty for reasons of its own (benchmarks/limiter.py).
    """

    def __init__(self, maximum: int, start: int = START) -> None:
        self.allowed = min(start, maximum)
        """Requests that may be in flight at once."""
        self._maximum = maximum
        self._levels: dict[int, int] = {}  # of the turns in flight, by number
        self._began: dict[int, float] = {}  # when they did
        self._last = 0  # the number of the last turn that began
        self._known = 1
        self._answers_to_try = 0
        self._tries_refused = 0  # in a row
        self._try_refused_at = 0  # what began up to here was part of the same try
        self._credit = 2.0  # refusals that answers have paid for
        self._cut_at = 0  # what began up to here says nothing about what is allowed now
        self._burst_at = 0  # the last turn that began before the burst's first refusal
        self._burst_floor = 1  # what is allowed after it, at least
        self._row = 0  # refusals in a row, of turns that began after the first of them
        self._row_began_at = 0
        self._waits = 0  # in a row

    @property
    def in_flight(self) -> int:
        """Turns that have begun and not ended."""
        return len(self._levels)

    @property
    def is_free(self) -> bool:
        """Whether one more may begin."""
        return len(self._levels) < self.allowed

    def begin(self, now: float) -> int:
        """A turn begins; its number."""
        self._last += 1
        self._levels[self._last] = len(self._levels) + 1
        self._began[self._last] = now
        return self._last

    def end(self, number: int) -> None:
        """A turn has ended in a way that says nothing about the pace."""
        del self._levels[number], self._began[number]

    def answered(self, number: int, now: float) -> None:
        """A turn was answered."""
        in_flight, level = len(self._levels), self._levels.pop(number)
        self._discount(number, now)
        if number > self._row_began_at:
            self._row = 0
        self._credit = min(self._credit + 1, max(2.0, self._known / 2))
        if level > self._known:
            self._known, self._tries_refused, self._answers_to_try = level, 0, 0
        if number > self._cut_at:
            self._waits = 0
        if self.allowed < self._known:
            self.allowed += number > self._cut_at
        elif in_flight >= self.allowed:
            self._try_more()

    def refused(self, number: int) -> float:
        """A turn was refused; the seconds that everybody waits now, mostly 0."""
        level = self._levels.pop(number)
        del self._began[number]
        for other in self._levels:
            self._levels[other] -= other > number
        self._count_in_row(number)
        began_since = number > self._cut_at
        if level > self._known:
            self._refuse_try(number)
        elif began_since:
            self._refuse_known(number)
        if began_since if self._waits else self._nothing_but_refusals():
            wait = min(LONGEST_WAIT, FIRST_WAIT * 2.0**self._waits) * _LUCK.uniform(0.5, 1.0)
            self._waits += 1
            self._known = max(1, self._known // 2)
            self.restart(1)
            return wait
        return 0.0

    def restart(self, first: int = START) -> None:
        """Everybody waits: afterwards so many requests go first, and with each answer one more, up to what is known."""
        self.allowed, self._cut_at = min(self.allowed, first, self._known), self._last

    def _discount(self, number: int, now: float) -> None:
        # Who began in the last tenth of an answer's time found the provider with a slot that was as good as free.
        since = now - (now - self._began.pop(number)) / 10
        for other, began in reversed(self._began.items()):
            if began <= since:
                break
            self._levels[other] -= other > number

    def _try_more(self) -> None:
        if self._answers_to_try > 0:
            self._answers_to_try -= 1
        elif self.allowed < self._maximum:
            self.allowed += 1

    def _count_in_row(self, number: int) -> None:
        if self._row == 0:
            self._row_began_at = self._last
        if self._row == 0 or number > self._row_began_at:
            self._row += 1

    def _nothing_but_refusals(self) -> bool:
        # What began since and is still in flight was let in, most likely: a refusal takes little time.
        let_in = sum(number > self._row_began_at for number in self._levels)
        return self._row >= max(IN_A_ROW, self._known, 2 * let_in)

    def _refuse_try(self, number: int) -> None:
        self.allowed = min(self.allowed, self._known)
        if number > self._try_refused_at:
            self._try_refused_at = self._last
            self._answers_to_try = self._known * min(RAREST, 2**self._tries_refused)
            self._tries_refused += 1

    def _refuse_known(self, number: int) -> None:
        if number > self._burst_at:
            self._burst_at, self._burst_floor = self._last, max(1, self.allowed // 2)
        if self._credit >= 1:
            self._credit -= 1
            self.allowed = max(self._burst_floor, self.allowed - 1)
        else:
            self._known = self.allowed = self._burst_floor
            self._cut_at = self._last
            self._answers_to_try = self._tries_refused = 0


@dataclass(slots=True)
class Sent:
    """A turn as `Minute` counts it."""

    at: float
    tokens: int


class Minute:
    """Keeps what begins to `rpm` requests and `tpm` tokens a minute. Not thread-safe.

    Invariant: in every `MINUTE` seconds at most `rpm` turns begin, and their tokens come to at most `tpm`.
    """

    def __init__(self, rpm: int | None, tpm: int | None) -> None:
        self.rpm, self.tpm = rpm, tpm
        self._sent: deque[Sent] = deque()
        self._tokens = 0

    def counted(self, tokens: int) -> int:
        """The tokens that a turn of so many counts for: a whole minute's at most."""
        return tokens if self.tpm is None else min(tokens, self.tpm)

    def fits(self, tokens: int, now: float) -> bool:
        """Whether a turn of so many tokens may begin now."""
        self._forget(now)
        return (self.rpm is None or len(self._sent) < self.rpm) and (
            self.tpm is None or self._tokens + tokens <= self.tpm
        )

    def free_at(self, tokens: int, now: float) -> float:
        """When a turn of so many tokens, at most `tpm`, may begin: `now` at the earliest."""
        self._forget(now)
        at = now
        if self.rpm is not None and len(self._sent) >= self.rpm:
            at = self._sent[-self.rpm].at + MINUTE
        if self.tpm is not None:
            over = self._tokens + tokens - self.tpm
            for turn in self._sent:
                if over <= 0:
                    break
                over -= turn.tokens
                at = max(at, turn.at + MINUTE)
        return at

    def begin(self, tokens: int, now: float) -> Sent:
        """A turn begins."""
        turn = Sent(now, tokens)
        if self.rpm is not None or self.tpm is not None:
            self._sent.append(turn)
            self._tokens += tokens
        return turn

    def correct(self, turn: Sent, tokens: int) -> None:
        """The turn took so many tokens in fact; what is above its estimate is not believed."""
        if self._sent and turn.at >= self._sent[0].at and tokens < turn.tokens:
            self._tokens -= turn.tokens - tokens
            turn.tokens = tokens

    def _forget(self, now: float) -> None:
        while self._sent and self._sent[0].at + MINUTE <= now:
            self._tokens -= self._sent.popleft().tokens
