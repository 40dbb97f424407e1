from __future__ import annotations

import errno
import sys
from pathlib import Path

import click
import pytest

from ragc.cli import COMMANDS, group, main
from ragc.errors import BudgetExhausted, CheckFailed, ConfigError

DOCS = Path(__file__).resolve().parents[3] / "docs"


@pytest.mark.parametrize("name", COMMANDS)
def test_the_table_of_help_agrees_with_the_command(name: str) -> None:
    command = group.get_command(click.Context(group), name)
    assert command is not None
    assert command.help is not None
    assert " ".join(command.help.strip().split("\n\n")[0].split()) == COMMANDS[name]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_json(name: str) -> None:
    command = group.get_command(click.Context(group), name)
    assert command is not None
    assert "--json" in [option for parameter in command.params for option in parameter.opts]


def test_the_page_of_help_is_current(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(DOCS))
    sys.modules.pop("cli", None)
    import cli as generator  # type: ignore[import-not-found]

    assert (DOCS / "cli.md").read_text("utf-8") == generator.page(), "run `make docs`"


@pytest.mark.parametrize(
    ("raised", "code", "line"),
    [
        (ConfigError("no task x"), 2, "error: no task x"),
        (CheckFailed("below 0.5"), 1, "error: below 0.5"),
        (BudgetExhausted("used up"), 3, "error: used up"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (OSError(errno.ENOSPC, "No space left on device", "/x"), 2, "error: No space left on device: /x"),
        (ValueError("a\nb"), 70, "error: a bug in ragc: ValueError: a b (RAGC_DEBUG=1 shows the traceback)"),
    ],
)
def test_what_a_command_raises_is_one_line_and_an_exit_code(
    raised: BaseException,
    code: int,
    line: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    @click.command()
    def failing() -> None:
        raise raised

    monkeypatch.setattr("ragc.cli._group.LazyGroup.get_command", lambda *_: failing)
    with pytest.raises(SystemExit) as exit_:
        main(["show"])
    assert exit_.value.code == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.strip() == line


def test_debug_shows_the_traceback_without_a_key(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OUR_KEY", "sk-planted-0123456789")

    @click.command()
    def failing() -> None:
        raise ValueError("deep sk-planted-0123456789")

    monkeypatch.setattr("ragc.cli._group.LazyGroup.get_command", lambda *_: failing)
    monkeypatch.setenv("RAGC_DEBUG", "1")
    with pytest.raises(SystemExit) as exit_:
        main(["show"])
    assert exit_.value.code == 70
    err = capsys.readouterr().err
    assert err.startswith("Traceback") and err.rstrip().endswith("ValueError: deep ***")
    assert "planted" not in err.replace('"deep sk-planted-0123456789"', "")


@pytest.mark.parametrize(
    ("args", "line"),
    [
        (["--nonsense"], "error: No such option '--nonsense'. (see ragc --help)"),
        (["compil"], "error: No such command 'compil', did you mean 'compile'? (see ragc --help)"),
        (["aks"], "error: No such command 'aks', did you mean 'ask'?"),
        (["xyzzy"], "error: No such command 'xyzzy'"),
        (["eval", "x", "--fail-under", "95"], "error: Invalid value for '--fail-under': scores are 0 to 1 here: 0.95"),
        (["eval", "x", "--fail-under", "nan"], "error: Invalid value for '--fail-under': scores are 0 to 1 here: 0.95"),
    ],
)
def test_a_mistyped_word_is_one_line(args: list[str], line: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(args)
    assert exit_.value.code == 2
    assert capsys.readouterr().err.startswith(line)


def test_the_exit_code_a_command_chooses_is_the_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command()
    @click.pass_context
    def chosen(ctx: click.Context) -> None:
        ctx.exit(3)

    monkeypatch.setattr("ragc.cli._group.LazyGroup.get_command", lambda *_: chosen)
    with pytest.raises(SystemExit) as exit_:
        main(["show"])
    assert exit_.value.code == 3
