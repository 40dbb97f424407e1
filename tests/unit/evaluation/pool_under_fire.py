"""Interrupts whoever reads from a pool at random moments, some hundred times, and looks whether it goes on working.

`python pool_under_fire.py ROUNDS` writes how many rounds were interrupted. A lock that stays locked hangs it.
"""

from __future__ import annotations

import random
import signal
import sys
import time
from types import FrameType

from ragc.evaluation._pool import Pool


def interrupt(number: int, frame: FrameType | None) -> None:
    """What Ctrl-C does."""
    raise KeyboardInterrupt


def work(item: float) -> float:
    """Takes a moment."""
    time.sleep(item)
    return item


def main() -> None:
    """Fire."""
    signal.signal(signal.SIGALRM, interrupt)
    pool = Pool(4)
    interrupted = 0
    for number in range(int(sys.argv[1])):
        rng = random.Random(number)
        items = [rng.random() * 0.0005 for _ in range(60)]
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.0005 + rng.random() * 0.012)
            batches = [pool.begin(work, items) for _ in range(3)]
            batches[0].wait(or_short=True)
            assert [list(batch) for batch in batches] == [items] * 3
            signal.setitimer(signal.ITIMER_REAL, 0)
        except KeyboardInterrupt:
            interrupted += 1
            signal.setitimer(signal.ITIMER_REAL, 0)
        pool.clear()
        assert list(pool.begin(work, items)) == items
    sys.stdout.write(f"{interrupted}\n")


if __name__ == "__main__":
    main()
