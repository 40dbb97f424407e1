"""What the journal keeps, as values: responses, what they were used for, and the runs that used them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, TypedDict

from ragc.models.gateway._amounts import Amounts

RunState = Literal["running", "interrupted", "budget", "time", "errors", "sealed", "failed"]
"""How far a run got; `budget`, `time` and `errors` say why it stopped. A run whose process was killed is `running`."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One response, as it was received: the answer to its key for ever."""

    key: str
    """64 hexadecimal digits."""
    kind: Literal["lm", "embedding", "rerank"]
    model: str
    """The model string as configured."""
    provider: str
    request: Mapping[str, Any]
    """All that the key is made of, as JSON; never a header. Of an entry that was found: decoded when looked at."""
    response: Mapping[str, Any]
    """The response as JSON, redacted by whoever hands it in."""
    input_tokens: int
    """Tokens of the prompt, cached ones included."""
    cached_input_tokens: int
    output_tokens: int
    """Tokens of the response, reasoning included."""
    usd: Fraction | None
    """US dollars at the price of the day; None: no price was known."""
    seconds: float
    """Model time of the attempt that counted."""
    run: str
    """The run that paid."""
    task: str
    created: str
    """When it was received, ISO 8601; UTC to the microsecond when read back."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """What a claim came to. Neither `mine` nor an entry: the key is in flight elsewhere, see `Journal.wait`."""

    mine: bool
    """The request is the caller's to send; `settle` or `release` must follow."""
    entry: Entry | None = None
    """Somebody has answered already."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a call of a run has no answer; a replay fails alike."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Use:
    """One call that a step made."""

    example: str | None
    """The id of the example it was made for; None: for none."""
    ordinal: int
    """Which of the example's calls, from 0."""
    key: str
    error: str | None = None
    """Why there was no answer; None: there was one."""


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One complete unit of decision of a run, and what it used."""

    number: int
    label: str
    uses: tuple[Use, ...]


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run, across all commands that worked on it."""

    id: str
    task: str
    identity: str
    """The hash of everything that decides the result."""
    components: Mapping[str, Any]
    """What `identity` is made of, so that two runs can be told apart in words."""
    caps: Mapping[str, Any]
    generation: int = 0
    state: RunState = "running"
    stop: int | None = None
    """The number of the step that a stop cut."""
    admitted: int = 0
    """How many steps were begun: a step that was begun once is not refused later because it looks too dear."""
    artifact: str | None = None
    """The id of what was sealed."""
    seconds: float = 0.0
    """Wall clock used so far."""
    created: str = ""
    """When it began, ISO 8601; the journal sets it."""


class RunChanges(TypedDict, total=False):
    """What `Journal.update_run` can change."""

    caps: Mapping[str, Any]
    state: RunState
    stop: int | None
    admitted: int
    artifact: str | None
    seconds: float


@dataclass(frozen=True, slots=True)
class Cost:
    """What the entries that a run used took, each counted once, at the price first paid."""

    amounts: Amounts
    """`calls` is the number of entries; `usd` the sum of the known prices."""
    cached_input_tokens: int
    unpriced: int
    """Entries without a price."""


@dataclass(frozen=True, slots=True)
class Pruned:
    """What `Journal.prune` took out."""

    entries: int
    usd: Fraction
    """What they had cost."""
    runs: int
    bytes: int
    """How much smaller the file is."""


@dataclass(frozen=True, slots=True)
class Share:
    """The entries of one task, model or run."""

    name: str
    entries: int
    input_tokens: int
    output_tokens: int
    usd: Fraction
    """The sum of the known prices."""
    unpriced: int
    """Entries without a price."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What was paid for what."""

    path: Path | None
    """None: the journal is in memory."""
    bytes: int
    total: Share
    by_task: Sequence[Share]
    by_model: Sequence[Share]
    by_run: Sequence[tuple[Share, RunRecord | None]]
    """The newest first; None: entries whose run is not recorded."""
    unanswered: int
    """Requests that may have been paid for and brought no response: in flight when a process ended, and the like."""
