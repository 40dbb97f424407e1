"""`ragc advise`: RAG, compile or fine-tune, and what each costs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ragc.cli._terminal import budget_options, emit, json_option, project_option, task_argument

if TYPE_CHECKING:
    from ragc.compiler import LearningCurve
    from ragc.project import Project

_COSTS_ALONE = ("queries", "input_tokens", "output_tokens")


class _Count(click.ParamType[int]):
    """A whole number as people write it: 10000000, 10,000,000, 10M."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        from ragc.advise import count
        from ragc.errors import ConfigError

        if isinstance(value, int):
            return value
        try:
            return count(str(value), "" if param is None else param.opts[0])
        except ConfigError as error:
            raise click.UsageError(str(error), ctx) from None


_Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def _count_option(name: str, text: str) -> _Decorator:
    return click.option(name, type=_Count(), metavar="N", help=text)


def _asked(name: str, text: str) -> _Decorator:
    return click.option(f"{name}/--no-{name[2:]}", default=None, help=text)


@click.command()
@task_argument()
@_count_option("--queries", "Queries a month; 10M is 10,000,000.")
@_count_option("--input-tokens", "Input tokens of one query. Default: as the artifact was measured.")
@_count_option("--output-tokens", "Output tokens of one query. Default: as the artifact was measured.")
@_count_option("--tuned-input-tokens", "The same for a fine-tuned model. Default: --input-tokens.")
@_count_option("--question-tokens", "Tokens of a query that are embedded.")
@_count_option("--vectors", "Passages in the store.")
@_count_option("--corpus-tokens", "Tokens of the corpus, which are embedded once.")
@_count_option("--training-tokens", "Tokens that fine-tuning trains on, epochs counted.")
@click.option("--model", "models", metavar="NAME", multiple=True, help="An arm; repeatable. Default: all in the list.")
@click.option(
    "--price",
    "prices",
    metavar="NAME=IN/OUT",
    multiple=True,
    help="USD per million tokens, over the list; repeatable. Also [tool.ragc.prices].",
)
@click.option("--months", type=int, default=12, show_default=True, help="A project is written off over so many.")
@_count_option("--labels", "Labelled questions. Default: those of TASK.")
@click.option(
    "--changes", type=click.Choice(["often", "seldom"]), help="Whether knowledge changes every quarter or more."
)
@_asked("--attribution", "An answer must show where it comes from.")
@_asked("--controlled", "Answers must come from a controlled corpus alone.")
@_asked("--tone", "Answers need a tone that the prompt does not hold.")
@click.option("--faster", type=float, metavar="TIMES", help="How many times faster. Default: by the task's limits.")
@_count_option("--prompt-tokens", "Tokens of instructions and examples. Default: the artifact's.")
@_count_option("--tokens-a-month", "Input and output tokens of all queries. Default: by --queries.")
@click.option("--rules", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Other rules, in TOML.")
@click.option("--curve", is_flag=True, help="Compile with 25, 50 and 100% of the training labels; calls models.")
@click.option("--seed", type=int, default=0, show_default=True, help="With --curve: the seed of every random choice.")
@click.option("--threads", type=int, metavar="N", help="With --curve: examples evaluated at once.")
@budget_options("With --curve: the curve", ["usd", "calls"])
@click.option("--ask/--no-ask", default=None, help="Ask what no flag says. Default: on a terminal.")
@json_option
@project_option
@click.pass_context
def command(ctx: click.Context, /, task: str | None, as_json: bool, project: Path | None, **given: Any) -> None:
    """RAG, compile or fine-tune for TASK? One recommendation, why, what would change it, and what each costs.

    It goes by rules of the field, each with its source, by what flags and answers say, and by what is measured of TASK:
    labels, slices, latency, tokens a question, the verdict on its test split. No model is called, but with --curve.

    --curve draws your own learning curve: three real compiles on nested parts of the training labels, scored on
    validation, with intervals and what the last doubling was worth. It opens no test split, seals nothing, is paid
    through the journal and goes on where it was killed.

    --queries with --input-tokens and --output-tokens, and no TASK, reckons costs alone and needs no project.
    """
    from ragc.advise import load_rules
    from ragc.cli._advice import asked, costs_of, facts_of, show_advice, show_costs

    costs_alone = task is None and not given["curve"] and all(given[name] is not None for name in _COSTS_ALONE)
    if costs_alone and not _says_something(given):
        alone = costs_of(given, _found(project, needed=False), None)
        emit(alone.as_json()) if as_json else show_costs(alone)
        return
    from ragc.advise import advise, measure

    found = _found(project, needed=_needs_project(given, task or project))
    measured = None if found is None else measure(found, found.task(task))
    facts = facts_of(given)
    if given["ask"] or (given["ask"] is None and not as_json and _is_terminal()):
        facts = asked(facts if measured is None else measured.facts.over(facts), given)
    costs = None if given["queries"] is None else costs_of(given, found, measured)
    drawn = None if not given["curve"] or found is None else _draw(found, task, given, as_json=as_json)
    curve = None if drawn is None else drawn.curve
    advice = advise(facts, measured=measured, rules=load_rules(given["rules"]), costs=costs, curve=curve)
    if as_json:
        emit({**advice.as_json(), "curve": None if drawn is None else drawn.as_json()})
    else:
        show_advice(advice)
    ctx.exit(0 if drawn is None else drawn.exit_code)


def _draw(project: Project, task: str | None, given: dict[str, Any], *, as_json: bool) -> LearningCurve:
    from ragc.cli.compile import Reporter
    from ragc.compiler import learning_curve

    with Reporter(as_json=as_json) as reporter:
        return learning_curve(
            task,
            project=project,
            budget={"usd": given["budget_usd"], "calls": given["budget_calls"]},
            seed=given["seed"],
            threads=given["threads"],
            on_event=reporter.event,
        )


def _needs_project(given: dict[str, Any], named: object) -> bool:
    return named is not None or given["curve"] or not _says_something(given)


def _says_something(given: dict[str, Any]) -> bool:
    from ragc.advise import QUESTIONS

    return given["rules"] is not None or any(given[name] is not None for name in QUESTIONS)


def _found(project: Path | None, *, needed: bool) -> Project | None:
    """The project around the working folder; None where there is none and none is `needed`."""
    from ragc.project import Project

    return Project.find(project) if needed else Project.find_any(project)


def _is_terminal() -> bool:
    import sys

    return sys.stdin.isatty() and sys.stderr.isatty()
