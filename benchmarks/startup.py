"""How long it takes to start: `ragc --help`, `import ragc`, `from compiled import handbook`; whole processes.

`python benchmarks/startup.py` prints the median and the worst of ten runs each, byte code cached.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RUNS = 10
CASES = {
    "python alone": (["-c", "pass"], None),
    "ragc --help": (["-m", "ragc", "--help"], 0.15),
    "import ragc": (["-c", "import ragc"], 0.1),
    "from compiled import handbook": (["-c", "from compiled import handbook"], 0.1),
}
"""What is started and the seconds it may take."""


def seconds(args: list[str]) -> list[float]:
    """Wall-clock seconds of `RUNS` processes, after one that fills the byte code cache."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    taken = []
    for _ in range(RUNS + 1):
        started = time.perf_counter()
        subprocess.run([sys.executable, *args], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, check=True)
        taken.append(time.perf_counter() - started)
    return taken[1:]


def main() -> None:
    print(f"{'':<32}{'median':>9}{'worst':>9}{'reach':>9}")
    for name, (args, reach) in CASES.items():
        taken = seconds(args)
        limit = f"{reach:.2f} s" if reach else ""
        print(f"{name:<32}{statistics.median(taken):>7.3f} s{max(taken):>7.3f} s{limit:>9}")


if __name__ == "__main__":
    main()
