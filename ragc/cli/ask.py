"""`ragc ask`: one answer with its citations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ragc._messages import counted
from ragc.cli._terminal import (
    LABEL_WIDTH,
    columns,
    emit,
    json_option,
    lm_option,
    parted,
    project_option,
    row,
    say,
    style,
    text_argument,
    warn,
    warnings_as_lines,
)

WIDTH = 100
"""Columns of a passage, at most; on a narrower terminal as many as it has."""


@click.command()
@text_argument("[TASK|PATH] QUESTION")
@lm_option("sealed")
@json_option
@project_option
def command(words: tuple[str, ...], lm: str | None, as_json: bool, project: Path | None) -> None:
    """Answer QUESTION with an artifact, and show the passages that support the answer.

    A bare name is a task and asks its artifact, a path is an artifact; without either it is the only task.
    """
    from ragc.artifact import drift, locate
    from ragc.compiler import ask

    target, question = parted(words, "question", project)
    place = locate(target, project)
    moved = drift(place)
    for line in filter(None, (moved.model if lm is None else None, moved.demonstrations)):
        warn(str(line))
    with warnings_as_lines():
        prediction = ask(place, question, lm=lm, project=project)
    passages = list(getattr(prediction, "passages", None) or ())
    citations = tuple(getattr(prediction, "citations", None) or ())
    if as_json:
        emit(
            {
                "answer": prediction.answer,
                "citations": list(citations),
                "passages": [_passage(passage) for passage in passages],
                "provenance": _plain(getattr(prediction, "provenance", None) or {}),
            }
        )
        return
    say(style(prediction.answer, bold=True))
    say()
    supporting = [passage for passage in passages if passage.id in citations]
    for passage in supporting:
        row("cited", _named(passage), *_wrapped(passage.text))
    if not supporting:
        row("cited", "nothing: no retrieved passage holds this answer")
        for passage in passages:
            row("retrieved", _named(passage))
    dropped = (getattr(prediction, "provenance", None) or {}).get("dropped") or ()
    if dropped:
        row("dropped", f"{counted(len(dropped), 'passage')} beyond the token budget, not read: {', '.join(dropped)}")
    if logged := (getattr(prediction, "provenance", None) or {}).get("answer_id"):
        row("logged", f"{logged} (ragc audit {logged[:8]})")


def _named(passage: Any) -> str:
    where = ", ".join(filter(None, (passage.document, getattr(passage, "place", ""))))
    return f"{where}: {passage.source}"


def _passage(passage: Any) -> dict[str, Any]:
    return {
        "id": passage.id,
        "document": passage.document,
        "title": passage.title,
        "text": passage.text,
        "score": passage.score,
        "metadata": dict(passage.metadata),
    }


def _plain(provenance: dict[str, Any]) -> dict[str, Any]:
    return {key: list(value) if isinstance(value, tuple) else value for key, value in provenance.items()}


def _wrapped(text: str) -> list[str]:
    import textwrap

    width = min(WIDTH, columns() or WIDTH) - LABEL_WIDTH - 1
    lines = textwrap.wrap(" ".join(text.split()), width=width)
    return lines if len(lines) <= 4 else [*lines[:4], "…"]
