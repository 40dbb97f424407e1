"""Options that commands share, and what they print: results to stdout, messages and progress to stderr.

While a command runs, `sys.stdout` and file descriptor 1 lead to stderr: DSPy's optimizers print, and so do C libraries.
`say`, `row` and `emit` write to the real stdout, so that `--json` is exactly one JSON object.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import json
import os
import re
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO, TypeVar

import click

LABEL_WIDTH = 10
"""Columns of a row's label; the text begins one column further on."""

_Decorated = TypeVar("_Decorated", bound=Callable[..., Any])

# The real stdout while a command runs. A process has one stdout, hence one module variable.
_results: TextIO | None = None


def json_option(function: _Decorated) -> _Decorated:
    """Add `--json`, passed as `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print exactly one JSON object on stdout.")(function)


def project_option(function: _Decorated) -> _Decorated:
    """Add `--project DIR` (or `RAGC_PROJECT`), passed as `project: Path | None` for `Project.find`."""
    return click.option(
        "--project",
        type=click.Path(path_type=Path),
        envvar="RAGC_PROJECT",
        metavar="DIR",
        help="The project, or a folder inside it; default: the working directory. Also RAGC_PROJECT.",
    )(function)


def complete_task(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Shell completion: the tasks of the project that the command line names so far."""
    return [name for name in _task_names(ctx.params.get("project")) if name.startswith(incomplete)]


def _task_names(project: Path | None) -> list[str]:
    """The tasks of the nearest pyproject.toml, read without validating it; none when it is broken."""
    import tomllib

    start = Path(project or os.environ.get("RAGC_PROJECT") or ".").resolve()
    for folder in (start, *start.parents):
        try:
            return list(tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))["tool"]["ragc"]["tasks"])
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return []


def task_argument() -> Callable[[_Decorated], _Decorated]:
    """Add the argument TASK, passed as `task: str | None`, None for the only one; its names complete."""
    return click.argument("task", required=False, shell_complete=complete_task)


def target_argument(function: _Decorated) -> _Decorated:
    """Add the argument `TASK|PATH`, passed as `target: str | None`.

    A bare name is a task, a path is an artifact, None is the only task.
    """
    return click.argument("target", required=False, metavar="[TASK|PATH]", shell_complete=complete_task)(function)


def text_argument(metavar: str) -> Callable[[_Decorated], _Decorated]:
    """Add a text and before it what it is meant for, which may be left out (`[TASK] QUERY`): `words` for `parted`."""
    return click.argument("words", nargs=-1, metavar=metavar, shell_complete=complete_task)


def parted(words: Sequence[str], what: str, project: Path | None) -> tuple[str | None, str]:
    """Return what a text is meant for, None where it was left out, and the text, `what` (a question, a query).

    Raises UsageError for no text, also where a lone word is a task or a path, and for a text without quotes.
    """
    if len(words) > 2:
        raise click.UsageError(f"{len(words)} words: put the {what} in quotes")
    text = words[-1] if words else ""
    if not words or (len(words) == 1 and (text in _task_names(project) or (os.sep in text and Path(text).is_dir()))):
        raise click.UsageError(f"no {what}: type it in quotes" + (f', after "{text}"' if text else ""))
    return (words[0] if len(words) == 2 else None), text


@contextlib.contextmanager
def warnings_as_lines() -> Iterator[None]:
    """Print a Python warning as one line on stderr, without the place in the code that it came from."""

    def show(message: Warning | str, *place: object, **more: object) -> None:
        warn(" ".join(str(message).split()))

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield


def warn(text: str) -> None:
    """Print a warning on stderr."""
    note(f"warning: {text}")


def lm_option(instead_of: str) -> Callable[[_Decorated], _Decorated]:
    """Add `--lm MODEL`, passed as `lm: str | None`: another model than the one that `instead_of` names."""
    return click.option(
        "--lm",
        metavar="MODEL",
        help=f"Another model than the {instead_of} one: provider/name, or a name alone for the same provider (whose "
        "base_url and key stay), or a TOML table.",
    )


