"""What a report is about: arms that answered the same questions, and how one of them came to be.

A compile is a study of two arms, the program before it and after it; a comparison has as many as it likes. Everything
here is text and figures: a report asks nobody.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any, TypeVar

from ragc._secrets import redact

Told = TypeVar("Told")


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One arm against the baseline, in points of the score (0 to 1); None where a figure does not exist."""

    verdict: str
    """`better`, `not shown`, `worse` or `not tested`."""
    sentence: str = ""
    difference: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    """The 95% interval."""
    p_value: float | None = None


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One contestant."""

    name: str
    figures: Mapping[str, Any] = field(default_factory=dict)
    """`Evaluation.details()` on the questions; `ci_low` and `ci_high` of the score where they are known."""
    validation: Mapping[str, Any] | None = None
    """The same on the questions that the search saw."""
    difference: Difference | None = None
    """None: it is the baseline, or was not compared."""
    note: str | None = None
    """Why it has no figures, or what else is to be said of it."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What an arm answered to a question."""

    text: str | None
    """None after an error."""
    score: float | None
    """0 to 1; None after an error."""
    mode: str | None = None
    """Why it is not fully right: a name of `ragc.evaluation.MODES`."""
    recall: float | None = None
    """Share of the evidence among its passages; None where that cannot be told."""
    passages: tuple[str, ...] = ()
    """Ids of the passages that it was given, best first."""
    citations: tuple[str, ...] = ()
    """Ids of those that support it."""
    error: str | None = None


@dataclass(frozen=True, kw_only=True)
class Question:
    """One question, with what was expected and what each arm answered."""

    id: str
    question: str
    answers: tuple[str, ...]
    """What is accepted; none: the corpus does not know."""
    slice: str | None = None
    evidence: tuple[str, ...] = ()
    """Where the answer stands, as the label says."""
    doubt: str | None = None
    """Why its label may no longer fit the documents."""
    given: Mapping[str, Answer] = field(default_factory=dict)
    """By the arm's name."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """A passage that was given to an arm."""

    id: str
    place: str
    """Document, headings, page."""
    text: str


@dataclass(frozen=True, kw_only=True)
class Tried:
    """One candidate of a search, on validation."""

    label: str
    score: float | None
    n: int = 0
    errors: int = 0
    eligible: bool = True
    why_not: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    usd_per_question: float | None = None
    latency_p95: float | None = None


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """What a predictor is told."""

    name: str
    instructions: str
    demonstrations: tuple[Mapping[str, Any], ...] = ()

    @property
    def counted(self) -> str:
        """How many demonstrations there are, in words."""
        count = len(self.demonstrations)
        return f"{count or 'no'} demonstration{'' if count == 1 else 's'}"


@dataclass(frozen=True, kw_only=True)
class Step:
    """Something to do: by whom, and what. Code stands in backticks."""

    who: str
    what: str


@dataclass(frozen=True, kw_only=True)
class Study:
    """Everything on a page. Every text may come from data or a model: the page escapes all of it."""

    task: str
    name: str
    """The artifact's id, or the experiment's name."""
    metric: str
    """As it stands before a score, with a word on a judge that is not calibrated."""
    word: str
    """The verdict: `better`, `not shown`, `worse`, `not tested`."""
    sentence: str
    baseline: str
    """The name of the arm that the others are compared with."""
    subject: str
    """The arm that the page is about: the sealed one, or the one that is recommended."""
    used: str = ""
    """The arm that is to be used, whose failures are worth doing something about; empty: the subject."""
    notes: tuple[str, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    """Cost, model, time: shown with the verdict."""
    first: tuple[Step, ...] = ()
    """What to do with the result, before anything that the questions tell."""
    arms: tuple[Arm, ...] = ()
    """The baseline among them."""
    detectable_gain: float | None = None
    """The gain that so many questions show with 80% power."""
    questions: tuple[Question, ...] = ()
    sources: tuple[Source, ...] = ()
    search: tuple[Tried, ...] = ()
    """What the search tried, in its order, the uncompiled program first."""
    prompts: tuple[Prompt, ...] = ()
    configuration: tuple[tuple[str, str], ...] = ()
    commands: tuple[str, ...] = ()
    """Lines to type: to use it, to see it again from the journal."""

    def arm(self, name: str) -> Arm | None:
        """The arm of that name; None where it has none."""
        return next((arm for arm in self.arms if arm.name == name), None)


def redacted(value: Told) -> Told:
    """Return `value` with every secret taken out of every text in it: a provider or a program may quote a key."""
    cleaned: Any = value
    if isinstance(value, str):
        cleaned = redact(value)
    elif is_dataclass(value) and not isinstance(value, type):
        cleaned = replace(value, **{one.name: redacted(getattr(value, one.name)) for one in fields(value)})
    elif isinstance(value, Mapping):
        cleaned = {redacted(key): redacted(item) for key, item in value.items()}
    elif isinstance(value, tuple):
        cleaned = tuple(redacted(item) for item in value)
    return cleaned  # type: ignore[no-any-return]  # of the same type
