"""Numbers and paths in messages."""

from __future__ import annotations

from pathlib import Path

import pytest

from ragc._messages import cached_share, counted, shown_path


def test_one_is_singular() -> None:
    assert [counted(number, "question") for number in (0, 1, 2, 1_000)] == [
        "0 questions",
        "1 question",
        "2 questions",
        "1,000 questions",
    ]


def test_the_share_of_cached_input_is_told_where_there_is_one() -> None:
    assert cached_share(610, 1000) == " (61% of the input cached)"
    assert cached_share(1, 1000) == " (1% of the input cached)"
    assert cached_share(0, 1000) == cached_share(0, 0) == ""


def test_paths_are_relative_where_they_lie_below_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine").mkdir()
    monkeypatch.chdir(tmp_path / "mine")
    assert shown_path(tmp_path / "mine" / "data" / "a.csv") == "data/a.csv"
    assert shown_path(tmp_path / "mine" / ".." / "mine" / "a.csv") == "a.csv"
    assert shown_path(tmp_path / "mine" / ".." / "a.csv") == str(tmp_path / "a.csv")
