"""`ragc judge`: people judge answers, and the judge is compared with them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ragc._messages import counted, shown_path
from ragc.cli._terminal import emit, json_option, note, project_option, row, say, style, task_argument
from ragc.errors import ConfigError

if TYPE_CHECKING:
    from ragc.compiler import Judging
    from ragc.evaluation.judge import Calibration, Item, Judgement

KEYS = {"r": "right", "p": "partly", "w": "wrong"}
_ASKED = {
    "semantic_f1": "Does it say what one of the accepted answers says?",
    "faithfulness": "Do the passages say all of it?",
    "tone": "Does it keep the rules?",
}
_CONTEXT = {"faithfulness": "passages", "tone": "rules"}


@click.command()
@task_argument()
@click.option("--metric", metavar="METRIC", help="What to judge for; default: the task's, where it is judged.")
@click.option("--calibrate", is_flag=True, help="Ask nobody; compare the judge with what was said so far.")
@click.option(
    "--import", "labels", type=click.Path(path_type=Path), metavar="FILE", help='Take lines of {"id": …, "label": …}.'
)
@click.option(
    "--export", type=click.Path(path_type=Path), metavar="FILE", help="Write the labels as examples to compile a judge."
)
@click.option(
    "--repeats", type=int, default=3, show_default=True, metavar="N", help="How often ten answers are judged."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Another seed, another order.")
@click.option("--threads", type=int, metavar="N", help="Answers judged at once.")
@json_option
@project_option
def command(  # noqa: PLR0913  the ways to give labels, and what they share
    task: str | None,
    metric: str | None,
    calibrate: bool,
    labels: Path | None,
    export: Path | None,
    repeats: int,
    seed: int,
    threads: int | None,
    as_json: bool,
    project: Path | None,
) -> None:
    """Judge answers of TASK yourself, so that the model that judges them is calibrated.

    Answers come one by one in a random order, without a word on who gave them or what the judge thinks. Every label is
    kept at once, in judgements.jsonl beside the examples; the same command goes on where it was left. With 30 labels
    the judge is asked about the same answers, and how far it agrees is kept in calibration.json. Until then, and for
    every other judge or prompt, its figures are marked "not calibrated".

    Without a terminal: --json lists what is to be judged, --import takes labels.
    """
    given = [name for name, one in (("--calibrate", calibrate), ("--import", labels), ("--export", export)) if one]
    if len(given) > 1:
        raise click.UsageError(f"{' and '.join(given)} do not go together")
    from ragc.cli.compile import Reporter
    from ragc.compiler import export_judgements, open_judging

    if export is not None:
        number = export_judgements(export, task, project=project)
        if as_json:
            emit({"written": shown_path(export), "labels": number})
        else:
            row("written", f"{counted(number, 'label')} in {shown_path(export)}")
        return
    judging = None
    if not calibrate:
        if labels is None and not as_json and not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise ConfigError("no terminal to judge in: --json lists the answers, --import FILE takes labels")
        with Reporter(as_json=True) as reporter:
            judging = open_judging(
                task, project=project, metric=metric, seed=seed, threads=threads, on_event=reporter.event
            )
        if as_json and labels is None:
            emit(_listed(judging))
            return
        if labels is not None:
            note(f"{counted(judging.take(labels), 'label')} taken from {shown_path(labels)}")
        elif not _ask(judging):
            return
    _calibrate(task, metric, project, repeats, threads, as_json=as_json, judging=judging)


def _calibrate(
    task: str | None,
    metric: str | None,
    project: Path | None,
    repeats: int,
    threads: int | None,
    *,
    as_json: bool,
    judging: Judging | None,
) -> None:
    from ragc.cli.compile import Reporter
    from ragc.compiler import calibrate, labels_of
    from ragc.evaluation.judge import FEWEST

    if judging is not None:
        known = labels_of(judging)
        if known < FEWEST:
            if as_json:
                emit({"labels": known, "needed": FEWEST, "calibration": None})
            else:
                row("labels", _left(known, FEWEST, judging))
            return
    with Reporter(as_json=True) as reporter:
        found = calibrate(
            task, project=project, metric=metric, repeats=repeats, threads=threads, on_event=reporter.event
        )
    if as_json:
        from dataclasses import asdict

        emit({"labels": found.agreement.n + found.errors, "needed": FEWEST, "calibration": asdict(found)})
    else:
        _show(found)


def _left(known: int, needed: int, judging: Judging) -> str:
    text = f"{known} of {needed}, kept in {shown_path(judging.path)}"
    if len(judging.items) < needed:
        return f"{text}; the task has only {counted(len(judging.items), 'answer')} to judge: label more questions"
    return f"{text}; the same command goes on"


def _listed(judging: Judging) -> dict[str, Any]:
    from ragc.evaluation.judge import FEWEST, LEVELS

    return {
        "task": judging.task.name,
        "metric": judging.metric.name,
        "labels": len(judging.judgements),
        "needed": FEWEST,
        "levels": list(LEVELS),
        "items": [item.shown() for item in judging.open],
    }


def _ask(judging: Judging) -> bool:
    """Shows the answers one by one; False where somebody went away before there was anything to compare."""
    from ragc.evaluation.judge import Judgement

    metric, items, place = judging.metric.name, judging.open, 0
    known = len(judging.judgements)
    if not items:
        note(f"every answer is judged: {counted(known, 'label')} in {shown_path(judging.path)}")
        return True
    given: dict[str, Judgement] = {}
    while place < len(items):
        item = items[place]
        _present(item, known + len(given), place + 1, len(items))
        note(style(f"{_ASKED[metric]}  right (r)  partly (p)  wrong (w)  skip (s)  back (b)  quit (q)", bold=True))
        key = click.getchar().lower()
        if key in KEYS:
            judgement = Judgement(item, KEYS[key])  # type: ignore[arg-type]  # the words are the levels
            judging.add(judgement)
            given[item.id] = judgement
            note(f"  {KEYS[key]}")
        if key in {"q", "\x04", "\x1b"}:
            break
        place = max(0, place - 1) if key == "b" else place + (key in KEYS or key == "s")
    return True


def _present(item: Item, known: int, place: int, total: int) -> None:
    from ragc.evaluation.judge import FEWEST

    say()
    row(f"{place} of {total}", f"{counted(known, 'label')} so far, {FEWEST} are needed")
    row("question", item.question)
    if item.metric == "semantic_f1":
        row("accepted", *item.accepted)
    if item.context:
        row(_CONTEXT[item.metric], *(" ".join(text.split()) for text in item.context))
    row("answer", *item.given.splitlines())


def _show(found: Calibration) -> None:
    agreement, repeats = found.agreement, found.repeats
    row("judge", f"{found.model}, for {found.metric}")
    errors = f", {counted(found.errors, 'answer')} without a score" if found.errors else ""
    row("labels", f"{agreement.n}{errors}")
    share = f"[{100 * agreement.agreement_low:.0f}, {100 * agreement.agreement_high:.0f}]"
    row("agreement", f"{100 * agreement.agreement:.0f}% {share}: the same of right, partly and wrong")
    if agreement.kappa is None:
        row("kappa", "none: one word was used for every answer, and chance agrees as well")
    else:
        low, high = agreement.kappa_low, agreement.kappa_high
        text = "" if low is None or high is None else f" [{low:.2f}, {high:.2f}]"
        row("kappa", f"{agreement.kappa:.2f}{text}: 0 is chance, 1 agreement, linearly weighted")
    kinder = "kinder than" if agreement.bias > 0 else "stricter than" if agreement.bias < 0 else "as strict as"
    row("bias", f"{100 * agreement.bias:+.1f} points: {kinder} people", _length(found), _family(found))
    if repeats is not None:
        row(
            "repeats",
            f"{100 * repeats.changed:.0f}% of {counted(repeats.answers, 'answer')} judged {repeats.times} times "
            f"did not get the same word; standard deviation {100 * repeats.deviation:.1f} points",
        )


def _length(found: Calibration) -> str:
    rho, p = found.agreement.length_bias, found.agreement.length_p
    if rho is None or p is None:
        return "by length: cannot be told, it is the same for all"
    return f"by length: rank correlation {rho:+.2f} (p = {p:.2g}); above 0 it favours long answers"


def _family(found: Calibration) -> str:
    agreement = found.agreement
    if agreement.family_bias is None:
        return (
            f"for its own family ({agreement.own_family}): cannot be told, {agreement.own_n} of {agreement.n} answers "
            "are from it, and 10 of each kind are needed"
        )
    low, high = agreement.family_low, agreement.family_high
    text = "" if low is None or high is None else f" [{100 * low:+.1f}, {100 * high:+.1f}]"
    return f"for its own family ({agreement.own_family}): {100 * agreement.family_bias:+.1f} points{text}"
