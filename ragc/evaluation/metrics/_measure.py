"""A metric as a task names it: a function with its settings, and with what it needs to be called."""

from __future__ import annotations

import numbers
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from ragc.errors import ConfigError
from ragc.evaluation._failures import fatal_cause, own_error
from ragc.evaluation.metrics._citations import check_evidence
from ragc.evaluation.metrics._score import Score

if TYPE_CHECKING:
    from ragc.data import Example
    from ragc.evaluation._recall import Recall
    from ragc.evaluation.judge import Judge

Need = Literal["recall", "judge", "judge?"]
"""What a metric needs besides example and prediction: `judge?` uses one where there is one."""


@dataclass(frozen=True)
class Tools:
    """What metrics that need more than texts are given."""

    recall: Recall | None = None
    judge: Judge | None = None


@dataclass(frozen=True)
class Measure:
    """A metric: called with an example and a prediction it returns a `Score`, 0 to 1.

    What comes back is checked: a metric that raises, or returns NaN or anything off the scale, is a mistake in the
    metric and not a wrong answer, so that calling it raises ConfigError and the run stops. A judge that gives no
    answer on its scale raises ExampleError: an error of that example, never a score.
    """

    spec: str
    """As the task names it, settings included."""
    function: Callable[..., Any]
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Every setting of it, by name."""
    need: Need | None = None
    is_own: bool = False
    """Whether the project defines it."""
    verify: Callable[[Sequence[Example], Mapping[str, Any]], None] | None = None
    """Raises ConfigError or DataError for settings that make no sense, and for labels that it cannot score."""
    tools: Tools = Tools()

    def __call__(self, example: Example, prediction: Any) -> Score:
        given = (self.tools,) if self.need is not None else ()
        try:
            result = self.function(example, prediction, *given, **self.settings)
        except Exception as cause:  # whatever a user's metric raises, the run stops with one line
            if not self.is_own or own_error(cause) is not None:
                raise fatal_cause(cause) or cause from cause.__cause__
            raise ConfigError(
                f'metric "{self.spec}" raised {type(cause).__name__} on example "{example.id}": {cause}'
            ) from cause
        score = result if isinstance(result, Score) else None
        value = score.value if score is not None else result
        if not isinstance(value, int | float | numbers.Real) or not 0 <= float(value) <= 1:
            raise ConfigError(
                f'metric "{self.spec}" returned {value!r} on example "{example.id}": expected a number from 0 to 1'
            )
        return Score(float(value), score.feedback if score is not None else None)

    @property
    def name(self) -> str:
        """The metric without its settings: `number`, or `module:function`."""
        return self.spec.partition("(")[0].strip()

    @property
    def is_judged(self) -> bool:
        """Whether a model judges: whether figures need a judge that was calibrated."""
        if self.need == "judge?":
            return self.tools.judge is not None and self.settings.get("method") != "lexical"
        return self.need == "judge"

    @property
    def wants_judge(self) -> bool:
        """Whether it would use a judge, if it had one."""
        return self.need == "judge" or (self.need == "judge?" and self.settings.get("method") != "lexical")

    @property
    def needs_judge(self) -> bool:
        """Whether it cannot be called without one."""
        return self.need == "judge" or (self.need == "judge?" and self.settings.get("method") == "judged")

    @property
    def method(self) -> str | None:
        """How it was measured, where its name leaves that open: `lexical`, `judged`."""
        if self.need == "judge?":
            return "judged" if self.is_judged else "lexical"
        return None

    def with_tools(self, *, recall: Recall | None = None, judge: Judge | None = None) -> Measure:
        """The same metric, bound to what it needs."""
        return replace(self, tools=Tools(recall, judge if self.wants_judge else None))

    def check(self, examples: Sequence[Example]) -> None:
        """Raises ConfigError or DataError, in one line, before anything is paid: labels that cannot be scored."""
        if self.verify is not None:
            self.verify(examples, self.settings)
        if self.need == "recall" and self.tools.recall is not None:
            check_evidence(examples, self.tools.recall)
