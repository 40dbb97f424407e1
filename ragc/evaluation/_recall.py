"""How much of an example's evidence was retrieved."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

from ragc._text import tokens
from ragc.data import Corpus, Example, Span, gold_spans, telling_answers
from ragc.retrieval import cite

Recall = Callable[[Example, Sequence[Any]], float | None]
"""Share of an example's evidence that passages hold, 0 to 1; None where that cannot be told."""


def recall_of(corpus: Corpus) -> Recall:
    """The recall of passages against evidence in `corpus`.

    With evidence: the share of it that passages overlap. Where a label names none, its evidence is wherever an accepted
    answer stands word for word, and one place is enough: 1 where a passage holds one, 0 where a document does and no
    passage. Where no document does, 1 where a passage holds an answer's numbers and dates (`cite`), else None. None
    also where answers cannot be looked for (`telling_answers`).
    """
    return _Recall(corpus)


class _Recall:
    """Looks quotes up once an example; may be called from any thread."""

    def __init__(self, corpus: Corpus) -> None:
        self._corpus = corpus
        self._spans: dict[str, tuple[Span, ...]] = {}
        self._stand: dict[str, bool] = {}

    def __call__(self, example: Example, passages: Sequence[Any]) -> float | None:
        if not example.evidence:
            return self._of_answers(example, passages)
        gold = self._spans.get(example.id)
        if gold is None:
            gold = self._spans[example.id] = gold_spans(example, self._corpus)
        if not gold:
            return None
        found = sum(any(span.overlaps(one.document, one.start, one.end) for one in passages) for span in gold)
        return found / len(gold)

    def _of_answers(self, example: Example, passages: Sequence[Any]) -> float | None:
        answers = telling_answers(example)
        wanted = [_words(answer) for answer in answers]
        if answers and any(_hold([_words(f"{one.source}\n{one.text}")], wanted) for one in passages):
            return 1.0
        stand = self._stand.get(example.id)
        if stand is None:
            stand = self._stand[example.id] = bool(answers) and _hold(self._texts, wanted)
        if stand:
            return 0.0
        return 1.0 if any(cite(answer, passages) for answer in answers) else None

    @cached_property
    def _texts(self) -> list[str]:
        """The documents as words; made when an answer is first missed among passages."""
        return [_words(f"{document.title}\n{document.text}") for document in self._corpus.documents]


def _hold(texts: Sequence[str], phrases: Sequence[str]) -> bool:
    return any(phrase in text for text in texts for phrase in phrases)


def _words(text: str) -> str:
    """The words of a text, with one space around each."""
    return f" {' '.join(tokens(text))} "
