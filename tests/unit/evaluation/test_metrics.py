"""Scores of answers against labels."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from ragc.data import Example
from ragc.errors import ConfigError
from ragc.evaluation import ABSTENTION, load_metric
from ragc.project import Project


def example(*answers: str) -> Example:
    return Example(id="e", question="How many days?", answers=answers)


def score(metric: str, said: str, *answers: str, project: Project | None = None) -> float:
    found = load_metric(project, metric)  # type: ignore[arg-type]  # built-in metrics need no project
    return found(example(*answers), SimpleNamespace(answer=said)).value


def test_f1_counts_shared_tokens_against_the_closest_answer() -> None:
    assert score("answer_f1", "five days", "five days") == 1
    assert score("answer_f1", "up to five days", "five days") == pytest.approx(2 * 2 / (4 + 2))
    assert score("answer_f1", "five days", "ten weeks", "up to five days") == pytest.approx(2 * 2 / (2 + 4))
    assert score("answer_f1", "a week", "five days") == 0


def test_f1_ignores_case_articles_and_punctuation() -> None:
    assert score("answer_f1", "The 27th.", "27th") == 1


def test_f1_tells_amounts_apart() -> None:
    assert score("answer_f1", "£45", "£54") < 1
    assert score("answer_f1", "1.5 days", "15 days") < 1


def test_exact_match_is_all_or_nothing() -> None:
    assert score("exact_match", "five days", "Five days.") == 1
    assert score("exact_match", "up to five days", "five days") == 0


def test_contains_wants_whole_words() -> None:
    assert score("contains", "You get five days a year", "five days") == 1
    assert score("contains", "fifty-five days", "five day") == 0


@pytest.mark.parametrize("metric", ["answer_f1", "exact_match", "contains"])
def test_abstaining_is_right_only_on_the_unanswerable(metric: str) -> None:
    assert score(metric, ABSTENTION) == 1
    assert score(metric, "five days") == 0
    assert score(metric, ABSTENTION, "five days") == 0
    assert score(metric, "") == 0


def test_unknown_metric_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r'unknown metric "anser_f1".*Did you mean "answer_f1"'):
        load_metric(None, "anser_f1")  # type: ignore[arg-type]


@pytest.fixture
def own(tmp_path: Path) -> Project:
    (tmp_path / "pyproject.toml").write_text("[tool.ragc]\n", "utf-8")
    (tmp_path / "own_metrics.py").write_text(
        "import ragc\n"
        "def half(example, prediction): return 0.5\n"
        "def told(example, prediction): return ragc.Score(1.0, 'well done')\n"
        "def nan(example, prediction): return float('nan')\n"
        "def big(example, prediction): return 7\n"
        "def word(example, prediction): return 'good'\n"
        "def alone(prediction): return 1\n"
        "def many(example, prediction, trace): return 1\n"
        "def traced(example, prediction, trace=None): return 1\n"
        "def broken(example, prediction): raise KeyError('colour')\n",
        "utf-8",
    )
    return Project.find(tmp_path)


def test_own_metric_returns_a_number_or_a_score(own: Project) -> None:
    assert score("own_metrics:half", "x", "y", project=own) == 0.5
    told = load_metric(own, "own_metrics:told")(example("y"), SimpleNamespace(answer="x"))
    assert (told.value, told.feedback) == (1.0, "well done")


@pytest.mark.parametrize("name", ["nan", "big", "word"])
def test_own_metric_off_the_scale_is_an_error(own: Project, name: str) -> None:
    with pytest.raises(ConfigError, match=f'metric "own_metrics:{name}" returned .* on example "e"'):
        score(f"own_metrics:{name}", "x", "y", project=own)


@pytest.mark.parametrize("name", ["alone", "many"])
def test_own_metric_that_cannot_take_example_and_prediction_is_refused(own: Project, name: str) -> None:
    with pytest.raises(
        ConfigError, match=f'metric "own_metrics:{name}": expected a function of example and prediction'
    ):
        load_metric(own, f"own_metrics:{name}")


def test_own_metric_may_take_more_that_has_a_default(own: Project) -> None:
    assert score("own_metrics:traced", "x", "y", project=own) == 1


def test_own_metric_that_raises_is_an_error(own: Project) -> None:
    with pytest.raises(ConfigError, match='metric "own_metrics:broken" raised KeyError on example "e"'):
        score("own_metrics:broken", "x", "y", project=own)


def test_own_metric_that_does_not_exist_is_named(own: Project) -> None:
    with pytest.raises(ConfigError, match="nothing"):
        load_metric(own, "own_metrics:nothing")
