"""`ragc search`: what retrieval alone returns."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ragc.cli._terminal import (
    LABEL_WIDTH,
    columns,
    emit,
    json_option,
    parted,
    project_option,
    row,
    say,
    style,
    text_argument,
)

if TYPE_CHECKING:
    from ragc.retrieval import Passage

WIDTH = 100
"""Columns, at most; on a narrower terminal as many as it has."""
LINES = 3
"""How much of a passage is shown; `--json` gives all of it."""


@click.command()
@text_argument("[TASK] QUERY")
@click.option("--k", default=5, show_default=True, help="How many passages, at most.")
@click.option("--alpha", default=0.5, show_default=True, help="The weight of vectors: 0 text alone, 1 vectors alone.")
@click.option("--rerank", metavar="NAME", help="Rerank what is found, such as cohere/rerank-v3.5; a call that costs.")
@click.option(
    "--filter",
    "filters",
    multiple=True,
    metavar="CONDITION",
    help='Only documents whose metadata fulfil it: team=payroll, or JSON such as {"year": {"gte": 2024}}. Repeatable.',
)
@json_option
@project_option
def command(
    words: tuple[str, ...],
    k: int,
    alpha: float,
    rerank: str | None,
    filters: tuple[str, ...],
    as_json: bool,
    project: Path | None,
) -> None:
    """Show the passages that retrieval alone finds for QUERY in the corpus of TASK, best first.

    Without TASK it is the only one.

    Each with its scores side by side: fused is what it is ranked by, text is BM25, vector is cosine similarity, – means
    that it was not among the best of that kind. A fused score, 0 to 1, is relative to this query: the best passage has
    about 1 however little it fits, so it ranks and is no confidence; of the three, vector alone compares between
    queries. With --rerank the reranker's score stands in the place of the fused one.
    """
    from ragc.project import Project
    from ragc.retrieval import parse_filters, search

    task, query = parted(words, "query", project)
    wanted = [condition for text in filters for condition in parse_filters(_filter(text))]
    found = search(task, query, k=k, alpha=alpha, filters=wanted, reranker=rerank, project=Project.find(project))
    if as_json:
        emit({"passages": [_json(passage) for passage in found]})
        return
    for rank, passage in enumerate(found, 1):
        _print(rank, passage)
    if not found:
        where = "what the filter allows" if filters else "the corpus"
        say(f"nothing found: no word of the query is in {where}")


def _filter(text: str) -> dict[str, object]:
    """A condition as it is typed. Raises UsageError for what is neither JSON nor FIELD=VALUE."""
    if text.lstrip().startswith("{"):
        try:
            found: dict[str, object] = json.loads(text)
        except ValueError as error:
            raise click.UsageError(f"--filter {text}: not JSON: {error}") from None
        return found
    field, sign, value = text.partition("=")
    if not sign:
        raise click.UsageError(f'--filter {text}: write FIELD=VALUE, or JSON such as {{"year": {{"gte": 2024}}}}')
    try:
        scalar = json.loads(value)
    except ValueError:
        scalar = value
    return {field: scalar if isinstance(scalar, (str, int, float)) else value}


def _print(rank: int, passage: Passage) -> None:
    by = "fused" if passage.rerank_score is None else "rerank"
    parts = (
        f"{by} {passage.score:.3f}   text {_score(passage.text_score, 2)}   vector {_score(passage.vector_score, 3)}"
    )
    where = ", ".join(filter(None, (passage.document, passage.place)))
    row(f"{rank}.  {passage.score:.3f}", f"{style(passage.source, bold=True)}   {where}")
    row("", style(parts, dim=True))
    width = min(WIDTH, columns() or WIDTH) - LABEL_WIDTH - 1
    lines = textwrap.wrap(" ".join(passage.text.split()), width=width)
    row("", *(lines if len(lines) <= LINES else [*lines[: LINES - 1], f"{lines[LINES - 1]} …"]))
    say()


def _score(score: float | None, digits: int) -> str:
    return "–" if score is None else f"{score:.{digits}f}"


def _json(passage: Passage) -> dict[str, object]:
    return {
        "id": passage.id,
        "document": passage.document,
        "title": passage.title,
        "heading": list(passage.heading),
        "text": passage.text,
        "score": passage.score,
        "text_score": passage.text_score,
        "vector_score": passage.vector_score,
        "rerank_score": passage.rerank_score,
        "start": passage.start,
        "end": passage.end,
        "metadata": dict(passage.metadata),
    }
