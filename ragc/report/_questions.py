"""The questions on the page, with what each arm answered and from what; and the passages."""

from __future__ import annotations

from collections.abc import Sequence

from ragc.report._html import Markup, element, fact
from ragc.report._study import Answer, Question, Source, Study
from ragc.report._write import write

MOST = 2_000
"""Questions on a page; those with something wrong come first."""
OUTCOMES = ("won", "lost", "same", "error")
"""The subject against the baseline."""


def questions(study: Study) -> Markup | None:
    """Every question, folded, those that the subject loses or gets wrong first; with a form to search them."""
    if not study.questions:
        return None
    order = sorted(study.questions, key=lambda one: (OUTCOMES.index(_outcome(study, one)) != 1, _score(study, one)))
    shown = order[:MOST]
    counts = {name: sum(_outcome(study, one) == name for one in study.questions) for name in OUTCOMES}
    told = ", ".join(f"{number} {_WORDS[name]}" for name, number in counts.items())
    places = {source.id: source.place for source in study.sources}
    left = len(order) - len(shown)
    return element(
        "section",
        element("h2", "Questions, on test"),
        element("p", f"{study.subject} against {study.baseline}: {told}.", class_="quiet")
        if study.subject != study.baseline
        else None,
        _form(study, shown),
        [_question(study, one, places) for one in shown],
        element("p", f"and {left:,} more, which the subject answers right", class_="quiet") if left else None,
        id="questions",
    )


_WORDS = {"won": "won", "lost": "lost", "same": "the same", "error": "with an error"}


def passages(sources: Sequence[Source]) -> Markup | None:
    """Every passage that was given to an arm, once, where the answers' links lead."""
    if not sources:
        return None
    return element(
        "section",
        element("h2", "Passages"),
        element(
            "details",
            element("summary", f"The {len(sources)} passages that were given, in full"),
            [
                element(
                    "article",
                    element("h3", source.place),
                    element("p", source.text, class_="passage"),
                    id=f"passage-{source.id}",
                )
                for source in sources
            ],
            id="passages",
        ),
    )


def _form(study: Study, shown: Sequence[Question]) -> Markup:
    """The search and the filters; the page's script shows them, since nothing but it can serve them."""
    slices = sorted({one.slice for one in shown if one.slice})
    modes = sorted({answer.mode for one in shown for answer in one.given.values() if answer.mode})
    return element(
        "form",
        element("label", "Search ", element("input", type="search", name="text", autocomplete="off")),
        _choice("outcome", "Outcome", [name for name in OUTCOMES if any(_outcome(study, one) == name for one in shown)])
        if study.subject != study.baseline
        else None,
        _choice("slice", "Slice", slices) if slices else None,
        _choice("mode", "Why wrong", modes) if modes else None,
        element("p", "", aria_live="polite", class_="quiet count"),
        hidden="hidden",
        class_="filter",
        role="search",
        aria_label="Questions",
    )


def _choice(name: str, label: str, values: Sequence[str]) -> Markup:
    options = [element("option", "all", value="")] + [element("option", value, value=value) for value in values]
    return element("label", f"{label} ", element("select", *options, name=name))


def _outcome(study: Study, question: Question) -> str:
    """`won`, `lost`, `same` or `error`: the subject against the baseline."""
    mine, other = question.given.get(study.subject), question.given.get(study.baseline)
    if mine is None or other is None or mine.score is None or other.score is None:
        return "error"
    return "won" if mine.score > other.score else "lost" if mine.score < other.score else "same"


def _score(study: Study, question: Question) -> float:
    answer = question.given.get(study.subject)
    return -1.0 if answer is None or answer.score is None else answer.score


def _question(study: Study, one: Question, places: dict[str, str]) -> Markup:
    subject = one.given.get(study.subject)
    mode = subject.mode if subject is not None else None
    points = write(None if subject is None else subject.score, "points")
    modes = sorted({answer.mode for answer in one.given.values() if answer.mode})
    return element(
        "details",
        element(
            "summary",
            element("span", one.question, class_="asked"),
            element("span", f"{points}{f', {mode}' if mode else ''}", class_="quiet"),
        ),
        element(
            "dl",
            fact("expected", " | ".join(one.answers) or "nothing: the documents do not say"),
            fact("evidence", "; ".join(one.evidence)) if one.evidence else None,
            [_answer(name, one.given[name], places) for name in _order(study, one)],
            fact("label", one.doubt) if one.doubt is not None else None,
            fact("id", element("code", one.id), one.slice),
        ),
        class_="question",
        data_outcome=_outcome(study, one),
        data_slice=one.slice or "",
        data_modes="|".join(modes),
    )


def _order(study: Study, one: Question) -> list[str]:
    return [arm.name for arm in study.arms if arm.name in one.given]


def _answer(name: str, answer: Answer, places: dict[str, str]) -> Markup:
    said = answer.text if answer.text is not None else f"error: {answer.error or 'no answer'}"
    note = ", ".join(filter(None, (write(answer.score, "points"), answer.mode)))
    given = [
        element(
            "li",
            element("a", places.get(id_, id_), href=f"#passage-{id_}"),
            " supports the answer" if id_ in answer.citations else None,
        )
        for id_ in answer.passages
    ]
    recall = "" if answer.recall is None else f", {write(answer.recall, 'percent')} of the evidence"
    passages = (
        element("details", element("summary", f"{len(given)} passages{recall}"), element("ol", given), class_="given")
        if given
        else None
    )
    return element("div", element("dt", name), element("dd", said, element("b", note), passages))
