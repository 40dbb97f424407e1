"""`report.html`: one self-contained page on how an artifact came about. No script, nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ragc.artifact import _figures as figures
from ragc.artifact._content import Question
from ragc.artifact._html import Markup, element, fact, join
from ragc.artifact._manifest import Manifest
from ragc.artifact._questions import still_wrong, won_and_lost

_STYLE = Path(__file__).with_name("report.css")
_WORDS = {"better": "Better", "worse": "Worse", "not shown": "Not shown", "not tested": "Not tested"}


def render(manifest: Manifest, state: Mapping[str, Any], questions: Sequence[Question]) -> str:
    """Return the page. Every text that comes from data or a model is escaped."""
    body = element(
        "main",
        _verdict(manifest),
        _evaluations(manifest),
        _slices(manifest),
        still_wrong(manifest, questions),
        won_and_lost(questions),
        _candidates(manifest),
        _prompts(state),
        _configuration(manifest, state),
    )
    head = join(
        Markup('<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'),
        Markup('<meta name="color-scheme" content="light dark">'),
        Markup(
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        ),
        element("title", f"{manifest.task} {manifest.name}: {manifest.verdict['word']}"),
        element("style", Markup(_STYLE.read_text("utf-8"))),
    )
    return f'<!doctype html>\n<html lang="en"><head>{head}</head><body>{body}</body></html>\n'


def _verdict(manifest: Manifest) -> Markup:
    word = str(manifest.verdict["word"])
    notes = figures.notes(manifest)
    return element(
        "header",
        element("p", element("span", manifest.task), " ", element("code", manifest.name), class_="eyebrow"),
        element("h1", _WORDS.get(word, word), class_=word.replace(" ", "-")),
        element("p", _after_colon(figures.sentence(manifest)), class_="sentence"),
        _interval(manifest.verdict),
        element("p", " ".join(notes), class_="quiet"),
        element(
            "dl",
            fact("Cost", figures.cost(manifest)),
            fact("Model", manifest.identity["model"]["model"]),
            fact("Made", str(manifest.built["time"]).replace("T", " ").replace("+00:00", " UTC")),
            class_="facts",
        ),
    )


def _after_colon(sentence: str) -> str:
    """The heading says the word already."""
    _, colon, rest = sentence.partition(": ")
    return rest[:1].upper() + rest[1:] if colon else sentence


def _interval(verdict: Mapping[str, Any]) -> Markup | None:
    """Draw the difference and its interval on a line with zero in it; None where there is no interval."""
    low: float | None = verdict.get("ci_low")
    high: float | None = verdict.get("ci_high")
    middle: float | None = verdict.get("difference")
    if low is None or high is None or middle is None:
        return None
    reach = max(abs(low), abs(high), 0.01) * 1.15
    width, height, line = 640, 74, 30

    def x(value: float) -> float:
        return round(width / 2 * (1 + value / reach), 1)

    figure, ends = figures.write(middle, "gain"), [figures.write(value, "gain") for value in (low, high)]
    label = f"Difference {figure} points, 95% interval {ends[0]} to {ends[1]}"
    marks = [
        element("line", x1=0, y1=line, x2=width, y2=line, class_="axis"),
        element("line", x1=x(0), y1=line - 20, x2=x(0), y2=line + 20, class_="zero"),
        element("line", x1=x(low), y1=line, x2=x(high), y2=line, class_="range"),
        element("circle", cx=x(middle), cy=line, r=8, class_="middle"),
        element("text", "0", x=x(0), y=height - 8, text_anchor="middle"),
        *(
            element("text", figures.write(value, "gain"), x=x(value), y=height - 8, text_anchor="middle")
            for value in (low, high)
            if abs(x(value) - x(0)) > 40
        ),
    ]
    return element("figure", element("svg", *marks, viewBox=f"0 0 {width} {height}", role="img", aria_label=label))


def _evaluations(manifest: Manifest) -> Markup:
    parts = [
        element("div", _table((split, "baseline", "compiled"), rows)) for split, rows in figures.evaluations(manifest)
    ]
    gain = manifest.results.get("detectable_gain")
    power = f"This test could show a gain of {100 * gain:.0f} points with 80% power. " if gain is not None else ""
    return element(
        "section",
        element("h2", "Figures"),
        element("div", *parts, class_="columns") if parts else element("p", "Nothing was measured."),
        element(
            "p",
            f"{power}Scores are 0 to 100. Errors are counted and never scored. Latency is the model's.",
            class_="quiet",
        ),
    )


def _slices(manifest: Manifest) -> Markup | None:
    slices = figures.slices(manifest)
    rows = [
        (
            part.name,
            part.n,
            _bars(part.baseline, part.compiled),
            figures.write(part.baseline, "points"),
            figures.write(part.compiled, "points"),
        )
        for part in slices
    ]
    head = ("slice", "questions", "", "baseline", "compiled")
    return element("section", element("h2", "By slice, on test"), _table(head, rows, class_="slices")) if rows else None


def _bars(baseline: float | None, compiled: float | None) -> Markup:
    """Two bars, one above the other, 0 to 100."""
    bars = [
        element("rect", x=0, y=y, width=round(100 * (score or 0), 1), height=5, rx=1, class_=kind)
        for y, score, kind in ((1, baseline, "before"), (8, compiled, "after"))
    ]
    return element("svg", *bars, viewBox="0 0 100 14", preserveAspectRatio="none", aria_hidden="true", class_="bars")


def _candidates(manifest: Manifest) -> Markup | None:
    candidates = manifest.candidates
    if not candidates:
        return None
    best = max((one["score"] for one in candidates if one["eligible"] and one["score"] is not None), default=None)
    baseline = (manifest.results.get("validation") or {}).get("baseline") or {}
    compared = [{**baseline, "settings": manifest.results.get("baseline_settings")}, *candidates]
    varied = _varied([one["settings"] for one in compared if one.get("settings")])
    labels = [
        "baseline",
        *(
            element("strong", one["label"]) if one["eligible"] and one["score"] == best else one["label"]
            for one in candidates
        ),
    ]
    rows = [
        (
            label,
            *(figures.NONE if (value := (one.get("settings") or {}).get(key)) is None else value for key in varied),
            figures.write(one.get("score"), "points"),
            figures.write(one.get("n"), "count"),
            figures.write(one.get("errors"), "count"),
            figures.write(one.get("usd_per_question"), "usd"),
            figures.write(one.get("latency_p95"), "seconds"),
        )
        for label, one in zip(labels, compared, strict=True)
    ]
    out = [
        f"{one['label']}: over the limits ({one['why_not'] or 'not eligible'})"
        for one in candidates
        if not one["eligible"]
    ]
    head = ("candidate", *varied, "score", "questions", "errors", "USD a question", "latency p95")
    return element(
        "section",
        element("h2", "Candidates, on validation"),
        _table(head, rows),
        [element("p", line, class_="quiet") for line in out],
    )


def _varied(settings: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the keys whose values are not the same everywhere, in the order of their coming."""
    keys = dict.fromkeys(key for one in settings for key in one)
    return [key for key in keys if any(one.get(key) != settings[0].get(key) for one in settings)]


def _prompts(state: Mapping[str, Any]) -> Markup | None:
    parts = [
        element(
            "details",
            element("summary", f"{prompt.name}: instructions and {figures.demonstrations(prompt)}"),
            element("pre", prompt.instructions),
            [
                element("dl", [fact(name, str(value)) for name, value in demonstration.items()], class_="demonstration")
                for demonstration in prompt.demonstrations
            ],
        )
        for prompt in figures.prompts(state)
    ]
    return element("section", element("h2", "What the model is told"), parts) if parts else None


def _configuration(manifest: Manifest, state: Mapping[str, Any]) -> Markup:
    facts = [fact(name, value) for name, value in figures.about(manifest, state)]
    return element(
        "section",
        element("h2", "Configuration"),
        element("dl", facts, fact("id", manifest.id), class_="configuration"),
        element("pre", f'from compiled import {manifest.task}\n\n{manifest.task}(question="…").answer'),
    )


def _table(head: Sequence[object], rows: Sequence[Sequence[object]], class_: str | None = None) -> Markup:
    table = element(
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
    return element("div", table, class_="scroll")
