"""A compile with a provider in trouble, beside the same one with a provider in order: scores, errors and wall time.

    python benchmarks/trouble.py [--latency 0.2]

Three requests in ten are refused (429), one in twenty fails (500), one in fifty breaks off in its body. Exits 1 where
the artifact is not the one of the clean run, or an error is left.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from launcher import Done, Launcher
from provider import Provider, at_rates, lognormal
from scenes import Scene, stage

RATES = {"429": 0.3, "500": 0.05, "half": 0.01, "cut": 0.01}
THREADS = 16


def told(what: str, scene: Scene, done: Done) -> None:
    found = done.json
    test, errors = found["test"]["compiled"], found["validation"]["compiled"]["errors"]
    print(
        f"{what:<12} {scene.asked:>4} requests, {found['paid_calls']} paid, artifact {found['id'][:8]}, "
        f"test {test['score']:.3f}, {test['errors'] + errors} errors, {done.seconds:.1f} s",
        flush=True,
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--latency", type=float, default=0.2, help="median seconds of an answer")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, Provider() as provider, Launcher() as launcher:
        scene = stage(Path(folder), provider, launcher, questions=40, threads=THREADS)
        provider.latency = lognormal(options.latency, 0.5)
        clean = scene.compile("--set", "candidates=4")
        told("in order", scene, clean)
        scene.forget()
        provider.faults = at_rates(RATES, seed=3)
        troubled = scene.compile("--set", "candidates=4")
        told("in trouble", scene, troubled)
    print(f"wall time: {troubled.seconds / clean.seconds:.2f} x")
    same = troubled.json["id"] == clean.json["id"] and troubled.json["test"] == clean.json["test"]
    return 0 if same and not troubled.json["test"]["compiled"]["errors"] else 1


if __name__ == "__main__":
    sys.exit(main())
