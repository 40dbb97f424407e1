"""Leaks planted in the handbook's labels: edited, in other words, in what a program is told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ragc.data import Splits, find_leaks, find_paraphrases, find_told, nearly_same, read_examples, recorded_splits
from ragc.errors import DataError
from ragc.project import EmbedderSettings
from ragc.retrieval import make_embedder

HANDBOOK = Path(__file__).resolve().parents[3] / "data" / "handbook"
EXAMPLES = read_examples(HANDBOOK / "examples.jsonl")
SPLITS = recorded_splits(EXAMPLES, HANDBOOK / "splits.json")
TESTED = next(one for one in SPLITS.test if one.id == "halifax-seaday-01")
EMBED = make_embedder(EmbedderSettings(model="local/wordllama-256")).embed_documents


def with_planted(question: str) -> Splits:
    return replace(SPLITS, train=(*SPLITS.train, replace(TESTED, id="planted", question=question)))


@pytest.mark.parametrize("word", ["allowance", "bonus", "sum", ""])
def test_a_test_question_with_one_word_changed_is_refused(word: str) -> None:
    question = TESTED.question.replace("allowance", word)
    with pytest.raises(DataError, match=r'"planted".* in train and "halifax-seaday-01"'):
        find_leaks(with_planted(question))


def test_clean_data_raises_no_alarm() -> None:
    assert find_leaks(SPLITS) == []
    assert nearly_same(EXAMPLES) == []
    held = {one.id: name for name in ("train", "validation", "test") for one in getattr(SPLITS, name)}
    pairs = [(EXAMPLES[one.first].id, EXAMPLES[one.second].id) for one in find_paraphrases(EXAMPLES, EMBED)]
    assert [pair for pair in pairs if held[pair[0]] != held[pair[1]]] == []


def test_a_question_in_other_words_is_found_by_its_embedding_and_its_label() -> None:
    asked = replace(TESTED, id="planted", question="How much extra do Halifax people get for a day at sea?")
    other = replace(asked, id="other", answers=("C$999",))
    together = [*EXAMPLES, asked, other]
    pairs = {(together[one.first].id, together[one.second].id) for one in find_paraphrases(together, EMBED)}
    assert (TESTED.id, "planted") in pairs
    assert (TESTED.id, "other") not in pairs, "another answer is another question"


def test_a_test_question_in_a_demonstration_or_in_instructions_is_found() -> None:
    demo = {"question": TESTED.question, "answer": TESTED.answers[0]}
    shown = {"respond": {"signature": {"instructions": "Answer."}, "demos": [demo]}}
    assert [told.where for told in find_told(SPLITS, shown)] == ["a demonstration of respond"]
    told = f"Answer. To {TESTED.question} the answer is {TESTED.answers[0]}."
    assert find_told(SPLITS, {"respond": {"signature": {"instructions": told}, "demos": []}})
    trained = SPLITS.train[0]
    demo = {"question": trained.question, "answer": (trained.answers or ("none",))[0]}
    assert find_told(SPLITS, {"respond": {"signature": {"instructions": "Answer."}, "demos": [demo]}}) == ()
