"""What the answer log and a filter for each user add to an answer.

`python benchmarks/answer_log.py` seals the starter program on the handbook, whose model is a scripted endpoint, and
prints medians: of a line in the log, of the same with one process more writing to it, of a copy of the artifact for
one user (`with_filters`), and of a whole answer with and without either, taken in turns, the time inside the LM call
taken off. Then it audits one answer of 10,000.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RUNS = 300
ANSWERS = 10_000
QUESTION = "How many days of annual leave can I carry over?"
OTHER = "import sys; from pathlib import Path; from ragc.artifact.answers import LogFile\n"
OTHER += "log = LogFile(Path(sys.argv[1]))\nwhile True: log.append({'id': 'other', 'text': 'x' * 4000})"


def main() -> None:
    sys.path.insert(0, str(ROOT / "tests"))
    import os

    from artifacts import hosted_lm, seal_program
    from provider import Provider, fields
    from ragc.artifact import audit, load
    from ragc.project import Project
    from ragc.retrieval import index

    os.environ["SCRIPTED_KEY"] = "any"
    with tempfile.TemporaryDirectory() as folder, Provider(lambda asked: fields(answer="up to five")) as model:
        root = Path(folder)
        for name in ("programs", "data", "pyproject.toml"):
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            copy(ROOT / name, root / name)
        shown = {"Can I carry days over?": "up to five", "How long is the notice period?": "one month"}
        path = seal_program(root, lm=hosted_lm(model.base_url), shown=shown).path
        index(project=Project.find(root))
        plain = load(path)
        os.environ["RAGC_AUDIT"] = f"jsonl://{root}/answers.jsonl"
        logged = load(path)
        answer = logged(question=QUESTION)
        log = logged._serving.open().log
        if log is None:
            raise SystemExit("the log is off")
        asked = log.ask({"question": QUESTION}, "openai/scripted", ())

        def write() -> None:
            log.write(asked, (), 0.1, answer)

        print(f"a line in the log         {median(write):6.0f} µs")
        other = subprocess.Popen([sys.executable, "-c", OTHER, str(root / "answers.jsonl")])
        try:
            time.sleep(1)
            print(f"  beside another process  {median(write):6.0f} µs")
        finally:
            other.kill()
            other.wait()
        filters = {"document": {"ne": "none"}}
        print(f"a copy for one user       {median(lambda: plain.with_filters(filters)._ready()):6.0f} µs")
        ways: dict[str, Callable[[], Any]] = {
            "an answer": lambda: plain(question=QUESTION),
            "  logged": lambda: logged(question=QUESTION),
            "  with a filter of its own": lambda: plain.with_filters(filters)(question=QUESTION),
        }
        times: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(RUNS):
            for name, ask in ways.items():
                times[name].append(without_model(ask))
        for name, found in times.items():
            print(f"{name:<26}{1e6 * statistics.median(found):6.0f} µs")
        (root / "answers.jsonl").unlink()
        for _ in range(ANSWERS):
            log.write(log.ask({"question": QUESTION}, "openai/scripted", ()), (), 0.1, answer)
        answer_id = logged(question=QUESTION).provenance["answer_id"]
        size = (root / "answers.jsonl").stat().st_size
        took = seconds(lambda: audit(answer_id, Project.find(root)))
        print(f"audit of one of {ANSWERS:,}    {took:6.2f} s ({size / 1e6:.0f} MB)")


def without_model(ask: Callable[[], Any]) -> float:
    """Seconds that an answer takes, less those inside the LM call."""
    import dspy
    from dspy.utils.callback import BaseCallback

    class InModel(BaseCallback):  # type: ignore[misc]  # DSPy ships no types
        seconds = began = 0.0

        def on_lm_start(self, call_id: str, instance: Any, inputs: Any) -> None:
            self.began = time.perf_counter()

        def on_lm_end(self, call_id: str, outputs: Any, exception: Exception | None = None) -> None:
            self.seconds += time.perf_counter() - self.began

    in_model = InModel()
    with dspy.context(callbacks=[in_model]):
        return seconds(ask) - in_model.seconds


def seconds(call: Callable[[], Any]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def median(call: Callable[[], Any]) -> float:
    """Microseconds."""
    return 1e6 * statistics.median(seconds(call) for _ in range(RUNS))


if __name__ == "__main__":
    main()
