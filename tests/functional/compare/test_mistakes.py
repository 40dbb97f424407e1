"""What a user can get wrong: one line on stderr, exit 2, nothing paid and nothing lost."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from artifacts import seal_program
from launcher import Launcher
from provider import Provider
from ragc.artifact import verify
from scenes import Scene, configure, stage

EXPERIMENT = """
[tool.ragc.experiments.first]
task = "allotments"
arms.rag = {{ }}
arms.other = {{ {other} }}
{rest}
"""


@pytest.fixture(scope="module")
def mistaken(tmp_path_factory: pytest.TempPathFactory, launcher: Launcher) -> Iterator[Scene]:
    """A project in which nothing is ever asked."""
    with Provider() as provider:
        scene = stage(tmp_path_factory.mktemp("mistaken"), provider, launcher)
        seal_program(scene.root)
        (scene.root / "compiled" / "allotments").rename(scene.root / "compiled" / "old")
        configure(scene.root, "[tool.ragc.tasks.allotments]", "[tool.ragc.tasks.other]")
        seal_program(scene.root)
        configure(scene.root, "[tool.ragc.tasks.other]", "[tool.ragc.tasks.allotments]")
        yield scene
        assert scene.asked == 0


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ("--arm k=1 --arm k=1", 'two arms are called "k=1"; give one of them another name'),
        ("--arm k=3", 'arms "rag" and "k=3" are the same'),
        ("--arm name=a,k=2 --arm name=b,k=2", 'arms "a" and "b" are the same'),
        ("--arm artifact=compiled/other", 'arm "other": compiled/other is an artifact of "other", not of "allotments"'),
        ("--arm artifact=compiled/none", "no artifact at compiled/none"),
        ("--arm k=1 --baseline rak", 'baseline "rak" is none of the arms, did you mean "rag"?'),
        ("--arm program=closed_book,k=2", "k says nothing here: its program retrieves nothing"),
        ("--arm program=closed_boo", 'did you mean "closed_book"?'),
        ("--arm optimizer=labeled,set={candidate=1}", 'did you mean "candidates"?'),
        ("--arm k=1 --margin nan", "--margin nan: expected points of the score"),
        ("--arm k=1 --queries 0", "--queries 0: expected questions a month"),
        ("--arm k=1 --repeats 0", "--repeats 0: expected 1 or more"),
        ("--arm k=1 --budget-usd nan", "--budget-usd nan: expected"),
        ("--arm k=1 --budget-calls 3", "cannot fund every arm's search and test: the smallest that can is"),
        ("--arm lm=openai/unpriced --budget-usd 1", 'arm "unpriced": '),
        ("--arm lm=openai/unpriced --queries 1000", 'arm "unpriced": no price is known for openai/unpriced'),
        ("--experiment fist", "unknown experiment"),
        ("", "nothing to compare"),
        ("--arm k=1 --replay --fresh", "a replay asks nothing"),
    ],
)
def test_it_is_said_in_one_line(mistaken: Scene, words: str, error: str) -> None:
    done = mistaken.run("compare", "allotments", "--alone", *words.split())
    said = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert done.returncode == 2 and len(said) == 1 and error in said[0], done.stderr
    assert done.stdout == "" and "Traceback" not in done.stderr
    assert mistaken.asked == 0
    verify(mistaken.root / "compiled" / "old")


@pytest.mark.parametrize(
    ("other", "rest", "error"),
    [
        ("optimiser = 'x'", "", '[tool.ragc.experiments.first.arms.other] key "optimiser": unknown key, did you mean'),
        ("k = 1", "baseline = 'rug'", 'baseline "rug" is none of the arms, did you mean "rag"?'),
        ("k = 1", "repeat = 2", 'key "repeat": unknown key, did you mean "repeats"?'),
        ("k = 1", "margin = nan", 'key "margin": must be'),
        ("expand = -1", "", 'key "expand": must be a whole number from 0'),
        ("k = 1", "budget = { usd = inf }", 'key "usd": expected a finite number'),
    ],
)
def test_so_is_a_table_of_the_configuration(scene: Scene, other: str, rest: str, error: str) -> None:
    file = scene.root / "pyproject.toml"
    file.write_text(file.read_text("utf-8") + EXPERIMENT.format(other=other, rest=rest), "utf-8")
    done = scene.run("compare", "--experiment", "first")
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and error in done.stderr, done.stderr
    assert scene.asked == 0


def test_one_question_is_no_comparison(scene: Scene) -> None:
    file = scene.root / "data" / "allotments" / "examples.jsonl"
    lines = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    for number, line in enumerate(lines):
        line["split"] = "test" if not number else ("train", "validation")[number % 2]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    done = scene.run("compare", "--arm", "k=1")
    assert done.returncode == 2 and "1 test), at least" in done.stderr and scene.asked == 0, done.stderr


@pytest.mark.parametrize(
    ("metric", "error"), [("float('nan')", "returned nan"), ("1.0", "every answer of every arm scores 1")]
)
def test_scores_that_say_nothing(scene: Scene, metric: str, error: str) -> None:
    (scene.root / "programs" / "odd.py").write_text(f"def odd(example, prediction):\n    return {metric}\n", "utf-8")
    configure(scene.root, 'metric = "answer_f1"', 'metric = "programs.odd:odd"')
    done = scene.run("compare", "--arm", "k=1")
    assert done.returncode == 2 and error in done.stderr and "Traceback" not in done.stderr, done.stderr
    known = scene.in_journal()
    assert known > 0  # what was paid for is kept
