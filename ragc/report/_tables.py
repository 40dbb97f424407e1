"""The page's tables: differences, figures, slices, what went wrong, what the search tried."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from ragc.evaluation import RIGHT, Crossed, Outcome, crossed
from ragc.report import _charts as charts
from ragc.report._columns import COLUMNS
from ragc.report._html import Markup, element
from ragc.report._study import Study
from ragc.report._views import modes_of
from ragc.report._write import NONE, write


def differences(study: Study) -> Markup | None:
    """The forest plot: a row an arm, its difference to the baseline with the 95% interval around it."""
    compared = [(arm, arm.difference) for arm in study.arms if arm.difference is not None]
    if not any(one.difference is not None for _, one in compared):
        return None
    reach = charts.reach_of([one for _, one in compared])
    rows = [
        (
            arm.name,
            charts.forest_row(one, reach),
            write(one.difference, "gain"),
            f"{write(one.ci_low, 'gain')} to {write(one.ci_high, 'gain')}" if one.ci_low is not None else NONE,
            write(one.p_value, "p"),
            one.verdict,
        )
        for arm, one in compared
    ]
    head = ("arm", "", "points", "95% interval", "p", "verdict")
    power = ""
    if study.detectable_gain is not None:
        power = f" This test could show a gain of {100 * study.detectable_gain:.0f} points with 80% power."
    return element(
        "section",
        element("h2", f"Difference to {study.baseline}, on test"),
        table(head, rows, class_="differences"),
        element("p", f"The line in the middle is no difference; the bar is the 95% interval.{power}", class_="quiet"),
    )


def quality_and_cost(study: Study) -> Markup | None:
    """Score against what a question costs, or against its input tokens where nothing has a price."""
    arms = [(number, arm) for number, arm in enumerate(study.arms, 1) if arm.figures.get("score") is not None]
    if len(arms) < 2:
        return None
    priced = all(arm.figures.get("usd_per_question") for _, arm in arms)
    key, unit = ("usd_per_question", "USD a question") if priced else _TOKENS
    costs = [arm.figures.get(key) for _, arm in arms]
    if any(cost is None for cost in costs) or not any(costs):
        return None
    points = [
        charts.Point(number, arm.name, float(arm.figures[key]), float(arm.figures["score"])) for number, arm in arms
    ]
    named = ", ".join(f"{one.number} {one.name}" for one in points)
    return element(
        "section",
        element("h2", "Quality against cost"),
        charts.scatter(points, unit),
        element("p", f"{named}. Joined: no other is both better and cheaper.", class_="quiet"),
    )


_BESIDE = 2
"""Arms with which two tables of figures stand side by side."""
_TOKENS = ("input_tokens_per_question", "input tokens a question")


def figures(study: Study) -> Markup:
    """Every figure of every arm; and on validation where a search used it."""
    parts = [_figures("test", study, [arm.figures for arm in study.arms])]
    if any(arm.validation for arm in study.arms):
        parts.append(_figures("validation", study, [arm.validation or {} for arm in study.arms]))
    shown = [element("div", part) for part in parts if part is not None]
    notes = [element("p", f"{arm.name}: {arm.note}", class_="quiet") for arm in study.arms if arm.note]
    return element(
        "section",
        element("h2", "Figures"),
        element("div", *shown, class_="columns" if len(study.arms) <= _BESIDE else None)
        if shown
        else element("p", "Nothing was measured."),
        notes,
        element(
            "p", "Scores are 0 to 100. Errors are counted and never scored. Latency is the model's.", class_="quiet"
        ),
    )


def _figures(split: str, study: Study, measured: Sequence[Mapping[str, Any]]) -> Markup | None:
    rows = [
        (
            study.metric if column.key == "score" else column.name,
            *(write(one.get(column.key), column.kind) for one in measured),
        )
        for column in COLUMNS
        if any(one.get(column.key) is not None for one in measured)
    ]
    if any(one.get("ci_low") is not None for one in measured):
        rows.insert(1, ("its 95% interval", *map(_interval, measured)))
    return table((split, *(arm.name for arm in study.arms)), rows) if rows else None


def _interval(one: Mapping[str, Any]) -> str:
    low, high = (write(one.get(end), "points") for end in ("ci_low", "ci_high"))
    return NONE if low == NONE else f"{low} to {high}"


def slices(study: Study) -> Markup | None:
    """The scores by slice: with bars for the baseline and the subject, figures for all arms."""
    found = {arm.name: arm.figures.get("slices") or {} for arm in study.arms}
    names = list(dict.fromkeys(name for parts in found.values() for name in parts))
    if not names:
        return None

    def score(arm: str, name: str) -> float | None:
        value: float | None = (found.get(arm, {}).get(name) or {}).get("score")
        return value

    rows = [
        (
            name,
            max((parts.get(name) or {}).get("n") or 0 for parts in found.values()),
            charts.bars(score(study.baseline, name), score(study.subject, name)),
            *(write(score(arm.name, name), "points") for arm in study.arms),
        )
        for name in names
    ]
    head = ("slice", "questions", "", *(arm.name for arm in study.arms))
    return element("section", element("h2", "By slice, on test"), table(head, rows, class_="slices"))


def retrieval_and_answer(study: Study) -> Markup | None:
    """For each arm: evidence found or missed, crossed with right or wrong."""
    parts = []
    for arm in study.arms:
        cells = crossed(
            Outcome(one.id, answer.score, recall=answer.recall, answerable=bool(one.answers))
            for one in study.questions
            if (answer := one.given.get(arm.name)) is not None
        )
        if cells == Crossed():
            continue
        rows = [
            ("evidence found", cells.found_right, cells.found_wrong),
            ("evidence missed", cells.missed_right, cells.missed_wrong),
        ]
        parts.append(element("div", table((arm.name, "right", "wrong"), rows)))
    if not parts:
        return None
    return element(
        "section",
        element("h2", "Retrieval and answer"),
        element("div", parts, class_="columns"),
        element(
            "p",
            f"Right is a score of {100 * RIGHT:.0f} or more. Found and wrong is the model's part, or the prompt's; "
            "missed is retrieval's. Unanswerable questions, errors, and those whose evidence is unknown are left out.",
            class_="quiet",
        ),
    )


def modes(study: Study) -> Markup | None:
    """How often each arm fails in which way."""
    counts = {arm.name: Counter(modes_of(study.questions, arm.name)) for arm in study.arms}
    named = Counter(mode for counted in counts.values() for mode in counted.elements())
    if not named:
        return None
    subject = counts.get(study.subject, Counter())
    order = sorted(named, key=lambda mode: (-subject[mode], mode))
    most = max(subject.values(), default=0) or 1
    rows = [
        (mode, charts.share(subject[mode] / most), *(counts[arm.name][mode] for arm in study.arms)) for mode in order
    ]
    return element(
        "section",
        element("h2", "What went wrong"),
        table(("why", "", *(arm.name for arm in study.arms)), rows, class_="slices modes"),
        element(
            "details",
            element("summary", "What the names mean"),
            element(
                "dl",
                [
                    element("div", element("dt", mode), element("dd", _MEANINGS[mode]))
                    for mode in order
                    if mode in _MEANINGS
                ],
            ),
        ),
    )


_MEANINGS = {
    "retrieval miss": "Evidence was not among the passages: retrieval's settings, the chunks or the documents.",
    "conflict picked wrongly": "The answer stands in a passage that is no evidence, though evidence was there.",
    "parroting": "A long stretch of a passage is repeated, or the question.",
    "unsupported": "The answer stands in no passage that was given.",
    "no passages": "The program was given no passages: it answers from what the model has learnt.",
    "misread": "The answer stands in the evidence, and is not what was asked for.",
    "refused wrongly": "The evidence was there, and the program said that it does not know.",
    "answered the unanswerable": "The documents do not say, and the program should have said so.",
    "partly right": "A score of 50 or more, below 100.",
    "over the context": "The prompt did not fit, or passages were left out for the budget and evidence is missing.",
    "label in doubt": "The documents no longer hold what the label accepts; the program is not at fault.",
    "error": "The program gave no answer: counted, never scored.",
}


def search(study: Study) -> Markup | None:
    """What the search tried: its course, and the settings and figures of each candidate."""
    if len(study.search) < 2:
        return None
    tried = study.search
    best = max((one.score for one in tried[1:] if one.eligible and one.score is not None), default=None)
    varied = _varied([one.settings for one in tried if one.settings])
    rows = [
        (
            element("strong", one.label) if number and one.eligible and one.score == best else one.label,
            *(NONE if (value := one.settings.get(key)) is None else value for key in varied),
            write(one.score, "points"),
            write(one.n, "count"),
            write(one.errors, "count"),
            write(one.usd_per_question, "usd"),
            write(one.latency_p95, "seconds"),
        )
        for number, one in enumerate(tried)
    ]
    head = ("candidate", *varied, "score", "questions", "errors", "USD a question", "latency p95")
    out = [
        element("p", f"{one.label}: {one.why_not or 'not eligible'}", class_="quiet")
        for one in tried
        if not one.eligible
    ]
    drawn = charts.course([(one.label, one.score, one.eligible) for one in tried if one.score is not None])
    return element("section", element("h2", "The search, on validation"), drawn, table(head, rows), out)


def _varied(settings: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the keys whose values are not the same everywhere, in the order of their coming."""
    keys = dict.fromkeys(key for one in settings for key in one)
    return [key for key in keys if any(one.get(key) != settings[0].get(key) for one in settings)]


def table(head: Sequence[object], rows: Sequence[Sequence[object]], class_: str | None = None) -> Markup:
    """A table whose first row and column are headings; it scrolls by itself where it is too wide."""
    made = element(
        "table",
        element("thead", element("tr", [element("th", cell, scope="col") for cell in head])),
        element(
            "tbody",
            [
                element("tr", element("th", cells[0], scope="row"), [element("td", cell) for cell in cells[1:]])
                for cells in rows
            ],
        ),
        class_=class_,
    )
    return element("div", made, class_="scroll", tabindex=0, role="region", aria_label=str(head[0]))
