"""Writes docs/cli.md from the commands' own help: `python docs/cli.py`, or `make docs`. A test holds it current."""

from __future__ import annotations

from pathlib import Path

import click

from ragc.cli import COMMANDS, group

TARGET = Path(__file__).resolve().parent / "cli.md"

HEAD = """# The command line

Written by `make docs` from the commands' own help.
"""

TAIL = """
## Completion

Commands, options, tasks and starter files complete in bash, zsh and fish once the shell has this line:

```
eval "$(_RAGC_COMPLETE=bash_source ragc)"              # ~/.bashrc
eval "$(_RAGC_COMPLETE=zsh_source ragc)"               # ~/.zshrc
_RAGC_COMPLETE=fish_source ragc | source               # ~/.config/fish/completions/ragc.fish
```

## Scores

One scale, two ways of writing it. Between 0 (wrong) and 1 (right) wherever a program reads or writes a score: metrics,
`--json`, manifests, MLflow, the optimizers' settings, and `--fail-under`. In points, 0 to 100 with one decimal,
wherever a person reads one: progress, tables, cards and reports; a difference too (`+14.2`). How well a passage fits a
query, in `ragc search`, is something else, 0 to 1 as well.

## For scripts

`--json` prints exactly one JSON object on stdout; progress, messages and whatever libraries print go to stderr. An
error is one line on stderr, `error: …`, with `--json` as well, and stdout is then empty; the exit code says which kind.
On a terminal, messages break at words; piped, each stays one line. `NO_COLOR` is honoured, and nothing is coloured when
it is piped. `RAGC_DEBUG=1` shows the traceback of a bug.
"""


def page() -> str:
    """The whole page."""
    context = group.make_context("ragc", [], resilient_parsing=True, terminal_width=90, max_content_width=90)
    parts = [HEAD, _help("ragc", context)]
    for name in COMMANDS:
        command = group.get_command(context, name)
        if command is None:
            raise LookupError(f"no command {name}")
        inside = click.Context(command, parent=context, info_name=name)
        parts.append(_help(f"ragc {name}", inside))
        if isinstance(command, click.Group):
            for word, part in command.commands.items():
                parts.append(_help(f"ragc {name} {word}", click.Context(part, parent=inside, info_name=word)))
    return "\n".join([*parts, TAIL.removeprefix("\n")])


def _help(title: str, context: click.Context) -> str:
    return f"## {title}\n\n```\n{context.command.get_help(context)}\n```\n"


if __name__ == "__main__":
    TARGET.write_text(page(), encoding="utf-8")
