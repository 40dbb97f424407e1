"""`ragc compile`: compile a task and seal the result."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import click

from ragc._messages import cached_share
from ragc.cli._terminal import (
    Progress,
    budget_options,
    emit,
    json_option,
    lm_option,
    note,
    project_option,
    row,
    style,
    task_argument,
)

if TYPE_CHECKING:
    from ragc.compiler import CompileResult, Event, Working

SETTING = "A setting of the optimizer; repeatable. All stand, with their defaults, in optimizers/NAME.py."


@click.command()
@task_argument()
@click.option("--optimizer", metavar="NAME", help="A file in optimizers/, or module:function; default: the task's.")
@click.option("--set", "settings", metavar="KEY=VALUE", multiple=True, help=SETTING)
@lm_option("configured")
@budget_options("The run")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of every random choice.")
@click.option("--threads", type=int, metavar="N", help="Examples evaluated at once; default: the model's `threads`.")
@click.option("--fresh", is_flag=True, help="Ask everything anew; what the journal holds stays for other runs.")
@click.option(
    "--replay",
    is_flag=False,
    flag_value="",
    metavar="[FILE]",
    help="From the journal alone, or from an export of it: no key, no network, no call.",
)
@click.option(
    "--events",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Append what happens to FILE, one JSON object a line.",
)
@click.option("--strict", is_flag=True, help="A corpus file that cannot be read ends the run.")
@click.option("--dry-run", is_flag=True, help="Check everything and estimate; no LM call is made.")
@click.option("--exact", is_flag=True, help="With --dry-run: the provider counts tokens; needs its key.")
@json_option
@project_option
@click.pass_context
def command(  # noqa: PLR0913  the flags of the product's main command
    ctx: click.Context,
    task: str | None,
    optimizer: str | None,
    settings: tuple[str, ...],
    lm: str | None,
    budget_usd: float | None,
    budget_calls: int | None,
    budget_input_tokens: int | None,
    budget_output_tokens: int | None,
    budget_seconds: float | None,
    fresh: bool,
    replay: str | None,
    events: Path | None,
    seed: int,
    threads: int | None,
    strict: bool,
    dry_run: bool,
    exact: bool,
    as_json: bool,
    project: Path | None,
) -> None:
    """Compile TASK (default: the only one) and seal the result under compiled/.

    What was paid for once is never paid for again: the same command goes on with a run that was killed, and answers
    from the journal (.ragc/journal.db) where nothing changed. Ctrl-C and a budget that runs out seal the best so far;
    a second Ctrl-C leaves at once.
    """
    from ragc.compiler import compile

    with Reporter(as_json=as_json) as reporter:
        result = compile(
            task,
            project=project,
            optimizer=optimizer,
            settings=_pairs(settings),
            lm=lm,
            budget={
                "usd": budget_usd,
                "calls": budget_calls,
                "input_tokens": budget_input_tokens,
                "output_tokens": budget_output_tokens,
                "seconds": budget_seconds,
            },
            fresh=fresh,
            replay=replay is not None if not replay else Path(replay),
            events=events,
            seed=seed,
            threads=threads,
            strict=strict,
            dry_run=dry_run,
            exact=exact,
            on_event=reporter.event,
            on_second_interrupt=leave_at_once,
        )
    if as_json:
        emit(result.as_json())
    _close(result, err=as_json)
    ctx.exit(result.exit_code)


class Reporter:
    """Prints a run's events: finished steps as rows on stdout (stderr with `as_json`), progress on stderr."""

    def __init__(self, *, as_json: bool) -> None:
        self._err = as_json
        self._progress: Progress | None = None
        self._done = 0

    def __enter__(self) -> Reporter:
        import logging

        # That a small model's answer was cut at its limit is in the outcome; DSPy would say it once a question.
        logging.getLogger("dspy.clients").setLevel(logging.ERROR)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def event(self, event: Event) -> None:
        """Print one event."""
        from ragc.compiler import Finished, Warned, Working

        if isinstance(event, Working):
            if self._progress is None or self._progress.label != event.label or event.done < self._done:
                self._end()
                self._progress = Progress(event.label, event.total)
                self._progress.__enter__()
            self._progress.update(event.done, event.total, ", ".join(filter(None, [event.text, _seen(event)])))
            self._done = event.done
            return
        self._end()
        if isinstance(event, Finished):
            row(event.label, *event.lines, err=self._err)
        elif isinstance(event, Warned):
            note(f"{style('warning:', fg='yellow')} {event.text}")

    def _end(self) -> None:
        if self._progress is not None:
            self._progress.__exit__(None, None, None)
            self._progress = None


def _seen(event: Working) -> str:
    """What can be seen of the calls, where some are paid for."""
    seen = event.seen
    if seen is None or not seen.paid.calls:
        return ""
    if seen.waiting_for is not None:
        return seen.waiting_for
    parts = [f"{seen.paid.calls:,} calls, {seen.calls_per_second:.1f}/s"]
    if seen.spent:
        parts.append(f"${seen.spent:.2f}" + (f" of ${seen.cap:g}" if seen.cap is not None else ""))
    if seen.retries:
        parts.append(f"{seen.concurrency} at once, {seen.retries:,} tried again")
    return ", ".join(parts)


def leave_at_once() -> None:
    """The second Ctrl-C: nothing that was received is lost, and the same command goes on from here."""
    note("left at once; the same command goes on from here")
    os._exit(130)


def _pairs(settings: tuple[str, ...]) -> dict[str, str]:
    pairs = {}
    for setting in settings:
        key, sign, value = setting.partition("=")
        if not sign or not key:
            raise click.BadParameter(f'"{setting}": expected KEY=VALUE', param_hint="--set")
        pairs[key] = value
    return pairs


def _close(result: CompileResult, *, err: bool) -> None:
    """The last lines: what it took, why it stopped, and what to type next; on stderr with `err`."""
    from ragc.cli._terminal import duration

    if result.usage is not None and result.usage.calls:
        usage = result.usage
        money = "no known price" if usage.usd is None else f"${usage.usd:.2f}"
        tokens = f"{usage.input_tokens + usage.output_tokens:,} tokens"
        tokens += cached_share(usage.cached_input_tokens, usage.input_tokens)
        now = ""
        if result.paid is not None and result.paid.calls != usage.calls:
            paid = "" if not result.paid.usd else f" (${result.paid.usd:.2f})"
            now = f"; {result.paid.calls:,} of them paid now{paid}, the others were in the journal"
        row("cost", f"{usage.calls:,} calls, {tokens}, {money}, {duration(result.seconds)}{now}", err=err)
    if result.stopped is not None:
        why = {
            "budget": "the search's share of the budget is used up",
            "time": "the time is up",
            "errors": "too many examples ended in an error",
            "interrupted": "interrupted",
        }[result.stopped]
        goes_on = {"interrupted": "the same command goes on", "errors": "the same command asks again"}
        parts = [why, "nothing is sealed" if result.artifact is None else "the best so far is sealed"]
        row("stopped", "; ".join([*parts, goes_on.get(result.stopped, "a higher cap goes on from here")]), err=err)
    if result.artifact is not None:
        question = 'question="…"'
        name = f"from compiled import {result.task}; {result.task}"
        if result.artifact.parent.name != "compiled":
            name = f'import ragc; ragc.load("{result.artifact}")'
        row("use it", f"{name}({question}).answer", err=err)