def budget_options(who: str, names: Sequence[str] = ()) -> Callable[[_Decorated], _Decorated]:
    """Add `--budget-usd`, … passed as `budget_usd`, …: caps on what `who` spends; those of `names`, all by default."""
    caps = {
        "usd": (float, "USD", f"{who} never spends more than this."),
        "calls": (int, "N", f"{who} never pays for more calls than this."),
        "input-tokens": (int, "N", "Nor for more tokens in prompts."),
        "output-tokens": (int, "N", "Nor for more tokens in responses."),
        "seconds": (float, "S", "No call begins later than this, in all."),
    }

    def add(function: _Decorated) -> _Decorated:
        for name in reversed(names or list(caps)):
            kind, unit, said = caps[name]
            function = click.option(f"--budget-{name}", type=kind, metavar=unit, help=said)(function)
        return function

    return add


def emit(value: Any) -> None:
    """Print one JSON object on stdout. Called once a command; NaN and infinity are refused with ValueError."""
    _print(json.dumps(value, ensure_ascii=False, allow_nan=False, indent=2 if _stdout().isatty() else None))


def say(text: str = "", *, indent: int = 0) -> None:
    """Print a result on stdout, on a terminal broken at words, `indent` columns in from the second line on.

    A reader that went away (`| head`) ends the printing and not the work.
    """
    _print(_broken(text, _stdout(), indent))


def note(text: str, *, indent: int = 2) -> None:
    """Print a message on stderr, broken like a result's, without any secret that it may quote."""
    from ragc._secrets import redact

    click.echo(_broken(redact(text), sys.stderr, indent), file=sys.stderr, color=_color(sys.stderr))


def row(label: str, *lines: str, err: bool = False) -> None:
    """Print a label in 10 columns and its text; further lines stand below the first. `err`: on stderr, as a message."""
    for number, line in enumerate(lines or ("",)):
        text = f"{label if number == 0 else '':<{LABEL_WIDTH}} {line}".rstrip()
        (note if err else say)(text, indent=LABEL_WIDTH + 1)


def table(rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> None:
    """Print rows of equal length in aligned columns, two spaces apart; `right` names columns that align right."""
    widths = [max((len(r[column]) for r in rows), default=0) for column in range(len(rows[0]) if rows else 0)]
    for cells in rows:
        aligned = (cell.rjust(widths[i]) if i in right else cell.ljust(widths[i]) for i, cell in enumerate(cells))
        _print("  ".join(aligned).rstrip())


def columns(stream: TextIO | None = None) -> int | None:
    """How wide the terminal behind `stream` (default: where results go) is; None where there is none."""
    stream = _stdout() if stream is None else stream
    if not stream.isatty():
        return None
    if (given := os.environ.get("COLUMNS", "")).isdecimal() and int(given):
        return int(given)
    try:
        return os.get_terminal_size(stream.fileno()).columns or None
    except (OSError, ValueError, AttributeError):
        return None


def _broken(text: str, stream: TextIO, indent: int) -> str:
    """`text` broken at words for the terminal behind `stream`, `indent` columns in from the second line on.

    Piped it stays whole, for a program or `grep` to read, and so does what has several lines (a traceback). A word that
    is too long for a line is left to the terminal. Colours take no room.
    """
    width = columns(stream)
    if width is None or "\n" in text or width - indent < LABEL_WIDTH:
        return text
    lines = [""]
    for word in re.findall(r" *\S+", text):
        longer = lines[-1] + word
        if len(click.unstyle(longer)) > width and len(click.unstyle(lines[-1])) > indent:
            lines.append(" " * indent + word.lstrip(" "))
        else:
            lines[-1] = longer
    return "\n".join(lines)


def style(text: str, **how: Any) -> str:
    """click.style: colours and bold, which `say` and `note` take out again where nobody sees them."""
    return click.style(text, **how)


def duration(seconds: float) -> str:
    """Seconds for a person: `0.4s`, `12s`, `1m 40s`, `2h 05m`."""
    if seconds < 10:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02d}s"
    return f"{whole // 3600}h {whole % 3600 // 60:02d}m"


