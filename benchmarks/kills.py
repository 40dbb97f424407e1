"""`kill -9` at 200 random points of a compile, each followed by the same command, as the provider counts.

    python benchmarks/kills.py [--kills 200] [--seed 1]

A scripted provider outlives the compiles, of which every other one trains (bootstrap). Runs of one to five kills:
after each kill the requests that the provider got are compared with what the journal holds, and at the end of a run
with those of a compile that nobody disturbed. Nothing that the journal holds may be asked again, nothing that was
received may be missing from it but what was in flight, and every run must seal the same artifact at the same cost.
Exits 1 where one does not.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from kills import broken, killed, moments, undisturbed
from launcher import Launcher
from provider import Provider, lognormal
from scenes import THREADS, stage

SETTINGS = (("--set", "candidates=4"), ("--optimizer", "bootstrap", "--set", "candidates=3", "--set", "attempts=8"))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    luck = Random(options.seed)
    kills = late = runs = again = 0
    bad: list[str] = []
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, Provider() as provider, Launcher() as launcher:
        scene = stage(Path(folder), provider, launcher)
        provider.latency = lognormal(0.01, 0.6)
        cleans = {settings: undisturbed(scene, *settings) for settings in SETTINGS}
        for clean in cleans.values():
            found = clean.done.json
            print(
                f"{clean.calls} calls, {THREADS} at once, artifact {found['id'][:8]} ({found['optimizer']})", flush=True
            )
        while kills < options.kills:
            settings = SETTINGS[runs % len(SETTINGS)]
            clean = cleans[settings]
            number = min(luck.randint(1, 5), options.kills - kills)
            story = killed(scene, moments(luck, clean.calls // number, number), *settings)
            lines = broken(story, clean)
            for line in lines:
                print(f"run {runs}: {line}", flush=True)
            runs, kills, bad = runs + 1, kills + number, bad + lines
            late += sum(kill.too_late for kill in story.kills)
            again += (story.counts - clean.counts).total()
    print(f"{kills} kills in {runs} runs ({late} after the end), {time.monotonic() - started:.0f} s")
    print(f"asked again: {again}, all in flight at a kill ({again / kills:.2f} a kill); broken promises: {len(bad)}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
