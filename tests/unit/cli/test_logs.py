"""Log records of libraries while a command runs."""

from __future__ import annotations

import logging

import pytest

from ragc.cli._logs import logs_without_secrets

KEY = "sk-planted-0123456789abcdef"


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUR_KEY", KEY)


@pytest.mark.usefixtures("planted")
def test_records_hold_no_key(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("some.library")
    with logs_without_secrets():
        logger.warning("asked with %s, %d times", KEY, 3)
        try:
            raise ValueError(f"refused {KEY}")
        except ValueError:
            logger.exception("failed")
    assert "asked with ***, 3 times" in caplog.text
    assert "ValueError: refused ***" in caplog.text
    assert "planted" not in caplog.text.replace('f"refused {KEY}"', "")


@pytest.mark.usefixtures("planted")
def test_afterwards_records_are_as_they_were(caplog: pytest.LogCaptureFixture) -> None:
    before = logging.getLogRecordFactory()
    with logs_without_secrets():
        pass
    assert logging.getLogRecordFactory() is before


def test_a_record_that_does_not_fit_its_arguments_is_logging_s_own_matter(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging, "raiseExceptions", False)
    with logs_without_secrets():
        record = logging.getLogRecordFactory()("x", logging.INFO, "file", 1, "%d times", ("three",), None)
    assert record.args == ("three",)
