"""`ragc compare`: arms on the same test questions, and what is proven of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ragc.cli._terminal import (
    budget_options,
    emit,
    json_option,
    note,
    project_option,
    row,
    task_argument,
    warnings_as_lines,
)

if TYPE_CHECKING:
    from ragc.comparison import CompareResult, PowerResult

ARM = (
    "One more arm, by what it has otherwise than the task: program, optimizer, set, lm, embedder, store, artifact, k, "
    "alpha, fetch_k, expand, max_tokens, reranker, name. Repeatable."
)


@click.command()
@task_argument()
@click.option("--experiment", metavar="NAME", help="A table of [tool.ragc.experiments].")
@click.option("--arm", "arms", metavar="KEY=VALUE,…", multiple=True, help=ARM)
@click.option("--alone", is_flag=True, help="Leave out the arms of earlier calls with --arm.")
@click.option("--baseline", metavar="ARM", help="The arm that the others are compared with.")
@click.option("--repeats", type=int, metavar="N", help="Seeds for each optimizer, to see how far they spread.")
@budget_options("The comparison")
@click.option("--margin", type=float, metavar="POINTS", help="Not worse: loses less than this (0.02: two points).")
@click.option("--queries", type=int, metavar="N", help="Questions a month, for what each arm would cost.")
@click.option("--power", is_flag=True, help="How many questions a difference needs; asks nothing and pays nothing.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of every random choice.")
@click.option("--threads", type=int, metavar="N", help="Questions answered at once; default: the model's `threads`.")
@click.option("--fresh", is_flag=True, help="Ask everything anew; what the journal holds stays for other runs.")
@click.option(
    "--replay",
    is_flag=False,
    flag_value="",
    metavar="[FILE]",
    help="From the journal alone, or from an export of it: no key, no network, no call.",
)
@click.option("--dry-run", is_flag=True, help="Check everything and estimate; no LM call is made.")
@click.option(
    "--csv",
    "table",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the figures to FILE as well, one line an arm.",
)
@click.option(
    "--events",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Append what happens to FILE, one JSON object a line.",
)
@json_option
@project_option
@click.pass_context
def command(  # noqa: PLR0913  the flags of a comparison
    ctx: click.Context,
    /,
    task: str | None,
    experiment: str | None,
    arms: tuple[str, ...],
    alone: bool,
    power: bool,
    replay: str | None,
    table: Path | None,
    as_json: bool,
    project: Path | None,
    **given: Any,
) -> None:
    """Compare arms on the test questions of TASK: quality, cost and speed.

    An arm is the task with another program, optimizer, model, embedder, store or retrieval, or an artifact. All answer
    the same questions, question by question, under one budget; differences to the baseline are paired, and p-values are
    corrected for the number of arms. Arms are sealed under .ragc/arms/.

    What was paid for once is never paid for again: the same command goes on with a comparison that was killed, and one
    more --arm pays for itself alone.
    """
    from ragc.cli.compile import Reporter, leave_at_once

    chosen: dict[str, Any] = {"experiment": experiment, "arms": arms, "alone": alone, "project": project}
    with Reporter(as_json=as_json) as reporter, warnings_as_lines():
        chosen["on_event"] = reporter.event
        if power:
            from ragc.comparison import power as needed

            found = needed(task, threads=given["threads"], **chosen)
        else:
            from ragc.comparison import compare

            caps = {name: given.pop(f"budget_{name}") for name in _CAPS}
            result = compare(
                task,
                budget=caps,
                replay=replay is not None if not replay else Path(replay),
                on_second_interrupt=leave_at_once,
                **chosen,
                **given,
            )
    if power:
        emit(found.as_json()) if as_json else _show_power(found)
        return
    if table is not None:
        from ragc._files import write_atomically

        write_atomically(table, result.as_csv().encode())
    if as_json:
        emit(result.as_json())
    else:
        from ragc.cli._comparison import show

        show(result)
    _say_why(result)
    ctx.exit(result.exit_code)


_CAPS = ("usd", "calls", "input_tokens", "output_tokens", "seconds")


def _say_why(result: CompareResult) -> None:
    """One line on stderr for an exit that is not 0."""
    if result.stopped == "interrupted":
        note("interrupted; the same command goes on from here")
    elif result.stopped is not None:
        note(f"stopped: the {result.stopped} ran out; a higher cap goes on from here")
    elif result.tells_nothing is not None:
        note(f"error: {result.tells_nothing}")
    for arm in result.arms:
        for error in dict.fromkeys(arm.failed):
            note(f'error: arm "{arm.name}": {error}')


def _show_power(found: PowerResult) -> None:
    from ragc._messages import counted
    from ragc.cli._terminal import table

    seen = f"the baseline's scores on {counted(found.observed, 'validation question')}"
    based = seen if found.observed else "scores that vary as much as they can: nothing was asked yet"
    row(found.task, f"{counted(found.n, 'test question')}, {counted(found.arms, 'arm')} beside the baseline")
    if found.detectable_gain is not None:
        row("", f"they show a gain of {100 * found.detectable_gain:.0f} points with 80% power")
    row("", f"judging by {based}")
    rows = [("difference", "questions")]
    for difference, questions in found.needed:
        rows.append((f"{100 * difference:g} points", "too many" if questions is None else f"{questions:,}"))
    table(rows, right=(0, 1))
