"""What a compile run hands over to be sealed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ragc.report import Question, Source

Json = Mapping[str, Any]
"""What JSON has a form for: no NaN, no infinities, string keys."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One program that the optimizer tried, with its figures on validation."""

    label: str
    """How the optimizer calls it: `bootstrap 3`."""
    score: float | None
    """Mean score, 0 to 1; None when nothing was scored."""
    n: int = 0
    """Questions that were scored."""
    errors: int = 0
    """Questions that ended in an error."""
    scores: Mapping[str, float | None] = field(default_factory=dict)
    """Score by example id; None marks an error."""
    usd_per_question: float | None = None
    """None where a call had no price."""
    latency_p95: float | None = None
    """95th percentile of a question's LM time, seconds."""
    eligible: bool = True
    """False when it is over the task's limits, or was stopped because it was clearly behind."""
    why_not: str | None = None
    """Which limit it is over, or whom it was behind and after how many questions."""
    settings: Json = field(default_factory=dict)
    """What it was tried with: `tried_settings` of its state."""


@dataclass(frozen=True, kw_only=True)
class Content:
    """Everything that goes into an artifact. The id is taken over the part above `built`, see `Manifest`."""

    task: str
    """The task's name; the artifact's too."""
    program: str
    """`module:Class`, never a bare name."""
    state: Json
    """`program.dump_state(json_mode=True)` of what is sealed; no predictor in it has an LM of its own."""
    sources: Mapping[str, bytes]
    """Path below the project's root and bytes, from `collect_sources`."""
    model: Json
    """`ragc.models.describe`, with `answered_by` where the provider named the model that it resolved to."""
    lm: Json
    """The `lm` table of that model: `ModelSettings.model_dump(mode="json")`."""
    adapter: str
    """Class name of the DSPy adapter."""
    embedder: Json
    """The embedder as it states itself: `name`, `fingerprint`, `dimensions`."""
    embedder_settings: Json
    """The `embedder` table: `EmbedderSettings.model_dump(mode="json")`."""
    chunking: Json
    """`ChunkSettings.model_dump(mode="json")`."""
    fingerprints: Mapping[str, str]
    """Of `examples`, `splits` and `corpus`."""
    optimizer: Json | None
    """`name`, `settings`, `seed`; None when nothing was optimized."""
    metric: str
    """A metric of ragc's, or `module:function`."""
    scores: Mapping[str, Mapping[str, Mapping[str, float | None]]]
    """By split (`validation`, `test`), program (`baseline`, `compiled`) and example id; None marks an error."""
    verdict: Json
    """`word` (better, not shown, worse, not tested), `sentence`, `difference`, `ci_low`, `ci_high`, `p_value`, `n`."""
    sealed: str
    """Which program this is: `candidate` or `baseline`."""
    cost: Json
    """`usd`, `calls`, `input_tokens`, `cached_input_tokens` (of those), `output_tokens`: what it took in all."""

    method: str | None = None
    """How the metric measured, where its name leaves that open: `lexical`, `judged`."""
    judge: Json | None = None
    """Who judged the scores: `metric`, `model` and `prompt`, which are part of the id, and what is known of it by
    `Judged.as_json`, which is not; None where no model did."""
    quoted: Mapping[str, str] = field(default_factory=dict)
    """Id of its document by the id of each passage that a demonstration quotes: `quoted_documents`."""
    documents: Mapping[str, str] = field(default_factory=dict)
    """The digest of every document of the corpus by its id, so that `status` can tell how far it has moved."""
    built: Json = field(default_factory=dict)
    """This one run: `seconds`, `latency`, `paid`, `stopped`, `corpus` (its path), `rerankers` (their tables). Time,
    machine, versions and git commit are added on sealing, and `lm` and `embedder`: address, key variable, timeout."""
    results: Json = field(default_factory=dict)
    """`validation` and `test`, each `baseline` and `compiled`: `Evaluation.details()`; `detectable_gain`; `modes`, by
    program: how many test questions it fails in which way."""
    candidates: tuple[Candidate, ...] = ()
    """Every candidate, in the order of trying."""
    baseline_settings: Json = field(default_factory=dict)
    """`tried_settings` of the baseline's state, to be compared with the candidates'."""
    questions: tuple[Question, ...] = ()
    """The test split, for the report, with what `baseline` and `compiled` answered; empty when nothing was tested."""
    passages: tuple[Source, ...] = ()
    """What they answered it from, for the report."""