class Progress:
    """How far a piece of work is, on stderr: a rich bar on a terminal, a plain line every few seconds when piped.

        with Progress("bootstrap", total=4) as progress:
            progress.update(3, text="candidate 3 of 4, best 31.0 (+12.6)")

    `update` may be called from any thread. Nothing is shown when nothing was ever updated.
    """

    EVERY = 5.0
    """Seconds between two plain lines, at least."""

    def __init__(self, label: str, total: int | None = None) -> None:
        self.label = label
        self._total = total
        self._lock = threading.Lock()
        self._started = time.monotonic()
        self._next = self._started + self.EVERY
        self._bar: Any = None
        self._task: Any = None
        self._shown = ""

    def __enter__(self) -> Progress:
        self._started = time.monotonic()
        self._next = self._started + self.EVERY
        if sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
            self._bar = _rich_bar()
            self._task = self._bar.add_task(f"{self.label:<{LABEL_WIDTH}}", total=self._total, text="")
            self._bar.start()
        return self

    def __exit__(self, *exception: object) -> None:
        with self._lock:
            if self._bar is not None:
                self._bar.stop()

    def update(self, done: int, total: int | None = None, text: str = "") -> None:
        """Say that `done` of `total` are finished; `text` stands beside it. `total` None keeps the one before."""
        with self._lock:
            self._total = self._total if total is None else total
            if self._bar is not None:
                self._bar.update(self._task, completed=done, total=self._total, text=text)
                return
            now = time.monotonic()
            if now < self._next:
                return
            self._next = now + self.EVERY
            count = f"{done:,} of {self._total:,}" if self._total else f"{done:,}"
            row(self.label, ", ".join(part for part in (count, text, self._left(done, now)) if part), err=True)

    def _left(self, done: int, now: float) -> str:
        if not done or not self._total or done >= self._total:
            return ""
        return f"{duration((now - self._started) / done * (self._total - done))} left"


def _rich_bar() -> Any:
    """A transient rich progress bar: label, bar, text, time left. NO_COLOR is honoured by rich itself."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        TextColumn("{task.completed}/{task.total}", markup=False),
        TextColumn("{task.fields[text]}", markup=False),
        TimeRemainingColumn(compact=True),
        console=Console(stderr=True),
        transient=True,
        redirect_stdout=False,
        redirect_stderr=True,  # a message while the bar is live is printed above it
    )


def keep_results_apart(command: click.Command) -> click.Command:
    """A copy of the command, and of the commands in it, whose callbacks run with the stdout of libraries on stderr.

    What libraries log has no secret in it.
    """
    callback = command.callback
    if callback is None:
        return command

    @functools.wraps(callback)
    def apart(*args: Any, **kwargs: Any) -> Any:
        from ragc.cli._logs import logs_without_secrets

        with libraries_on_stderr(), logs_without_secrets():
            return callback(*args, **kwargs)

    command = copy.copy(command)
    command.callback = apart
    if isinstance(command, click.Group):
        command.commands = {name: keep_results_apart(one) for name, one in command.commands.items()}
    return command


@contextlib.contextmanager
def libraries_on_stderr() -> Iterator[None]:
    """Lead `sys.stdout`, and file descriptor 1 where it is real, to stderr; `say` and `emit` keep the real stdout."""
    global _results
    if _results is not None:  # a command called from a command
        yield
        return
    stdout = sys.stdout
    stdout.flush()
    try:
        real = stdout.fileno() == 1 and sys.stderr.fileno() == 2
    except (OSError, ValueError, AttributeError):  # pytest's and click's captured streams
        real = False
    with contextlib.ExitStack() as stack:
        if real:
            kept = os.dup(1)
            _results = stack.enter_context(open(kept, "w", encoding=stdout.encoding, errors=stdout.errors))
            os.dup2(2, 1)
            stack.callback(os.dup2, kept, 1)
        else:
            _results = stdout
        stack.enter_context(contextlib.redirect_stdout(sys.stderr))
        try:
            yield
        finally:
            try:
                _results.flush()
            except BrokenPipeError:
                results_lost_their_reader()
            _results = None


def results_lost_their_reader() -> None:
    """Send what is still printed nowhere, so that neither the work nor the interpreter's exit trips over the pipe."""
    sink = os.open(os.devnull, os.O_WRONLY)
    with contextlib.suppress(OSError, ValueError, AttributeError):
        os.dup2(sink, _stdout().fileno())
    os.close(sink)


def _print(text: str) -> None:
    """Print on the real stdout, as it is."""
    stream = _stdout()
    try:
        click.echo(text, file=stream, color=_color(stream))
    except BrokenPipeError:
        results_lost_their_reader()


def _stdout() -> TextIO:
    return sys.stdout if _results is None else _results


def _color(stream: TextIO) -> bool | None:
    return False if os.environ.get("NO_COLOR") else None
