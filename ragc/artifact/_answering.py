"""One question on its way through an artifact: what it may see, and the line that the answer log gets of it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import dspy

from ragc.artifact._failures import explained
from ragc.errors import RagcError
from ragc.retrieval import DSPY_KEY, access

if TYPE_CHECKING:
    from ragc.artifact._serving import Opened
    from ragc.retrieval import Condition, Search


class Answering:
    """A question, from when it is asked until it is answered or has failed; without an answer log nothing is kept."""

    def __init__(self, opened: Opened, inputs: Mapping[str, Any], conditions: Sequence[Condition]) -> None:
        self._opened = opened
        self._log = opened.log
        self._asked = None if opened.log is None else opened.log.ask(inputs, opened.model, conditions)
        self._conditions = conditions
        self._searches: Sequence[Search] = ()
        self._began = time.monotonic()

    @property
    def provenance(self) -> dict[str, str]:
        """What the answer says about its own line in the log."""
        return {} if self._asked is None else {"answer_id": self._asked.id}

    @contextlib.contextmanager
    def context(self) -> Iterator[None]:
        """Answer in the block: with the artifact's model and adapter, while its filters hold for every search.

        What is found is noted, and what DSPy raises is explained.
        """
        opened = self._opened
        with access(self._conditions) as seen, explained(opened.model):
            self._searches = seen.searches
            with dspy.context(lm=opened.lm, adapter=opened.adapter, **{DSPY_KEY: seen}):
                yield

    def end(self, outcome: dspy.Prediction | Exception) -> None:
        """Log the answer or the error. An answer that cannot be logged is refused: RagcError, in one line.

        An error stands, whatever the log says; that is a note on it.
        """
        if self._log is None or self._asked is None:
            return
        try:
            self._log.write(self._asked, self._searches, time.monotonic() - self._began, outcome)
        except RagcError as error:
            if not isinstance(outcome, Exception):
                raise
            outcome.add_note(str(error))

    async def aend(self, outcome: dspy.Prediction | Exception) -> None:
        """Unlike `end`: does not block the event loop."""
        if self._log is not None:
            await asyncio.to_thread(self.end, outcome)
