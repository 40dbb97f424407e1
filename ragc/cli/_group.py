"""The `ragc` group: loads a command when it is called, and turns what it raises into one line and an exit code."""

from __future__ import annotations

import difflib
import errno
import importlib
import os
import sys
import traceback
from typing import NoReturn

import click

from ragc import __version__
from ragc.cli._terminal import keep_results_apart, note, results_lost_their_reader
from ragc.errors import Interrupted, RagcError

COMMANDS = {
    "init": "Make a new project that compiles as it is.",
    "add": "Copy a starter program or optimizer in, to be read and edited.",
    "index": "Bring the store up to date with the corpus of TASK.",
    "search": "Show the passages that retrieval alone finds for QUERY in the corpus of TASK, best first.",
    "compile": "Compile TASK (default: the only one) and seal the result under compiled/.",
    "eval": "Score an artifact on its task's examples.",
    "compare": "Compare arms on the test questions of TASK: quality, cost and speed.",
    "ask": "Answer QUESTION with an artifact, and show the passages that support the answer.",
    "audit": "Show what stands behind an answer: passages, documents, artifact, verdict and labels.",
    "check": "Check the health of the labels and the corpus of TASK.",
    "label": "Draft labels for TASK from its corpus, and accept, mend or reject each yourself.",
    "judge": "Judge answers of TASK yourself, so that the model that judges them is calibrated.",
    "status": "Show how good the artifact of TASK is, how far its corpus has moved and what is due.",
    "advise": "RAG, compile or fine-tune for TASK? One recommendation, why, what would change it, and what each costs.",
    "show": "Show what an artifact is, how good it is and what it cost.",
    "journal": "Show what the journal holds, and what was paid for it, by task, model and run.",
    "export": "Write a promptfoo configuration that answers with TASK's artifact and scores with its metric.",
    "verify": "Check every file of an artifact against its manifest.",
    "doctor": "Say what is installed, reachable and configured, and what to do about the rest.",
}
"""Name and short help of every command, in the order of `ragc --help`. A test holds it to the commands' own help."""

EPILOG = """\b
Exit codes: 0 done · 1 a check you asked for failed · 2 something you can fix ·
3 the budget ran out · 70 a bug in ragc · 130 interrupted.
Errors go to stderr as one line, with --json as well."""

# A full or read-only disk, wherever it shows: the user's to mend, and no bug.
_DISK = {errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EPERM, errno.EDQUOT}


class LazyGroup(click.Group):
    """Unlike click.Group: imports `ragc.cli.<name>` when that command is called or asked for help, and not before."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"ragc.cli.{cmd_name}").command
        return keep_results_apart(command)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError:
            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            if not near:
                raise
            raise click.UsageError(f"No such command '{args[0]}', did you mean '{near[0]}'?", ctx) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=LazyGroup,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="ragc", message="%(prog)s %(version)s")
def group() -> None:
    """Compile RAG programs: declare, label, compile under a budget, import the sealed result."""


def main(args: list[str] | None = None) -> NoReturn:
    """Run the command line and exit: the one place where an exception becomes a line on stderr and an exit code."""
    sys.exit(_run(args))


def _run(args: list[str] | None) -> int:
    try:
        returned = group.main(args=args, prog_name="ragc", standalone_mode=False)
        code = returned if isinstance(returned, int) else 0
        sys.stdout.flush()
        return code
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return 2
    except click.ClickException as error:
        where = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else None
        note(f"error: {error.format_message()}" + (f" (see {where} --help)" if where else ""))
        return error.exit_code
    except (click.Abort, Interrupted, KeyboardInterrupt):
        note("interrupted")
        return Interrupted.exit_code
    except RagcError as error:
        note(f"error: {error}")
        return error.exit_code
    except BrokenPipeError:
        results_lost_their_reader()
        return 0
    except OSError as error:
        if error.errno in _DISK:
            note(f"error: {error.strerror}: {error.filename or 'no file named'}")
            return 2
        return _bug(error)
    except Exception as error:  # noqa: BLE001 the boundary: whatever was not foreseen ends as one line, not as a traceback
        return _bug(error)


def _bug(error: Exception) -> int:
    if os.environ.get("RAGC_DEBUG"):
        note("".join(traceback.format_exception(error)).rstrip())
        return 70
    text = " ".join(str(error).split()) or "no message"
    note(f"error: a bug in ragc: {type(error).__name__}: {text} (RAGC_DEBUG=1 shows the traceback)")
    return 70
