"""Scores of answers against labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ragc.data import Example
from ragc.errors import ConfigError, DataError
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
        "def within(example, prediction, *, share=0.25): return share\n"
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


# -- lists and choices


@pytest.mark.parametrize(
    "said", ["gate key, shed key", "shed key and gate key", "- shed key\n- gate key", "1. Gate key\n2. Shed key."]
)
def test_a_list_is_the_same_in_any_order_and_form(said: str) -> None:
    assert score("list_f1", said, "the gate key and the shed key") == 1


def test_list_f1_counts_what_is_missing_and_what_is_too_much() -> None:
    assert score("list_f1", "a1, b1", "a1; b1; c1; d1") == pytest.approx(2 * 2 / (2 + 4))
    assert score("list_f1", "a1, b1, x1, y1", "a1; b1") == pytest.approx(2 * 2 / (4 + 2))
    assert score("list_f1", "a1, a1, a1", "a1") == 1
    assert score("list_f1", "£1,200, £5", "£5; £1,200") == 1


def test_a_line_or_a_semicolon_keeps_commas_and_ands_in_an_item() -> None:
    assert score("list_f1", "research and development; sales", "sales; research and development") == 1


def test_list_feedback_names_what_is_missing() -> None:
    found = load_metric(None, "list_f1")(example("a1; b1"), SimpleNamespace(answer="a1, x1"))  # type: ignore[arg-type]
    assert found.feedback == "missing: b1; not in the list: x1"


def choice(said: str, *answers: str, choices: object = ("five days", "ten days", "ten days or more")) -> float:
    metric = load_metric(None, "multiple_choice")  # type: ignore[arg-type]
    inputs = {} if choices is None else {"choices": list(choices)}  # type: ignore[call-overload]
    asked = Example(id="e", question="How long?", answers=answers, inputs=inputs)
    metric.check((asked,))
    return metric(asked, SimpleNamespace(answer=said)).value


@pytest.mark.parametrize("said", ["B", "(b)", "B. Ten days", "b)", "The answer is B.", "Ten days", "It is ten days."])
def test_a_choice_is_named_by_letter_or_text(said: str) -> None:
    assert choice(said, "B") == choice(said, "ten days") == 1


@pytest.mark.parametrize("said", ["A", "C", "five days", "five days or ten days", "A plot for ten weeks", "nothing"])
def test_another_choice_or_several_or_none_are_wrong(said: str) -> None:
    assert choice(said, "B") == 0


def test_the_longer_option_is_meant_where_it_holds_the_shorter_one() -> None:
    assert choice("It takes ten days or more.", "C") == 1


def test_without_options_a_choice_is_a_letter() -> None:
    assert choice("B", "B", choices=None) == 1
    assert choice("C.", "B", choices=None) == 0


def test_a_label_that_names_no_option_is_told_before_anything_is_paid() -> None:
    with pytest.raises(DataError, match='answer "a year" of example "e" names no option'):
        choice("B", "a year")


# -- refusal


def test_refusal_is_right_where_the_corpus_does_not_know_and_only_there() -> None:
    assert score("refusal", ABSTENTION) == 1
    assert score("refusal", "five days") == 0
    assert score("refusal", ABSTENTION, "five days") == 0
    assert score("refusal", "anything", "five days") == 1


# -- citations and faithfulness


def passage(id_: str, text: str) -> SimpleNamespace:
    return SimpleNamespace(id=id_, document=f"{id_}.md", source=id_.title(), text=text)


def cited(metric: str, citations: list[str], gold: set[str]) -> float:
    passages = [passage(id_, "text") for id_ in ("one", "two", "three")]

    def recall(asked: Example, given: Sequence[Any]) -> float | None:
        return len({one.id for one in given} & gold) / len(gold)

    bound = load_metric(None, metric).with_tools(recall=recall)  # type: ignore[arg-type]
    prediction = SimpleNamespace(answer="five days", passages=passages, citations=citations)
    return bound(example("five days"), prediction).value


def test_citation_precision_is_the_share_of_citations_on_evidence() -> None:
    assert cited("citation_precision", ["one", "two"], {"one"}) == 0.5
    assert cited("citation_precision", ["one"], {"one", "three"}) == 1
    assert cited("citation_precision", [], {"one"}) == 0


def test_citation_recall_is_the_share_of_evidence_that_is_cited() -> None:
    assert cited("citation_recall", ["one", "two"], {"one", "three"}) == 0.5
    assert cited("citation_recall", [], {"one"}) == 0


def test_citations_that_cannot_be_scored_are_told_before_anything_is_paid() -> None:
    bound = load_metric(None, "citation_recall").with_tools(recall=lambda asked, given: None)  # type: ignore[arg-type]
    with pytest.raises(DataError, match='no "evidence" in "e",'):
        bound.check([example("yes"), example()])


HEATING = passage("heating", "Electric heaters are allowed in sheds from November to March, one of 2 kW at most.")


@pytest.mark.parametrize(
    ("said", "value"),
    [
        ("Heaters are allowed in sheds.", 1),
        ("Two kW at most.", 1),
        ("Three kW at most.", 0),
        ("Heaters are allowed in sheds. Barbecues are forbidden everywhere.", 0.5),
        ("Heaters are allowed in sheds!\nOne of 2 kW at most", 1),
    ],
)
def test_lexical_faithfulness_is_the_share_of_sentences_in_a_passage(said: str, value: float) -> None:
    metric = load_metric(None, "faithfulness")  # type: ignore[arg-type]
    assert metric.method == "lexical" and not metric.is_judged
    assert metric(example("x"), SimpleNamespace(answer=said, passages=[HEATING])).value == value


def test_without_passages_nothing_is_faithful() -> None:
    metric = load_metric(None, "faithfulness")  # type: ignore[arg-type]
    assert metric(example("x"), SimpleNamespace(answer="Five days.", passages=[])).value == 0


# -- settings


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("number(tolernce=1)", 'number has no setting "tolernce", did you mean "tolerance"'),
        ('number(tolerance="much")', 'metric number: tolerance=much: expected a number, found "much"'),
        ("number(1)", r"write its settings as number\(key=value"),
        ("number(tolerance=1", r"write its settings as number\(key=value"),
        ("number(tolerance=f())", r"write its settings as number\(key=value"),
        ('faithfulness(method="guess")', "expected 'auto', 'lexical' or 'judged'"),
        ("exact_match(case=true)", "exact_match has no setting"),
    ],
)
def test_a_setting_that_is_none_is_refused(spec: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        load_metric(None, spec)  # type: ignore[arg-type]


def test_an_own_metric_takes_settings_too(own: Project) -> None:
    assert score("own_metrics:within", "x", "y", project=own) == 0.25
    assert score("own_metrics:within(share=0.75)", "x", "y", project=own) == 0.75
    with pytest.raises(ConfigError, match='within has no setting "shar", did you mean "share"'):
        load_metric(own, "own_metrics:within(shar=1)")
