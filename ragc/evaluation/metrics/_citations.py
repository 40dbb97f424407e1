"""`citation_precision` and `citation_recall`: what an answer cites, against the evidence that its label names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ragc.errors import ConfigError, DataError
from ragc.evaluation.metrics._score import Score, answered

if TYPE_CHECKING:
    from ragc.data import Example
    from ragc.evaluation._recall import Recall
    from ragc.evaluation.metrics._measure import Tools


def citation_precision(example: Example, prediction: Any, tools: Tools) -> Score:
    """The share of the cited passages that overlap the label's evidence; 0 without a citation.

    Evidence is what `recall_of` takes for it: what the label names, and where it names none, wherever an accepted
    answer stands. Against labels, unlike the entailment of ALCE (Gao et al. 2023), which a model has to judge.
    """
    _, settled = answered(example, prediction)
    if settled is not None:
        return settled
    recall, cited = _recall(tools), _cited(prediction)
    if not cited:
        return Score(0.0, "Nothing is cited.")
    wrong = [passage for passage in cited if not recall(example, [passage])]
    value = 1 - len(wrong) / len(cited)
    return Score(value, f"Cited without need: {_places(wrong)}" if wrong else None)


def citation_recall(example: Example, prediction: Any, tools: Tools) -> Score:
    """The share of the label's evidence that a cited passage overlaps. See `citation_precision`."""
    _, settled = answered(example, prediction)
    if settled is not None:
        return settled
    value = _recall(tools)(example, _cited(prediction)) or 0.0
    return Score(value, None if value == 1 else f"Evidence not cited: {_evidence(example)}")


def check_evidence(examples: Sequence[Example], recall: Recall) -> None:
    """Raises DataError, in one line, where it cannot be told what ought to be cited."""
    lost = [one.named for one in examples if one.answerable and recall(one, ()) is None]
    if lost:
        more = f" and {len(lost) - 3} more" if len(lost) > 3 else ""
        raise DataError(
            f'citations cannot be scored: no "evidence" in {", ".join(lost[:3])}{more}, and no accepted answer stands '
            "in the corpus; name the evidence of each answerable question"
        )


def _recall(tools: Tools) -> Recall:
    if tools.recall is None:
        raise ConfigError("citation metrics need a corpus: evaluate a task, or bind the metric with `recall_of`")
    return tools.recall


def _cited(prediction: Any) -> list[Any]:
    """The passages that a prediction cites, among those it was given."""
    ids = set(getattr(prediction, "citations", None) or ())
    return [passage for passage in getattr(prediction, "passages", None) or () if passage.id in ids]


def _places(passages: Sequence[Any]) -> str:
    return ", ".join(dict.fromkeys(f"{passage.document}: {passage.source}" for passage in passages))


def _evidence(example: Example) -> str:
    named = [one.quote or one.document for one in example.evidence]
    return " | ".join(named or example.answers)
