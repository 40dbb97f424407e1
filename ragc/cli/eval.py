"""`ragc eval`: score an artifact, or a program before compiling."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ragc._messages import counted
from ragc.cli._terminal import (
    emit,
    json_option,
    lm_option,
    note,
    project_option,
    row,
    say,
    table,
    target_argument,
    warn,
    warnings_as_lines,
)

if TYPE_CHECKING:
    from ragc.compiler import EvaluationResult


FILE = click.Path(dir_okay=False, path_type=Path)


def _check_score(ctx: click.Context, param: click.Parameter, value: float | None) -> float | None:
    if value is None or 0 <= value <= 1:
        return value
    meant = value / 100 if 1 < value <= 100 else 0.95
    raise click.BadParameter(f"scores are 0 to 1 here: {meant:g}", ctx, param)


def _numbers(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[float, ...] | None:
    """`1,3,5` as numbers; whether they are in range is for the API to say."""
    if value is None:
        return None
    make = int if param.name == "k" else float
    try:
        return tuple(make(part) for part in value.split(","))
    except ValueError:
        example = "1,3,5,10" if param.name == "k" else "0,0.25,0.5"
        raise click.BadParameter(
            f"{value!r}: numbers with commas between them, such as {example}", ctx, param
        ) from None


@click.command()
@target_argument
@click.option("--uncompiled", is_flag=True, help="Score the task's program as it is written, not its artifact.")
@click.option("--split", type=click.Choice(["validation", "test"]), default="validation", show_default=True)
@click.option(
    "--fail-under",
    type=float,
    callback=_check_score,
    metavar="SCORE",
    help="Exit 1 when the score (0 to 1, as in --json) is below this.",
)
@click.option(
    "--against",
    type=click.Choice(["sealed"]),
    help="Compare with the scores that the artifact was sealed with; exit 1 when they have credibly dropped.",
)
@click.option(
    "--margin",
    type=float,
    callback=_check_score,
    metavar="SCORE",
    help="With --against: how far the score may drop, 0 to 1. Default: 0.",
)
@click.option("--fresh", is_flag=True, help="Ask everything anew; later runs use the new responses.")
@click.option("--retrieval", is_flag=True, help="Score what retrieval alone finds for a TASK; no model is asked.")
@click.option("--k", metavar="N,…", callback=_numbers, help="With --retrieval: passages. Default: 1,3,5,10.")
@click.option("--alpha", metavar="N,…", callback=_numbers, help="With --retrieval. Default: 0,0.25,0.5,0.75,1.")
@click.option("--reranker", metavar="NAME,…", help="With --retrieval. Default: none and all that are configured.")
@click.option("--csv", type=FILE, metavar="FILE", help="With --retrieval: write every setting, and each slice, as CSV.")
@lm_option("sealed or configured")
@click.option("--threads", type=int, metavar="N", help="Examples evaluated at once.")
@json_option
@project_option
def command(  # noqa: PLR0913  the flags of two ways to score
    target: str | None,
    uncompiled: bool,
    split: Any,
    fail_under: float | None,
    against: Any,
    margin: float | None,
    fresh: bool,
    retrieval: bool,
    k: tuple[int, ...] | None,
    alpha: tuple[float, ...] | None,
    reranker: str | None,
    csv: Path | None,
    lm: str | None,
    threads: int | None,
    as_json: bool,
    project: Path | None,
) -> None:
    """Score an artifact on its task's examples.

    A bare name is a task and scores its artifact, a path is an artifact; without either it is the only task.

    With --retrieval it is passages that are scored, for every k, alpha and reranker, on the questions whose labels name
    their evidence: precision, MRR and nDCG over the passages that overlap it, recall over the evidence itself.
    --fail-under is then for the best recall. A reranker is paid once for each question and alpha.

    --against fails only where the whole 95% interval of the difference, question by question and over clusters of
    evidence, lies below minus --margin: a small set, or a few changed answers, never does.
    """
    if retrieval:
        for option, given in (
            ("--uncompiled", uncompiled),
            ("--lm", lm),
            ("--threads", threads),
            ("--against", against),
            ("--fresh", fresh),
        ):
            if given:
                raise click.UsageError(f"{option} says nothing about --retrieval: no program is run")
        from ragc.cli._rankings import score_retrieval

        names = None if reranker is None else [name.strip() for name in reranker.split(",")]
        chosen = {"ks": k, "alphas": alpha, "rerankers": names}
        grid = {name: value for name, value in chosen.items() if value is not None}
        score_retrieval(target, split, fail_under, grid, csv=csv, as_json=as_json, project=project)
        return
    if k is not None or alpha is not None or reranker is not None:
        raise click.UsageError("--k, --alpha and --reranker go with --retrieval: a program has its own")
    if csv is not None:
        raise click.UsageError("--csv goes with --retrieval")
    if margin is not None and against is None:
        raise click.UsageError("--margin goes with --against sealed")
    from ragc.artifact import drift, locate
    from ragc.cli.compile import Reporter
    from ragc.compiler import evaluate
    from ragc.errors import CheckFailed

    place = None if uncompiled else locate(target, project)
    if place is not None and place.is_dir() and lm is None and (model := drift(place).model) is not None:
        warn(model)
    with Reporter(as_json=as_json) as reporter, warnings_as_lines():
        result = evaluate(
            target,
            project=project,
            uncompiled=uncompiled,
            split=split,
            lm=lm,
            threads=threads,
            against=against,
            margin=margin or 0.0,
            fresh=fresh,
            on_event=reporter.event,
        )
    if as_json:
        emit(result.as_json())
    else:
        _show(result)
    if not result.counts and lm is None:
        note("the journal answered: this says nothing new about the model, and does not count for status; --fresh asks")
    if result.against is not None and result.against.has_dropped:
        raise CheckFailed(f"{target or result.task} on {split}: {result.against.sentence}")
    score = result.evaluation.score
    if fail_under is not None and (score is None or score < fail_under):
        shown = "no score" if score is None else f"{score:.3f}"
        raise CheckFailed(f"{target or result.task} scores {shown} on {split}, below --fail-under {fail_under:g}")


def _show(result: EvaluationResult) -> None:
    from ragc.evaluation.judge import marked

    found = result.evaluation
    score = "no score" if found.score is None else f"{100 * found.score:.1f}"
    what = "uncompiled" if result.artifact is None else result.artifact[:8]
    questions, errors = counted(found.n, f"{result.split} question"), counted(found.errors, "error")
    row(result.task, f"{marked(result.metric, result.judged)} {score} on {questions}, {errors}   ({what})")
    notes = []
    if found.recall is not None:
        notes.append(f"retrieval recall {100 * found.recall:.0f}%")
    if found.correct_abstentions is not None:
        notes.append(f"abstains on {100 * found.correct_abstentions:.0f}% of the unanswerable")
    if found.false_abstentions is not None:
        notes.append(f"abstains on {100 * found.false_abstentions:.0f}% of the answerable")
    if notes:
        row("", ", ".join(notes))
    if result.against is not None:
        row("sealed", result.against.sentence)
        if result.against.relabelled:
            row("", "the examples are others than at sealing; questions are compared by their ids")
    if result.judged is not None:
        row("judge", result.judged.sentence)
    if found.slices:
        say()
        rows = [("slice", "score", "n", "errors")]
        for name, part in found.slices.items():
            shown = "" if part["score"] is None else f"{100 * part['score']:.1f}"
            rows.append((name, shown, str(part["n"]), str(part["errors"])))
        table(rows, right=(1, 2, 3))
