"""What libraries log while a command runs: without any secret that it may quote."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from typing import Any

from ragc._secrets import redact


@contextlib.contextmanager
def logs_without_secrets() -> Iterator[None]:
    """Clean every log record of the process, whichever library makes it and wherever it goes."""
    before = logging.getLogRecordFactory()
    formatter = logging.Formatter()

    def clean(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = before(*args, **kwargs)
        try:
            record.msg, record.args = redact(record.getMessage()), None
        except (TypeError, ValueError, KeyError):  # a message that does not fit its arguments; logging itself says so
            return record
        if record.exc_info and record.exc_info[0] is not None:
            record.exc_text = redact(formatter.formatException(record.exc_info))
        return record

    logging.setLogRecordFactory(clean)
    try:
        yield
    finally:
        logging.setLogRecordFactory(before)
