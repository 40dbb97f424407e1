"""How long the first answer of an imported artifact takes in a cold process, the model's time apart.

`python benchmarks/serving.py` seals the starter program on the handbook, puts a scripted endpoint in the place of the
model, and takes turns: a process that imports DSPy, and one that imports the artifact and asks it once. The seconds are
measured inside the process, so that Python's own start counts in neither; the time inside the LM call is taken off.
The index is there already. Prints medians of ten runs and their ratio (reach: 1.3).
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RUNS = 10
QUESTION = "How many days of annual leave can I carry over?"

IMPORT_DSPY = "import time; began = time.perf_counter(); import dspy; print(time.perf_counter() - began)"
FIRST_ANSWER = f"""
import time
began = time.perf_counter()
from compiled import handbook
handbook.module
loaded = time.perf_counter()

import dspy
from dspy.utils.callback import BaseCallback

class InModel(BaseCallback):
    seconds = 0.0
    def on_lm_start(self, call_id, instance, inputs):
        self.began = time.perf_counter()
    def on_lm_end(self, call_id, outputs, exception=None):
        self.seconds += time.perf_counter() - self.began

def ask():
    in_model, began = InModel(), time.perf_counter()
    with dspy.context(callbacks=[in_model]):
        answered = handbook(question={QUESTION!r})
    assert len(answered.passages) == 3
    return time.perf_counter() - began - in_model.seconds, in_model.seconds

first, in_model = ask()
print(loaded - began + first, in_model, ask()[0])
"""


def main() -> None:
    sys.path.insert(0, str(ROOT / "tests"))
    from artifacts import hosted_lm, seal_program
    from provider import Provider, fields
    from ragc.project import Project
    from ragc.retrieval import index

    with tempfile.TemporaryDirectory() as folder, Provider(lambda asked: fields(answer="up to five")) as model:
        root = Path(folder)
        for name in ("programs", "data", "pyproject.toml"):
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            copy(ROOT / name, root / name)
        seal_program(root, lm=hosted_lm(model.base_url))
        index(project=Project.find(root))
        imports, answers = [], []
        for _ in range(RUNS + 1):
            imports += run(IMPORT_DSPY, root)
            answers.append(run(FIRST_ANSWER, root))
    # The first run of each fills the byte code cache.
    dspy = statistics.median(imports[1:])
    answer, in_model, again = (statistics.median(taken) for taken in zip(*answers[1:], strict=True))
    print(f"import dspy                 {dspy:.3f} s")
    print(f"first answer, cold process  {answer:.3f} s   ratio {answer / dspy:.2f} (reach 1.3)")
    print(f"  its LM call, apart        {in_model:.3f} s")
    print(f"second answer, the same     {1000 * again:.1f} ms")


def run(code: str, root: Path) -> list[float]:
    """Run `code` in a process of its own and return the seconds that it prints."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["SCRIPTED_KEY"] = "any"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, env=environment, capture_output=True, text=True, check=True
    )
    return [float(figure) for figure in done.stdout.split()]


if __name__ == "__main__":
    main()
