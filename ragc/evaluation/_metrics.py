"""Metrics: functions of an example and a prediction that score from 0 (wrong) to 1 (right)."""

from __future__ import annotations

import inspect
import numbers
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from ragc._text import answer_key, tokens
from ragc.errors import ConfigError
from ragc.evaluation._abstention import is_abstention

if TYPE_CHECKING:
    from ragc.data import Example
    from ragc.project import Project


@dataclass(frozen=True)
class Score:
    """What a metric says of one answer."""

    value: float
    """0 (wrong) to 1 (right)."""
    feedback: str | None = None
    """Why, in words, for optimizers that read it."""


Metric = Callable[["Example", Any], Score]
"""A metric as the evaluator calls it: example and `dspy.Prediction` in, `Score` out."""


def _answered(example: Example, prediction: Any) -> tuple[str, Score | None]:
    """The answer, and the score that abstention settles (None where the texts have to be compared).

    Unanswerable: 1 when the program abstains, else 0. Answerable: abstaining scores 0.
    """
    answer = str(getattr(prediction, "answer", "") or "")
    abstained = is_abstention(answer)
    if not example.answers:
        return answer, Score(1.0) if abstained else Score(0.0, "The documents do not hold the answer; say so.")
    if abstained:
        return answer, Score(0.0, f"The documents do answer this: {example.answers[0]}")
    return answer, None


def _f1(answer: str, accepted: str) -> float:
    """Token F1 of SQuAD (Rajpurkar et al. 2016): harmonic mean of token precision and recall, as bags of words."""
    given, expected = tokens(answer), tokens(accepted)
    if not given or not expected:
        return float(given == expected)
    common = sum((Counter(given) & Counter(expected)).values())
    return 2 * common / (len(given) + len(expected))


def answer_f1(example: Example, prediction: Any) -> Score:
    """Token F1 against the closest accepted answer, after SQuAD normalisation."""
    answer, settled = _answered(example, prediction)
    if settled is not None:
        return settled
    best = max(_f1(answer, accepted) for accepted in example.answers)
    return Score(best, None if best == 1 else f"Expected: {' | '.join(example.answers)}")


def exact_match(example: Example, prediction: Any) -> Score:
    """1 when the answer equals an accepted one after SQuAD normalisation, else 0."""
    answer, settled = _answered(example, prediction)
    if settled is not None:
        return settled
    hit = answer_key(answer) in {answer_key(accepted) for accepted in example.answers}
    return Score(float(hit), None if hit else f"Expected: {' | '.join(example.answers)}")


def contains(example: Example, prediction: Any) -> Score:
    """1 when an accepted answer stands in the answer as whole words, after SQuAD normalisation, else 0."""
    answer, settled = _answered(example, prediction)
    if settled is not None:
        return settled
    text = f" {answer_key(answer)} "
    hit = any(f" {answer_key(accepted)} " in text for accepted in example.answers)
    return Score(float(hit), None if hit else f"Expected: {' | '.join(example.answers)}")


BUILT_IN: dict[str, Metric] = {"answer_f1": answer_f1, "contains": contains, "exact_match": exact_match}


def load_metric(project: Project, spec: str) -> Metric:
    """The metric that `spec` names: a built-in one, or the project's own as `module:function`.

    An own metric is a function of example and prediction that returns a number from 0 to 1, a bool, or a `Score`.
    What comes back checks that: a metric that raises, or returns NaN or anything off the scale, is a mistake in the
    metric and not a wrong answer, so the run stops.

    Raises:
        ConfigError: there is no such metric, or its module does not import. The metric returned raises it as well.
    """
    if spec in BUILT_IN:
        return BUILT_IN[spec]
    if ":" not in spec:
        near = get_close_matches(spec, BUILT_IN, n=1)
        hint = f' Did you mean "{near[0]}"?' if near else ""
        raise ConfigError(f'unknown metric "{spec}": expected {", ".join(sorted(BUILT_IN))} or module:function.{hint}')
    from ragc.project import load_object

    function = load_object(project, spec, "metric")
    if not callable(function):
        raise ConfigError(f'metric "{spec}": not a function but {type(function).__name__}')
    try:
        inspect.signature(function).bind(None, None)
    except TypeError as error:
        raise ConfigError(f'metric "{spec}": expected a function of example and prediction ({error})') from error
    except ValueError:  # of a built-in function nothing is known
        pass
    return _checked(spec, function)


def _checked(spec: str, function: Callable[..., Any]) -> Metric:
    def metric(example: Example, prediction: Any) -> Score:
        try:
            result = function(example, prediction)
        except Exception as cause:  # whatever a user's metric raises, the run stops with one line
            raise ConfigError(
                f'metric "{spec}" raised {type(cause).__name__} on example "{example.id}": {cause}'
            ) from cause
        score = result if isinstance(result, Score) else None
        value = score.value if score is not None else result
        if not isinstance(value, int | float | numbers.Real) or not 0 <= float(value) <= 1:
            raise ConfigError(
                f'metric "{spec}" returned {value!r} on example "{example.id}": expected a number from 0 to 1'
            )
        return Score(float(value), score.feedback if score is not None else None)

    return metric
