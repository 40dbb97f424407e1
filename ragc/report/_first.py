"""Who should do what first: read off the verdict and what went wrong."""

from __future__ import annotations

from collections.abc import Callable

from ragc._messages import counted
from ragc.report._study import Step, Study
from ragc.report._views import modes_of

_MOST = 3
"""Things to do that are named after the verdict's own."""
_FEWEST = 0.05
"""Share of the questions below which a way to fail is not worth a line."""

_DO: dict[str, tuple[str, Callable[[str], str]]] = {
    "retrieval miss": (
        "Whoever owns retrieval",
        lambda task: (
            f"the evidence was not among the passages: `ragc eval {task} --retrieval` shows what k and alpha would "
            "find; then a reranker, `expand`, other chunks"
        ),
    ),
    "conflict picked wrongly": (
        "Whoever owns the documents",
        lambda task: "documents contradict each other: mark what is out of date, or filter by date or status",
    ),
    "parroting": (
        "Whoever owns the program",
        lambda task: "answers repeat the passages: show demonstrations with short answers, or take a larger model",
    ),
    "unsupported": (
        "Whoever chooses the model",
        lambda task: (
            "answers stand in no passage that was given: a larger model is one line, `lm = …`, and `ragc compare` "
            "says whether it pays"
        ),
    ),
    "misread": (
        "Whoever chooses the model",
        lambda task: "the right passage was given and misread: demonstrations help, and a larger model does",
    ),
    "refused wrongly": (
        "Whoever owns the program",
        lambda task: "it refuses what its passages answer: show it demonstrations that answer, or take a larger model",
    ),
    "answered the unanswerable": (
        "Whoever owns the program",
        lambda task: "it answers what the documents do not say: label more unanswerable questions, and compile again",
    ),
    "partly right": (
        "Whoever labels",
        lambda task: "many answers are right in part: accept the other wordings, or choose a metric that does",
    ),
    "over the context": (
        "Whoever owns retrieval",
        lambda task: "passages do not fit: smaller chunks, a smaller k, or a model with more context",
    ),
    "label in doubt": (
        "Whoever labels",
        lambda task: f"the documents no longer hold what the labels accept: `ragc check {task} --stale` lists them",
    ),
    "error": (
        "Whoever runs it",
        lambda task: "questions ended in an error, listed below with its text: mend it before believing the rest",
    ),
}


def first_steps(study: Study) -> tuple[Step, ...]:
    """Return what to do: with the result, then about what the arm that is to be used gets wrong most often.

    A way to fail is named from 5% of the questions on.
    """
    used = study.used or study.subject
    answers = [one.given[used] for one in study.questions if used in one.given]
    steps = list(study.first)
    for mode, number in modes_of(study.questions, used).items():
        if mode in _DO and number >= _FEWEST * len(answers) and len(steps) < len(study.first) + _MOST:
            who, do = _DO[mode]
            share = f"{used}: {mode}, {counted(number, 'question')} of {len(answers)}"
            steps.append(Step(who=who, what=f"{do(study.task)} ({share})"))
    return tuple(steps)
