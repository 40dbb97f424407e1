"""`python -m tests.provider`: prints its port, then serves until it is ended. `GET /record` shows what it was asked."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import threading
from pathlib import Path

from . import Answer, Provider, Script, at_rates, knows, lognormal


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.provider", description="A scripted provider on loopback.")
    parser.add_argument("--port", type=int, default=0, help="0: any that is free")
    parser.add_argument("--answers", help="a JSON file of question to text, examples.jsonl, or module:function")
    parser.add_argument("--faults", type=json.loads, default={}, help='shares by name, such as {"429": 0.3}')
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds; the median where there is a --sigma")
    parser.add_argument("--sigma", type=float, default=0.0, help="of lognormal latencies")
    parser.add_argument("--limit", type=int, help="requests at a time, 429 beyond")
    parser.add_argument("--with-parent", action="store_true", help="end when standard input is closed")
    given = parser.parse_args()
    latency = lognormal(given.latency, given.sigma, given.seed) if given.sigma else given.latency
    provider = Provider(
        answers(given.answers),
        faults=at_rates(given.faults, given.seed) if given.faults else None,
        latency=latency,
        limit=given.limit,
        port=given.port,
    )
    with provider:
        sys.stdout.write(f"{provider.port}\n")
        sys.stdout.flush()
        if given.with_parent:
            sys.stdin.read()
        else:
            threading.Event().wait()


def answers(named: str | None) -> Script | Answer:
    """The script that the command line names."""
    if named is None:
        return Answer()
    if named.endswith(".json"):
        return knows(json.loads(Path(named).read_text("utf-8")))
    if named.endswith(".jsonl"):
        examples = [json.loads(line) for line in Path(named).read_text("utf-8").splitlines() if line.strip()]
        return knows({one["question"]: (one["answers"] or ["I do not know."])[0] for one in examples})
    sys.path.append(str(Path(__file__).resolve().parent.parent))
    module, _, function = named.partition(":")
    script: Script = getattr(importlib.import_module(module), function)
    return script


if __name__ == "__main__":
    main()
