"""The test questions on the page: what is still wrong and why, and what was won and lost against the baseline."""

from __future__ import annotations

from collections.abc import Sequence

from ragc.artifact import _figures as figures
from ragc.artifact._content import Question
from ragc.artifact._html import Markup, element, fact
from ragc.artifact._manifest import Manifest

_SHOWN = 200
"""Questions won, and lost, that the page lists at most. What is still wrong is listed whole."""
_FAULTS = {
    "retrieval": "Retrieval: evidence was not among the passages",
    "model": "Model: it was given the evidence",
    "unanswerable": "Answered what the corpus does not know",
    "label": "Label in doubt: the documents no longer hold what it accepts",
    "unknown": "Either may be at fault: whether the evidence was retrieved cannot be told",
    "error": "Errors",
}
"""What may be at fault for a wrong answer, in the order of the page."""


def still_wrong(manifest: Manifest, questions: Sequence[Question]) -> Markup | None:
    """Every question that the sealed program does not answer fully right, by what is at fault."""
    if not questions:
        return None
    side = figures.sealed_side(manifest)
    found: dict[str, list[Question]] = {}
    for question in questions:
        if (fault := _fault(question, _score(question, side))) is not None:
            found.setdefault(fault, []).append(question)
    wrong = sum(map(len, found.values()))
    doubted = len(found.get("label", ()))
    verb = "has a label" if doubted == 1 else "have labels"
    apart = f"; {doubted} of them {verb} that the documents no longer support, and the program is not at fault"
    return element(
        "section",
        element("h2", "Still wrong, on test"),
        element(
            "p",
            f"The sealed program answers {wrong} of {len(questions)} questions below 100 points"
            f"{apart if doubted else ''}. "
            "Where evidence was not among the passages, retrieval is at fault: its settings, the chunks or the "
            "documents. Where it was, the model is, or what it is told, or the label. Evidence is what the label "
            "names, and where it names none, a passage in which an accepted answer stands.",
            class_="quiet",
        ),
        [
            _list(title, [_failed(one, side) for one in sorted(found[fault], key=lambda one: _score(one, side) or 0)])
            for fault, title in _FAULTS.items()
            if fault in found
        ],
    )


def _fault(question: Question, score: float | None) -> str | None:
    """Return what is at fault where the score is below 1, a key of `_FAULTS`; None where it is not."""
    if score is None:
        return "error"
    if score >= 1:
        return None
    if question.doubt is not None:
        return "label"
    if not question.answers:
        return "unanswerable"
    if question.recall is None:
        return "unknown"
    return "model" if question.recall >= 1 else "retrieval"


def _score(question: Question, side: str) -> float | None:
    return question.compiled_score if side == "compiled" else question.baseline_score


def _failed(question: Question, side: str) -> Markup:
    """One question with the answer of the sealed program and what it was given."""
    answer = question.compiled if side == "compiled" else question.baseline
    sources = [element("li", source) for source in question.sources]
    recall = None if question.recall is None else f"{figures.write(question.recall, 'percent')} of the evidence"
    return _article(
        question,
        fact("answered", _said(answer, question.error), _points(_score(question, side))),
        fact("given", element("ol", sources), recall) if sources else Markup(),
        fact("label", question.doubt) if question.doubt is not None else Markup(),
    )


def won_and_lost(questions: Sequence[Question]) -> Markup | None:
    """Every question that one program answers better than the other, or that ended in an error."""
    scored = [q for q in questions if q.baseline_score is not None and q.compiled_score is not None]
    won = [q for q in scored if _gain(q) > 0]
    lost = [q for q in scored if _gain(q) < 0]
    failed = [q for q in questions if q.baseline_score is None or q.compiled_score is None]
    if not questions:
        return None
    same = len(scored) - len(won) - len(lost)
    return element(
        "section",
        element("h2", "Won and lost, on test"),
        element(
            "p", f"{len(won)} won, {len(lost)} lost, {same} the same, {len(failed)} with an error.", class_="quiet"
        ),
        _list("Won", _pairs(sorted(won, key=_gain, reverse=True)), _SHOWN),
        _list("Lost", _pairs(sorted(lost, key=_gain)), _SHOWN),
        _list("Errors", _pairs(failed), _SHOWN),
    )


def _gain(question: Question) -> float:
    return (question.compiled_score or 0) - (question.baseline_score or 0)


def _list(title: str, articles: Sequence[Markup], shown: int | None = None) -> Markup | None:
    """Fold articles away under their title and number; `shown` of them at most."""
    if not articles:
        return None
    more = 0 if shown is None else len(articles) - shown
    return element(
        "details",
        element("summary", f"{title} ({len(articles)})"),
        list(articles[:shown]),
        element("p", f"and {more} more", class_="quiet") if more > 0 else None,
    )


def _pairs(questions: Sequence[Question]) -> list[Markup]:
    """Questions with the answers of both programs."""
    return [
        _article(
            one,
            fact("baseline", _said(one.baseline), _points(one.baseline_score)),
            fact("compiled", _said(one.compiled), _points(one.compiled_score)),
        )
        for one in questions
    ]


def _article(question: Question, *facts: Markup) -> Markup:
    """One question: what was asked, what was expected, and `facts`."""
    expected = " | ".join(question.answers) or "not in the corpus: should say so"
    return element(
        "article",
        element("h3", question.question),
        element("p", element("code", question.id), f" {question.slice}" if question.slice else None, class_="quiet"),
        element("dl", fact("expected", expected), facts),
    )


def _said(answer: str | None, error: str | None = None) -> str:
    return error or "error" if answer is None else answer or "nothing"


def _points(score: float | None) -> str | None:
    return None if score is None else figures.write(score, "points")
