"""The answer log: what was answered, from what, by which artifact; and the way back from an answer to all of it.

An answer is written to the log before it is given, and one that cannot be logged is not given: a log with holes proves
nothing. `ragc audit ID` reads it.
"""

from __future__ import annotations

from ragc.artifact.answers._answers import AnswerLog, open_log
from ragc.artifact.answers._log import LogFile, log_path
from ragc.artifact.answers._record import Asked
from ragc.artifact.answers._redact import load_redact

__all__ = ["AnswerLog", "Asked", "LogFile", "load_redact", "log_path", "open_log"]
