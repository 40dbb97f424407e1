"""What a compile run came to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ragc.evaluation import Comparison

if TYPE_CHECKING:
    from ragc.compiler._estimate import Estimate
    from ragc.compiler._replaced import Replaced
    from ragc.evaluation import Evaluation
    from ragc.evaluation.judge import Judged
    from ragc.models import Usage

Stopped = Literal["budget", "time", "errors", "interrupted"]


@dataclass(frozen=True)
class CompileResult:
    """The result of `ragc.compile`; `as_json` is what `ragc compile --json` prints."""

    task: str
    optimizer: str
    metric: str
    estimate: Estimate
    detectable_gain: float | None
    """The gain that the test split shows with 80% power, 0 to 1."""
    artifact: Path | None = None
    """The sealed folder; None when nothing was sealed (a dry run, or a stop before the first candidate)."""
    id: str | None = None
    sealed: Literal["candidate", "baseline"] | None = None
    baseline: Evaluation | None = None
    """The uncompiled program on validation."""
    compiled: Evaluation | None = None
    """The candidate on validation."""
    baseline_test: Evaluation | None = None
    compiled_test: Evaluation | None = None
    comparison: Comparison | None = None
    openings: int | None = None
    """How often the test split was opened so far, this run included; None: this run did not get to it."""
    replaced: Replaced | None = None
    """The artifact that it replaces, on the same test questions; None: there is none, or it is the same program."""
    usage: Usage | None = None
    """What the artifact took in all, whoever paid for it and when."""
    paid: Usage | None = None
    """What this command paid for anew."""
    seconds: float = 0.0
    stopped: Stopped | None = None
    judged: Judged | None = None
    """Who judged the scores, and whether that judge is calibrated; None where no model did."""

    @property
    def verdict(self) -> str:
        """`better`, `not shown`, `worse` or `not tested`."""
        return "not tested" if self.comparison is None else self.comparison.verdict

    @property
    def exit_code(self) -> int:
        """0 done, 3 stopped by budget, time or errors (2 where errors left nothing to seal), 130 interrupted."""
        if self.stopped is None:
            return 0
        if self.stopped == "errors" and self.artifact is None:
            return 2
        return 130 if self.stopped == "interrupted" else 3

    def as_json(self) -> dict[str, Any]:
        """The keys that others may rely on; a figure that does not exist is None."""
        test = self.comparison or Comparison("not tested")
        return {
            "artifact": None if self.artifact is None else str(self.artifact),
            "id": self.id,
            "task": self.task,
            "optimizer": self.optimizer,
            "metric": self.metric,
            "validation": {"baseline": _figures(self.baseline), "compiled": _figures(self.compiled)},
            "test": {
                "baseline": _figures(self.baseline_test),
                "compiled": _figures(self.compiled_test),
                **test.figures(),
                "detectable": test.detectable,
                "openings": self.openings,
            },
            "judge": None if self.judged is None else self.judged.as_json(),
            "detectable_gain": self.detectable_gain,
            "replaced": None if self.replaced is None else self.replaced.as_json(),
            "verdict": self.verdict,
            "sealed": self.sealed,
            "cost": cost_of(self.usage),
            "paid_usd": None if self.paid is None else self.paid.usd,
            "paid_calls": 0 if self.paid is None else self.paid.calls,
            "seconds": self.seconds,
            "stopped": self.stopped,
            "estimate": self.estimate.as_json(),
        }


def cost_of(usage: Usage | None) -> dict[str, Any]:
    """`{usd, calls, input_tokens, cached_input_tokens, output_tokens}` of what a run used.

    `cached_input_tokens` are those of `input_tokens` that the provider had in its cache.
    """
    if usage is None:
        return {"usd": 0.0, "calls": 0, "input_tokens": 0, "cached_input_tokens": 0, "output_tokens": 0}
    return {
        "usd": usage.usd,
        "calls": usage.calls,
        "input_tokens": usage.input_tokens,
        "cached_input_tokens": usage.cached_input_tokens,
        "output_tokens": usage.output_tokens,
    }


def _figures(evaluation: Evaluation | None) -> dict[str, Any]:
    if evaluation is None:
        return {"score": None, "n": 0, "errors": 0, "usd_per_question": None, "latency_p95": None}
    return evaluation.figures()
