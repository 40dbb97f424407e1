"""Questions and answers that stand word for word in the corpus."""

from __future__ import annotations

import time

from ragc.data import Corpus, Document, Evidence, Example, unsupported_answers, verbatim_in_corpus

FAQ = "## Can I carry days over?\nYes, up to five days. Who pays? You. The fee is £1,200 – no more."
CORPUS = Corpus((Document("a.md", "A", "Nothing of interest."), Document("faq.md", "The FAQ of Harwell", FAQ)))


def example(number: int, *answers: str, question: str = "q", evidence: tuple[Evidence, ...] = ()) -> Example:
    return Example(f"e{number}", question, answers, evidence)


def test_questions_that_stand_in_the_corpus_are_found_with_their_document() -> None:
    questions = ["can I carry days over", "Can I carry days across?", "Who pays?", "Carry the days over?"]
    (found,) = verbatim_in_corpus([example(i, question=q) for i, q in enumerate(questions)], CORPUS)
    assert (found.example.id, found.document) == ("e0", "faq.md")


def test_answers_that_stand_nowhere_are_found() -> None:
    examples = [
        example(0, "up to five days"),
        example(1, "up to six days"),
        example(2, "£1200"),
        example(3, "£1,300", "£200"),
        example(4, "ten", "the Five-Days"),
        example(5, "harwell"),
        example(6, "up to five day"),
    ]
    assert unsupported_answers(examples, CORPUS) == ("e1", "e3", "e6")


def test_answers_that_cannot_tell_are_left_aside() -> None:
    quoted = (Evidence("faq.md", "up to five days"),)
    examples = [
        example(0),
        example(1, "Yes."),
        example(2, "no", "not at all"),
        example(3, "17"),
        example(4, "5 days", evidence=quoted),
        example(5, "5 days", evidence=(Evidence("faq.md"),)),
    ]
    assert unsupported_answers(examples, CORPUS) == ("e5",)


def test_many_answers_in_many_documents_take_little_more_than_reading_them() -> None:
    documents = (
        Document(f"{i}", f"{i}", f"The fee of case number {i} is {i} pounds a day. " * 4) for i in range(2_000)
    )
    corpus = Corpus(tuple(documents))
    examples = [example(i, f"{i} pounds a day", f"case number {i} is") for i in range(4_000)]
    begun = time.perf_counter()
    assert len(unsupported_answers(examples, corpus)) == 2_000
    assert time.perf_counter() - begun < 5
