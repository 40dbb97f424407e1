"""Why an answer is not right, by name, and retrieval crossed with the answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from ragc._text import tokens
from ragc.data import Corpus, Example, Span, gold_spans
from ragc.evaluation._evaluation import Evaluation, Outcome
from ragc.retrieval import cite

Mode = Literal[
    "retrieval miss",
    "conflict picked wrongly",
    "parroting",
    "unsupported",
    "no passages",
    "misread",
    "refused wrongly",
    "answered the unanswerable",
    "partly right",
    "over the context",
    "label in doubt",
    "error",
]
"""What is named first is what a person can do most about."""
MODES: tuple[Mode, ...] = get_args(Mode)

RIGHT = 0.5
"""The score from which an answer counts as right, where right and wrong are counted."""
_PARROTED = 12
"""Words of an answer below which repeating a passage is just answering from it."""
_LONGER = 3
"""How many times as long as the longest accepted answer a repeated passage is."""


@dataclass(frozen=True)
class Crossed:
    """Questions by whether their evidence was retrieved and whether they were answered right (`RIGHT`).

    Left out: the unanswerable, errors, and those of which it cannot be told whether the evidence was retrieved.
    """

    found_right: int = 0
    found_wrong: int = 0
    missed_right: int = 0
    missed_wrong: int = 0


def crossed(outcomes: Iterable[Outcome]) -> Crossed:
    """Count the outcomes; evidence that was retrieved in part is missed."""
    cells = Counter(
        ("found" if one.recall >= 1 else "missed", "right" if one.score >= RIGHT else "wrong")
        for one in outcomes
        if one.answerable and one.score is not None and one.recall is not None
    )
    return Crossed(**{f"{found}_{right}": number for (found, right), number in cells.items()})


def failure_modes(
    examples: Sequence[Example], evaluations: Mapping[str, Evaluation], corpus: Corpus, doubted: Container[str] = ()
) -> dict[str, dict[str, Mode]]:
    """Return, by evaluation and example id, why an answer is not fully right; those that are stand in none.

    `evaluations` are of these `examples`, by any name; their evidence is looked up in `corpus` once. `doubted` are the
    ids of examples whose labels the documents no longer support (`doubt_labels`).
    """
    gold = {example.id: gold_spans(example, corpus) for example in examples}
    by_id = {example.id: example for example in examples}
    found: dict[str, dict[str, Mode]] = {}
    for name, evaluation in evaluations.items():
        found[name] = {}
        for outcome in evaluation.outcomes:
            example = by_id[outcome.example]
            mode = failure_mode(example, outcome, gold[example.id], doubted=example.id in doubted)
            if mode is not None:
                found[name][example.id] = mode
    return found


def failure_mode(example: Example, outcome: Outcome, gold: Sequence[Span], *, doubted: bool = False) -> Mode | None:
    """Return why `outcome` is not fully right, the first that holds; None where it is.

    `gold` is the example's evidence (`gold_spans`), `doubted` whether the documents no longer hold what its label
    accepts.

    over the context           the prompt did not fit, or passages were left out for the budget and evidence is missing
    error                      anything else that kept the program from answering
    label in doubt             see `doubted`
    answered the unanswerable  the corpus does not know, and the program did not say so
    partly right               a score of at least `RIGHT`
    retrieval miss             evidence is not among the passages
    refused wrongly            it is, and the program abstained
    parroting                  the answer is a long stretch of a passage, or the question again
    conflict picked wrongly    the answer stands in a passage that is no evidence, though evidence was there
    no passages                the program was given none
    unsupported                the answer stands in none of its passages
    misread                    it stands in the evidence, and is not what was asked for
    """
    if outcome.score is None:
        return "over the context" if outcome.over_context else "error"
    if outcome.score >= 1:
        return None
    if doubted:
        return "label in doubt"
    if not example.answerable:
        return "answered the unanswerable"
    if outcome.score >= RIGHT:
        return "partly right"
    if outcome.recall is not None and outcome.recall < 1:
        return "over the context" if outcome.dropped else "retrieval miss"
    if outcome.abstained:
        return "refused wrongly"
    return _misanswered(example, outcome, gold)


def _misanswered(example: Example, outcome: Outcome, gold: Sequence[Span]) -> Mode:
    """Why an answer is wrong that was given with the evidence at hand."""
    if _is_parroted(example, outcome):
        return "parroting"
    if not outcome.given:
        return "no passages"
    support = set(cite(outcome.answer or "", outcome.given))
    if not support:
        return "unsupported"
    evidence = {one.id for one in outcome.given if any(s.overlaps(one.document, one.start, one.end) for s in gold)}
    return "conflict picked wrongly" if evidence and not support & evidence else "misread"


def _is_parroted(example: Example, outcome: Outcome) -> bool:
    said = tokens(outcome.answer or "")
    if said and said == tokens(example.question):
        return True
    longest = max((len(tokens(answer)) for answer in example.answers), default=0)
    if len(said) < max(_PARROTED, _LONGER * longest):
        return False
    phrase = f" {' '.join(said)} "
    return any(phrase in f" {' '.join(tokens(passage.text))} " for passage in outcome.given)
