"""What the report of an artifact is about: the program before compiling and the one after it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ragc.artifact import _figures as figures
from ragc.artifact._content import Content
from ragc.artifact._manifest import Manifest
from ragc.report import Arm, Difference, Step, Study, Tried

ARMS = ("baseline", "compiled")


def study_of(manifest: Manifest, content: Content) -> Study:
    """Return the study of a compile run, whose artifact this is."""
    verdict = manifest.verdict
    difference = Difference(
        verdict=str(verdict["word"]),
        sentence=figures.sentence(manifest),
        **{key: verdict.get(key) for key in ("difference", "ci_low", "ci_high", "p_value")},
    )
    return Study(
        task=manifest.task,
        name=manifest.name,
        metric=figures.metric(manifest),
        word=str(verdict["word"]),
        sentence=figures.sentence(manifest),
        baseline=ARMS[0],
        subject=figures.sealed_side(manifest),
        notes=tuple(figures.notes(manifest)),
        facts=(
            ("Cost", figures.cost(manifest)),
            ("Model", str(manifest.identity["model"]["model"])),
            ("Made", str(manifest.built["time"]).replace("T", " ").replace("+00:00", " UTC")),
        ),
        first=(_first(manifest),),
        arms=tuple(_arm(manifest, name, difference if name == ARMS[1] else None) for name in ARMS),
        detectable_gain=manifest.results.get("detectable_gain"),
        questions=content.questions,
        sources=content.passages,
        search=tuple(_search(manifest)),
        prompts=tuple(figures.prompts(content.state)),
        configuration=(*figures.about(manifest, content.state), ("id", manifest.id)),
        commands=(
            f"from compiled import {manifest.task}",
            f'{manifest.task}(question="…").answer',
            "",
            f"ragc verify {manifest.task} --replay   # makes it again from the journal, and compares",
        ),
    )


def _first(manifest: Manifest) -> Step:
    """What to do with the artifact itself."""
    word, task = manifest.verdict["word"], manifest.task
    if word == "better":
        return Step(
            who="Whoever deploys it", what=f"put it to use, `from compiled import {task}`: proven on unseen questions"
        )
    if word == "worse":
        return Step(who="Whoever decides", what="stay with the program as it was; that is what was sealed")
    if word == "not tested":
        return Step(who="Whoever runs it", what=f"`ragc compile {task}` again, with the budget to finish the test")
    gain = manifest.results.get("detectable_gain")
    shown = (
        ""
        if gain is None
        else f": this test shows gains of {100 * gain:.0f} points and more, more questions smaller ones"
    )
    return Step(who="Whoever decides", what=f"do not switch for this result alone{shown}")


def _arm(manifest: Manifest, name: str, difference: Difference | None) -> Arm:
    def side(split: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = (manifest.results.get(split) or {}).get(name) or {}
        return found

    return Arm(name=name, figures=side("test"), validation=side("validation") or None, difference=difference)


def _search(manifest: Manifest) -> list[Tried]:
    """The uncompiled program and every candidate, on validation."""
    if not manifest.candidates:
        return []
    start = (manifest.results.get("validation") or {}).get("baseline") or {}
    first = {"label": "baseline", "eligible": True, "settings": manifest.results.get("baseline_settings"), **start}
    return [_tried(one) for one in (first, *manifest.candidates)]


def _tried(one: Mapping[str, Any]) -> Tried:
    return Tried(
        label=str(one["label"]),
        score=one.get("score"),
        n=one.get("n") or 0,
        errors=one.get("errors") or 0,
        eligible=bool(one["eligible"]),
        why_not=None if one["eligible"] else one.get("why_not") or "not eligible",
        settings=one.get("settings") or {},
        usd_per_question=one.get("usd_per_question"),
        latency_p95=one.get("latency_p95"),
    )
