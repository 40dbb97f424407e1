"""What `ragc index` says of a corpus that the embedded store is too small for."""

from __future__ import annotations

import pytest

from ragc.cli.index import MANY, _print
from ragc.retrieval import IndexReport


def report(passages: int) -> IndexReport:
    return IndexReport(
        added=1, changed=0, removed=0, unchanged=0, passages=passages, embedded=0, seconds=1.0, skipped=()
    )


def test_a_corpus_beyond_one_file_is_told_where_it_belongs(capsys: pytest.CaptureFixture[str]) -> None:
    _print("wiki", report(1_000_000), "sqlite://.ragc/index.db")
    assert "reads all 1,000,000 passages, 40 to 50 ms for each 100,000" in (told := capsys.readouterr().err)
    assert 'store = "weaviate://host:8080"' in told
    _print("wiki", report(MANY - 1), "sqlite://.ragc/index.db")
    _print("wiki", report(1_000_000), "weaviate://host:8080")
    assert capsys.readouterr().err == ""
