from __future__ import annotations

import io
import json
import subprocess
import sys
import threading

import click
import pytest

from ragc.cli import _terminal
from ragc.cli._terminal import Progress, duration, emit, keep_results_apart, libraries_on_stderr, note, row, say, table


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0s"),
        (9.94, "9.9s"),
        (12, "12s"),
        (59.6, "1m 00s"),
        (100, "1m 40s"),
        (3600, "1h 00m"),
        (7500, "2h 05m"),
    ],
)
def test_duration_reads_as_a_person_says_it(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_row_pads_the_label_to_ten_columns(capsys: pytest.CaptureFixture[str]) -> None:
    row("test", "first", "second")
    assert capsys.readouterr().out == "test       first\n           second\n"


def test_table_aligns_columns(capsys: pytest.CaptureFixture[str]) -> None:
    table([["a", "1"], ["long", "100"]], right=[1])
    assert capsys.readouterr().out == "a       1\nlong  100\n"


def test_an_empty_table_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    table([])
    assert capsys.readouterr().out == ""


def test_emit_refuses_what_is_not_json() -> None:
    with pytest.raises(ValueError, match="JSON"):
        emit({"score": float("nan")})


def test_what_libraries_print_goes_to_stderr_and_results_to_stdout() -> None:
    code = """
import os
from ragc.cli._terminal import emit, libraries_on_stderr
with libraries_on_stderr():
    print("a library", flush=True)
    os.write(1, b"a C library\\n")
    emit({"a": 1})
print("afterwards")
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    first, second = result.stdout.splitlines()
    assert json.loads(first) == {"a": 1}
    assert second == "afterwards"
    assert result.stderr.splitlines() == ["a library", "a C library"]


def test_results_are_written_from_other_threads_too(capsys: pytest.CaptureFixture[str]) -> None:
    with libraries_on_stderr():
        thread = threading.Thread(target=say, args=("from a thread",))
        thread.start()
        thread.join()
    assert capsys.readouterr().out == "from a thread\n"


def test_stdout_is_back_after_an_exception(capsys: pytest.CaptureFixture[str]) -> None:
    before = sys.stdout
    with pytest.raises(KeyError), libraries_on_stderr():
        raise KeyError("x")
    assert sys.stdout is before
    assert _terminal._results is None


def test_a_command_is_wrapped_in_a_copy() -> None:
    @click.command()
    def command() -> None:
        """Do."""

    original = command.callback
    assert keep_results_apart(command).callback is not original
    assert command.callback is original


def test_progress_is_sparse_when_piped(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("ragc.cli._terminal.time.monotonic", lambda: now[0])
    with Progress("bootstrap", total=100) as progress:
        for done in range(1, 21):
            now[0] += 1
            progress.update(done, text="best 31.0")
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert len(lines) == 4
    assert lines[0] == "bootstrap  5 of 100, best 31.0, 1m 35s left"


def test_progress_says_nothing_about_work_that_is_short(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress("index", total=3) as progress:
        for done in range(4):
            progress.update(done)
    assert capsys.readouterr().err == ""


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("variable", "colored"), [(None, True), ("1", False)])
def test_no_color_is_honoured(variable: str | None, colored: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = _Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    if variable:
        monkeypatch.setenv("NO_COLOR", variable)
    note(_terminal.style("red", fg="red"))
    assert ("\x1b[" in stream.getvalue()) is colored


def test_nothing_is_coloured_when_piped(capsys: pytest.CaptureFixture[str]) -> None:
    say(_terminal.style("red", fg="red"))
    assert capsys.readouterr().out == "red\n"


def test_a_terminal_gets_lines_broken_at_words_and_below_their_text(monkeypatch: pytest.MonkeyPatch) -> None:
    out, err = _Terminal(), _Terminal()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    monkeypatch.setenv("COLUMNS", "30")
    row("made", "eleven files in a folder that has a long name", "short")
    row("made", "eleven files in a folder", err=True)
    note("error: a message that goes on for longer than that")
    say("an answer that is longer than thirty columns")
    assert out.getvalue().splitlines() == [
        "made       eleven files in a",
        "           folder that has a",
        "           long name",
        "           short",
        "an answer that is longer than",
        "thirty columns",
    ]
    assert err.getvalue().splitlines() == [
        "made       eleven files in a",
        "           folder",
        "error: a message that goes on",
        "  for longer than that",
    ]


def test_what_a_terminal_breaks_is_whole_when_piped(capsys: pytest.CaptureFixture[str]) -> None:
    long = " ".join(["word"] * 60)
    row("made", long)
    note(long)
    assert capsys.readouterr() == (f"made       {long}\n", f"{long}\n")


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (f"x{'y' * 40} z", [f"x{'y' * 40}", "z"]),
        ("two  spaces   stay", ["two  spaces   stay"]),
        ("Traceback (most recent call last):\n  File that is long", None),
        ("", [""]),
    ],
    ids=["a long word", "inner spaces", "several lines", "nothing"],
)
def test_what_cannot_be_broken_is_left_to_the_terminal(
    text: str, lines: list[str] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = _Terminal()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setenv("COLUMNS", "20")
    say(text)
    assert out.getvalue().splitlines() == (text.splitlines() if lines is None else lines)


def test_colours_take_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    out = _Terminal()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setenv("COLUMNS", "20")
    say(_terminal.style("twenty columns wide.", fg="red"))
    assert out.getvalue().count("\n") == 1


def test_json_and_tables_are_never_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    out = _Terminal()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setenv("COLUMNS", "20")
    emit({"answer": "a text that is longer than twenty columns"})
    assert json.loads(out.getvalue())
    table([["a cell that is long", "another that is long"]])
    assert out.getvalue().splitlines()[-1] == "a cell that is long  another that is long"
