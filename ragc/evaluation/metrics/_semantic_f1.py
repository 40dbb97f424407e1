"""`semantic_f1`: how far an answer says what an accepted one says, as a model judges it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ragc._text import answer_key
from ragc.errors import ConfigError
from ragc.evaluation.metrics._score import Score, answered, expected

if TYPE_CHECKING:
    from ragc.data import Example
    from ragc.evaluation.judge import Judge
    from ragc.evaluation.metrics._measure import Tools


def semantic_f1(example: Example, prediction: Any, tools: Tools, *, judge: str | None = None) -> Score:
    """Harmonic mean of judged recall and precision of key points, against the accepted answer that fits best.

    After DSPy's SemanticF1, with several accepted answers, a scale that is not clamped, and answers that cannot give
    instructions. What is an accepted answer after SQuAD normalisation is 1, and nothing is 0, without a call. `judge`
    is the folder of a compiled judge, whose instructions and demonstrations are used (see `docs/judge.md`).
    """
    answer, settled = answered(example, prediction)
    if settled is not None:
        return settled
    if not answer.strip():
        return Score(0.0, expected(example))
    if answer_key(answer) in {answer_key(accepted) for accepted in example.answers}:
        return Score(1.0)
    return judge_of(tools, "semantic_f1").graded(example.question, example.answers, answer)


def judge_of(tools: Tools, metric: str) -> Judge:
    """The judge. Raises ConfigError where there is none."""
    if tools.judge is None:
        raise ConfigError(
            f'metric "{metric}" is judged: name a model that judges in [tool.ragc], such as judge = "openai/gpt-5"'
        )
    return tools.judge
