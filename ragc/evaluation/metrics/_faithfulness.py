"""`faithfulness`: whether each sentence of an answer is supported by a passage that it was written from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from ragc._text import tokens
from ragc.evaluation.metrics._score import Score, answered
from ragc.evaluation.metrics._sentences import sentences

if TYPE_CHECKING:
    from ragc.data import Example
    from ragc.evaluation.metrics._measure import Tools

Method = Literal["auto", "lexical", "judged"]


def faithfulness(
    example: Example, prediction: Any, tools: Tools, *, method: Method = "auto", threshold: float = 0.8
) -> Score:
    """The share of the answer's sentences that one of its passages supports.

    `lexical` looks at words alone, and says so: a sentence is supported when all its numbers and dates, and at least
    `threshold` of its other words, stand in one passage (K-Precision of Adlakha et al. 2023, a sentence at a time). It
    neither sees a negation nor a paraphrase. `judged` asks the judge of `[tool.ragc]`. `auto` is `judged` where there
    is one, else `lexical`. Abstaining is scored as by every other metric.
    """
    answer, settled = answered(example, prediction)
    if settled is not None:
        return settled
    said = sentences(answer)
    if not said:
        return Score(0.0, "There is no sentence in the answer.")
    passages = [f"{passage.source}\n{passage.text}" for passage in getattr(prediction, "passages", None) or ()]
    if tools.judge is not None and method != "lexical":
        return tools.judge.supported(example.question, said, passages)
    lost = [sentence for sentence in said if not any(supports(passage, sentence, threshold) for passage in passages)]
    value = 1 - len(lost) / len(said)
    return Score(value, f"Not in any passage, word for word: {' | '.join(lost)}" if lost else None)


def supports(passage: str, sentence: str, threshold: float) -> bool:
    """Whether all numbers and dates of `sentence`, and so large a share of its other words, stand in `passage`."""
    from ragc.retrieval import figures_in

    if not figures_in(sentence) <= figures_in(passage):
        return False
    words = [word for word in tokens(sentence) if not figures_in(word)]
    there = set(tokens(passage))
    return not words or sum(word in there for word in words) / len(words) >= threshold
