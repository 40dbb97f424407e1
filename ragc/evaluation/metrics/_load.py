"""From what a task's `metric` says to the metric: a name, or a name with settings in parentheses."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from ragc.errors import ConfigError
from ragc.evaluation.metrics._answer_f1 import answer_f1
from ragc.evaluation.metrics._citations import citation_precision, citation_recall
from ragc.evaluation.metrics._contains import contains
from ragc.evaluation.metrics._exact_match import exact_match
from ragc.evaluation.metrics._faithfulness import faithfulness
from ragc.evaluation.metrics._list_f1 import list_f1
from ragc.evaluation.metrics._measure import Measure, Need
from ragc.evaluation.metrics._multiple_choice import check_choices, multiple_choice
from ragc.evaluation.metrics._number import check_numbers, number
from ragc.evaluation.metrics._refusal import refusal
from ragc.evaluation.metrics._semantic_f1 import judge_of, semantic_f1
from ragc.evaluation.metrics._tone import read_style, tone

if TYPE_CHECKING:
    from ragc.project import Project

_WORDS = {"true": True, "false": False, "none": None}


@dataclass(frozen=True)
class _BuiltIn:
    function: Callable[..., Any]
    need: Need | None = None
    verify: Callable[..., None] | None = None


_BUILT_IN = {
    "answer_f1": _BuiltIn(answer_f1),
    "citation_precision": _BuiltIn(citation_precision, "recall"),
    "citation_recall": _BuiltIn(citation_recall, "recall"),
    "contains": _BuiltIn(contains),
    "exact_match": _BuiltIn(exact_match),
    "faithfulness": _BuiltIn(faithfulness, "judge?"),
    "list_f1": _BuiltIn(list_f1),
    "multiple_choice": _BuiltIn(multiple_choice, verify=check_choices),
    "number": _BuiltIn(number, verify=check_numbers),
    "refusal": _BuiltIn(refusal),
    "semantic_f1": _BuiltIn(semantic_f1, "judge"),
    "tone": _BuiltIn(tone, "judge"),
}
METRICS = tuple(sorted(_BUILT_IN))
"""The names of ragc's own metrics."""


def load_metric(project: Project, spec: str) -> Measure:
    """The metric that `spec` names: a built-in one, or the project's own as `module:function`.

    Settings, the function's keyword-only parameters, stand in parentheses: `number(tolerance=0.5, unit="days")`,
    `metrics:close(within=3)`. An own metric is a function of example and prediction that returns a number from 0 to 1,
    a bool, or a `Score`.

    Raises:
        ConfigError: there is no such metric, no such setting, no judge for one that is judged, or its module does not
            import.
    """
    name, given = read_spec(spec)
    built_in = _BUILT_IN.get(name)
    if built_in is not None:
        settings = _settings(built_in.function, given, name)
        if "style" in settings:
            settings["style"] = read_style(project, settings["style"])
        measure = Measure(spec, built_in.function, settings, built_in.need, verify=built_in.verify)
        if measure.needs_judge and project.settings.judge is None:
            judge_of(measure.tools, name)
        return measure
    if ":" not in name:
        near = get_close_matches(name, _BUILT_IN, n=1)
        hint = f' Did you mean "{near[0]}"?' if near else ""
        raise ConfigError(f'unknown metric "{name}": expected {", ".join(METRICS)} or module:function.{hint}')
    from ragc.project import load_object

    function = load_object(project, name, "metric")
    if not callable(function):
        raise ConfigError(f'metric "{name}": not a function but {type(function).__name__}')
    try:
        signature = inspect.signature(function)
    except ValueError:  # of a built-in function nothing is known
        return Measure(spec, function, given, is_own=True)
    settings = _settings(function, given, name)
    try:
        signature.bind(None, None, **settings)
    except TypeError as error:
        raise ConfigError(f'metric "{name}": expected a function of example and prediction ({error})') from error
    return Measure(spec, function, settings, is_own=True)


def read_spec(spec: str) -> tuple[str, dict[str, Any]]:
    """Name and settings of `name` or `name(key=value, …)`. Raises ConfigError where it is neither."""
    name, bracket, _ = spec.partition("(")
    name = name.strip()
    if not bracket:
        return name, {}
    wrong = ConfigError(f'metric "{spec}": write its settings as {name or "name"}(key=value, other="text")')
    try:
        call = ast.parse(f"f{spec[spec.index('(') :].strip()}", mode="eval").body
    except (SyntaxError, ValueError) as error:
        raise wrong from error
    if not isinstance(call, ast.Call) or call.args or any(word.arg is None for word in call.keywords):
        raise wrong
    given: dict[str, Any] = {}
    for word in call.keywords:
        if isinstance(word.value, ast.Name) and word.value.id in _WORDS:
            given[str(word.arg)] = _WORDS[word.value.id]
            continue
        try:
            given[str(word.arg)] = ast.literal_eval(word.value)
        except ValueError as error:
            raise wrong from error
    return name, given


def _settings(function: Callable[..., Any], given: Mapping[str, Any], name: str) -> dict[str, Any]:
    from ragc.project import function_settings

    return function_settings(function, given, place=f"metric {name}: ")
