"""The answer log of one loaded artifact: from a question and what came of it to a line."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ragc.artifact._home import Home
from ragc.artifact._manifest import Manifest
from ragc.artifact.answers._log import LogFile, log_path
from ragc.artifact.answers._record import Asked, Digests, record, sealed
from ragc.artifact.answers._redact import Redact, RedactionFailed, load_redact, redacted, without_content
from ragc.errors import ConfigError

if TYPE_CHECKING:
    import dspy

    from ragc.retrieval import Condition, Index, Search

ID_BYTES = 10
"""Eighty random bits: no two answers of a log have the same id."""


class AnswerLog:
    """Logs what an artifact answers, before it is given. Safe in threads; a forked process opens its own."""

    def __init__(self, file: LogFile, redact: Redact | None, manifest: Manifest, index: Index | None) -> None:
        self._file = file
        self._redact = redact
        self._artifact = {"task": manifest.task, "artifact": manifest.id, "sealed": sealed(manifest)}
        self._digests = Digests(index)

    def ask(self, inputs: Mapping[str, Any], model: str, conditions: Sequence[Condition]) -> Asked:
        """Return the question with the id that its answer will have."""
        return Asked(secrets.token_hex(ID_BYTES), inputs, model, conditions)

    def write(
        self, asked: Asked, searches: Sequence[Search], seconds: float, outcome: dspy.Prediction | Exception
    ) -> None:
        """Log the answer, or the error that the question ended in.

        Raises RagcError when the line cannot be written, and ConfigError when `redact` fails: then the line is there
        without its content, and says why.
        """
        found = record(asked, self._artifact, searches, self._digests, seconds, outcome)
        try:
            line = redacted(found, self._redact)
        except RedactionFailed as error:
            self._file.append(without_content(found, f"redact: {error}"))
            raise ConfigError(
                f"the answer log: redact failed on this answer ({error}); it is logged without content and not given"
            ) from None
        self._file.append(line)

    def check(self) -> None:
        """Raise RagcError when the log cannot be opened."""
        self._file.open()


def open_log(home: Home, manifest: Manifest, index: Index | None) -> AnswerLog | None:
    """Return the log that the project around the artifact names; None where it names none.

    Raises RagcError when it cannot be opened, ConfigError when there is no such `redact`.
    """
    path = log_path(home.audit, home.root)
    if path is None:
        return None
    redact = None if home.redact is None else load_redact(home.redact, home.root)
    log = AnswerLog(LogFile(path), redact, manifest, index)
    log.check()
    return log
