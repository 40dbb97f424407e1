"""What evaluations hold, as a report shows it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from ragc.data import Corpus, Evidence, Example, doubt_labels
from ragc.evaluation import Evaluation, Outcome, failure_modes
from ragc.report._study import Answer, Question, Source


def questions_of(
    examples: Sequence[Example], evaluations: Mapping[str, Evaluation], corpus: Corpus
) -> tuple[Question, ...]:
    """Return the questions with each arm's answer and why it is not right; `evaluations` by the arm's name."""
    doubts = {one.example.id: one.reason for one in doubt_labels(examples, corpus).unsupported}
    modes = failure_modes(examples, evaluations, corpus, doubts)
    outcomes = {name: {one.example: one for one in each.outcomes} for name, each in evaluations.items()}
    return tuple(
        Question(
            id=example.id,
            question=example.question,
            answers=example.answers,
            slice=example.slice,
            evidence=tuple(map(_told, example.evidence)),
            doubt=doubts.get(example.id),
            given={
                name: _answer(one[example.id], modes[name].get(example.id))
                for name, one in outcomes.items()
                if example.id in one
            },
        )
        for example in examples
    )


def sources_of(evaluations: Iterable[Evaluation]) -> tuple[Source, ...]:
    """Return every passage that was given, once, in the order of documents and where it stands in them."""
    given = {passage.id: passage for each in evaluations for outcome in each.outcomes for passage in outcome.given}
    ordered = sorted(given.values(), key=lambda one: (one.document, one.start))
    return tuple(
        Source(id=one.id, place=", ".join(filter(None, (f"{one.document}: {one.source}", one.place))), text=one.text)
        for one in ordered
    )


def modes_of(questions: Iterable[Question], arm: str) -> dict[str, int]:
    """Return how many questions an arm fails in which way, the most frequent first."""
    answers = [one.given[arm] for one in questions if arm in one.given]
    return dict(Counter(one.mode for one in answers if one.mode is not None).most_common())


def _answer(outcome: Outcome, mode: str | None) -> Answer:
    return Answer(
        text=outcome.answer,
        score=outcome.score,
        mode=mode,
        recall=outcome.recall,
        passages=outcome.passages,
        citations=outcome.citations,
        error=outcome.error,
    )


def _told(evidence: Evidence) -> str:
    page = "" if evidence.page is None else f", page {evidence.page}"
    quote = "" if evidence.quote is None else f": “{evidence.quote}”"
    return f"{evidence.document}{page}{quote}"
