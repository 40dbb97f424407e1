"""The command line: one file a command, each thin: parse, call the public API, print.

The group below knows every command's name and one line about it, so that `ragc --help` imports no command and nothing
that a command needs. A command is imported when it is called.
"""

from __future__ import annotations

from ragc.cli._group import COMMANDS, group, main

__all__ = ["COMMANDS", "group", "main"]
