"""Demonstrations for a program's predictors, made of training examples.

A demonstration is what a predictor was given and what it should answer. Both kinds run the program itself, so that
any program that DSPy can run has demonstrations in its own fields:

labelled      the predictors' answers are the labels: no call is made
bootstrapped  the model's own answers, of the examples that the metric found right
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import dspy

from ragc.evaluation import ABSTENTION, is_abstention
from ragc.models import NotSent, unsent
from ragc.retrieval import Passages, Retrieve, cite

if TYPE_CHECKING:
    from dspy.lm15 import Request

    from ragc.data import Example
    from ragc.evaluation import Recall, Traced


@dataclass(frozen=True)
class Demonstration:
    """One example as its program's predictors see it."""

    example: str
    """Id of the example."""
    fields: Mapping[str, Mapping[str, Any]]
    """By predictor name: the values of its input and output fields."""
    abstains: bool
    """Whether the answer that is shown says that the documents do not hold it."""


class LabelAdapter(dspy.Adapter):  # type: ignore[misc]  # dspy ships no types
    """An adapter that answers with labels instead of asking the model; fields without a label stay None.

    With `measure`, another adapter, it keeps in `requests` what that one would have sent.
    """

    def __init__(self, labels: Mapping[str, Any], measure: dspy.Adapter | None = None) -> None:
        super().__init__()
        self._labels = labels
        self._measure = measure
        self.requests: list[Request] = []

    def __call__(self, lm: Any, lm_kwargs: Any, signature: Any, demos: Any, inputs: Any) -> list[dict[str, Any]]:
        """Return one completion made of labels."""
        if self._measure is not None:
            probe = unsent(lm)  # whatever LM the program chose: nothing is sent
            with contextlib.suppress(NotSent):
                self._measure(probe, dict(lm_kwargs), signature, demos, inputs)
            self.requests += probe.engine.requests
        return [{name: self._labels.get(name) for name in signature.output_fields}]


def labelled(
    program: dspy.Module, examples: Iterable[Example], *, lm: dspy.LM, passages: int, recall: Recall | None
) -> list[Demonstration]:
    """Demonstrations with the first accepted answer, or the abstention where there is none; no call is made.

    An answerable example whose passages do not hold its answer is left out: it would teach to guess. So is one with
    which the program cannot run on labels alone, because a predictor's output is missing from them.
    """
    found = []
    for example in examples:
        answer = example.answers[0] if example.answers else ABSTENTION
        steps: list[tuple[Any, dict[str, Any], Any]] = []
        try:
            with dspy.context(lm=lm, adapter=LabelAdapter({"answer": answer, **example.inputs}), trace=steps):
                program(question=example.question, **example.inputs)
        except Exception:  # noqa: BLE001  a program can raise anything on a missing output; the example is left out
            continue
        demonstration = _demonstration(program, example, answer, steps, passages, recall)
        if demonstration is not None:
            found.append(demonstration)
    return found


def bootstrapped(
    program: dspy.Module,
    runs: Iterable[Traced],
    examples: Mapping[str, Example],
    *,
    threshold: float,
    passages: int,
    recall: Recall | None,
) -> list[Demonstration]:
    """Demonstrations of the runs that scored at least `threshold`, with what the predictors answered themselves."""
    found = []
    for run in runs:
        score = run.outcome.score
        if score is None or score < threshold:
            continue
        answer = str(run.prediction.answer)
        made = _demonstration(program, examples[run.outcome.example], answer, run.trace, passages, recall)
        if made is not None:
            found.append(made)
    return found


def with_demonstrations(program: dspy.Module, chosen: Sequence[Demonstration]) -> dspy.Module:
    """A copy of `program` whose predictors show `chosen`, in that order."""
    candidate = program.deepcopy()
    for name, predictor in candidate.named_predictors():
        predictor.demos = [dspy.Example(**one.fields[name]) for one in chosen if name in one.fields]
    return candidate


def with_retrieval(program: dspy.Module, **settings: Any) -> dspy.Module:
    """A copy of `program` whose every Retrieve has `settings` (`k`, `alpha`, …). Raises ConfigError on a bad one."""
    candidate = program.deepcopy()
    for _, retrieve in candidate.named_sub_modules(type_=Retrieve):
        retrieve.load_state({**retrieve.dump_state(), **settings})
    return candidate


def _demonstration(
    program: dspy.Module,
    example: Example,
    answer: str,
    steps: Sequence[tuple[Any, dict[str, Any], Any]],
    passages: int,
    recall: Recall | None,
) -> Demonstration | None:
    names = {id(predictor): name for name, predictor in program.named_predictors()}
    abstains = is_abstention(answer)
    fields: dict[str, dict[str, Any]] = {}
    for predictor, inputs, outputs in steps:
        name = names.get(id(predictor))
        if name is None or name in fields:
            continue
        shown: dict[str, Any] = {}
        for key, value in inputs.items():
            if isinstance(value, Passages):
                kept = _supporting(value, example, answer, passages, recall)
                if kept is None:
                    return None
                value = kept
            shown[key] = value
        shown.update({key: value for key, value in outputs.items() if value is not None})
        fields[name] = shown
    return Demonstration(example.id, fields, abstains) if fields else None


def _supporting(
    passages: Passages, example: Example, answer: str, limit: int, recall: Recall | None
) -> Passages | None:
    """The first `limit` passages that hold the answer; the first ones where there is none to hold.

    None where the answer should be in the passages and is in none of them.
    """
    if not example.answers or is_abstention(answer):
        return passages[:limit]
    cited = set(cite(answer, passages))
    gold = [one for one in passages if one.id in cited and (recall is None or recall(example, [one]) != 0)]
    supporting = gold or [one for one in passages if one.id in cited]
    if not supporting:
        return None
    return Passages(passages=tuple(supporting[:limit]), corpus_version=passages.corpus_version)
