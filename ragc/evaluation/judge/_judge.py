"""The judge of a run: a model that scores answers, through the gateway like every other."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import dspy

from ragc._files import canonical_json, digest
from ragc.errors import ExampleError
from ragc.evaluation._failures import describe_error, fatal_cause, is_transient
from ragc.evaluation.judge._programs import FORM, AnswerJudge, StyleJudge, SupportJudge
from ragc.evaluation.metrics import Score
from ragc.models import describe, make_adapter, make_lm

if TYPE_CHECKING:
    from ragc.models import Gateway
    from ragc.project import ModelSettings

_PROGRAMS: Mapping[str, Callable[[], dspy.Module]] = {
    "faithfulness": SupportJudge,
    "semantic_f1": AnswerJudge,
    "tone": StyleJudge,
}
"""By the name of the metric that asks it."""
JUDGED = tuple(sorted(_PROGRAMS))
"""The metrics that a judge scores."""


class NotJudged(ExampleError):
    """The judge gave no score: that example's error."""

    def __init__(self, text: str, *, transient: bool) -> None:
        super().__init__(text)
        self.transient = transient


@dataclass(frozen=True)
class Judge:
    """A model with the programs that it judges by. Safe in threads; every call goes through `gateway`.

    Its methods return a `Score`, 0 to 1 with feedback, and raise NotJudged where the model cannot be asked or answers
    off its scale twice, and what ends a run (BudgetExhausted, ModelError). `rollout` asks anew what was asked before.
    """

    settings: ModelSettings
    lm: dspy.LM
    adapter: dspy.Adapter
    gateway: Gateway
    programs: Mapping[str, dspy.Module]

    @classmethod
    def open(cls, settings: ModelSettings, gateway: Gateway, *, answers: dspy.Module | None = None) -> Judge:
        """The judge that `settings` name; `answers` stands in for `AnswerJudge`, a compiled one for instance.

        Raises ModelError without a key, BudgetError without a price under a cap in USD.
        """
        lm = make_lm(settings, gateway=gateway)
        # Repeats are told apart by their rollout and asked at the judge's own temperature, of which DSPy warns at 0.
        lm._warned_zero_temp_rollout = True
        programs = {name: make() for name, make in _PROGRAMS.items()}
        if answers is not None:
            programs["semantic_f1"] = answers
        return cls(settings, lm, make_adapter(settings), gateway, programs)

    @property
    def model(self) -> str:
        """The model's name, as configured."""
        return self.settings.model

    def prompt(self, metric: str) -> str:
        """What decides on its scores: a digest over model, adapter, instructions, demonstrations and form."""
        return prompt_of(self.settings, metric, self.programs[metric])

    def graded(self, question: str, accepted: Sequence[str], given: str, rollout: int = 0) -> Score:
        """How far `given` says what one of `accepted` says."""
        return self._ask("semantic_f1", question=question, accepted=accepted, given=given, rollout=rollout)

    def supported(self, question: str, sentences: Sequence[str], passages: Sequence[str], rollout: int = 0) -> Score:
        """The share of `sentences` that one of `passages` supports."""
        return self._ask("faithfulness", question=question, sentences=sentences, passages=passages, rollout=rollout)

    def styled(self, question: str, rules: Sequence[str], given: str, rollout: int = 0) -> Score:
        """The share of `rules` that `given` keeps."""
        return self._ask("tone", question=question, rules=rules, given=given, rollout=rollout)

    def _ask(self, metric: str, **inputs: Any) -> Score:
        try:
            with dspy.context(lm=self.lm, adapter=self.adapter, trace=[]):
                found = self.programs[metric](**inputs)
        except Exception as cause:  # a compiled judge can raise anything: the example's error, or the run's
            fatal = fatal_cause(cause) or self.gateway.fatal
            if fatal is not None:
                raise fatal from cause
            told = f"the judge {self.model}: {describe_error(cause)}"
            raise NotJudged(told, transient=is_transient(cause)) from cause
        return Score(float(found.score), found.get("feedback"))


def prompt_of(settings: ModelSettings, metric: str, program: dspy.Module | None = None) -> str:
    """See `Judge.prompt`; `program` is the one of `metric` where it is not the usual one. Asks and loads nothing."""
    chosen = _PROGRAMS[metric]() if program is None else program
    state = json.loads(json.dumps(chosen.dump_state(json_mode=True), ensure_ascii=False))
    for part in state.values():
        if isinstance(part, dict):
            part.pop("lm", None)
    decides = {
        **describe(settings),
        "base_url": settings.base_url,
        "temperature": settings.temperature,
        "max_tokens": settings.max_tokens,
        "adapter": type(make_adapter(settings)).__name__,
        "form": FORM,
        "metric": metric,
        "state": state,
    }
    return digest(canonical_json(decides))
