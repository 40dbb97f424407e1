"""How much of a provider's throughput 16 threads get through the limiter, and what refusals (429) cost in time.

Simulated: each call takes a second on average (lognormal), a refusal 0.02 s ("fast") or as long as an answer ("slow"),
the means of 10 runs. The last lines are real: the processor's time that one turn takes.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from statistics import mean
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from ragc.models.gateway._limiter import Limiter  # noqa: E402
from ragc.models.gateway._pace import Concurrency  # noqa: E402
from simulated import Simulated, lognormal, now, seconds_for  # noqa: E402

CALLS, THREADS, RUNS = 400, 16, 10


class Halving(Concurrency):
    """What TCP does: every refusal halves, once for all turns that began before."""

    def refused(self, number: int) -> float:
        self._credit = 0.0
        return super().refused(number)


def seconds(*, halving: bool = False, **provider: Any) -> float:
    took = []
    for seed in range(RUNS):
        limiter = Limiter(THREADS, clock=now)
        limiter._pace = Halving(THREADS) if halving else limiter._pace
        took.append(seconds_for(CALLS, Simulated(latency=lognormal, seed=seed, **provider), THREADS, limiter))
    return mean(took)


def main() -> None:
    kinds = {"fast": 0.02, "slow": None}
    print(f"a provider that takes N at once, {THREADS} threads: share of what is possible")
    for slots in (1, 2, 4, 8, 12, 16):
        shares = {kind: CALLS / slots / seconds(slots=slots, refuses_in=refuses) for kind, refuses in kinds.items()}
        asked = CALLS / slots / seconds(slots=slots, retry_after=1.0)
        print(
            f"  N = {slots:2}   fast {shares['fast']:.2f}   slow {shares['slow']:.2f}   with Retry-After: 1 {asked:.2f}"
        )
    clean = seconds()
    print(f"a provider that refuses at random: wall time against the clean run ({clean:.1f} s)")
    for share in (0.05, 0.1, 0.3):
        ratios = {kind: seconds(luck=share, refuses_in=refuses) / clean for kind, refuses in kinds.items()}
        halving = seconds(luck=share, halving=True) / clean
        said = "   ".join(f"{kind} {ratio:.2f}" for kind, ratio in ratios.items())
        print(f"  {share:4.0%}     {said}   halving at each, fast {halving:.2f}")
    blocked = Simulated(latency=lognormal, blocked=(5.0, 15.0))
    took = seconds_for(CALLS, blocked, THREADS)
    lost = took - clean - 10
    print(f"a provider that refuses everything for 10 s: {blocked.refused} refusals, {lost:.1f} s lost on top")
    limiter, turns = Limiter(THREADS, rpm=10**9, tpm=10**9), 100_000
    began = time.process_time()
    for _ in range(turns):
        with limiter.turn(100) as turn:
            turn.succeeded()
    print(f"one turn: {(time.process_time() - began) / turns * 1e6:.1f} µs")


if __name__ == "__main__":
    main()
