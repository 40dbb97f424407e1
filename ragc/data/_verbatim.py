"""What stands word for word in the corpus: questions that should not, accepted answers that should."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ragc._text import tokens
from ragc.data._corpus import Corpus
from ragc.data._examples import Example

_FEWEST_WORDS = 4
_FEWEST_CHARACTERS = 3
_OPENING = 4
"""Words of a phrase that are looked up at once; the others are compared where those are found."""
_NO_CONTENT = {("yes",), ("no",), ("true",), ("false",)}

Words = tuple[str, ...]


@dataclass(frozen=True)
class Verbatim:
    """A question that stands word for word in a document."""

    example: Example
    document: str
    """The id of the first one, in the corpus's order."""


def verbatim_in_corpus(examples: Sequence[Example], corpus: Corpus) -> tuple[Verbatim, ...]:
    """Return the examples whose question stands word for word in a document, in the examples' order.

    Case and punctuation do not count; a question of fewer than four words is not looked for.
    """
    questions = [tuple(tokens(example.question)) for example in examples]
    where = _first_documents((words for words in questions if len(words) >= _FEWEST_WORDS), corpus)
    pairs = zip(examples, questions, strict=True)
    return tuple(Verbatim(example, where[words]) for example, words in pairs if words in where)


def unsupported_answers(examples: Sequence[Example], corpus: Corpus) -> tuple[str, ...]:
    """Return the ids of answerable examples none of whose accepted answers stands in a document, in their order.

    Whole words count, without case, punctuation and articles. Such a label may be stale: its document changed. Left
    aside are examples that cannot tell: those with a quote as evidence (`check_labels` looks for it, and the answer
    may put it in other words), and those without `telling_answers`.
    """
    checked = {
        example.id: [tuple(tokens(answer)) for answer in answers]
        for example in examples
        if all(evidence.quote is None for evidence in example.evidence) and (answers := telling_answers(example))
    }
    where = _first_documents((phrase for phrases in checked.values() for phrase in phrases), corpus)
    return tuple(id_ for id_, phrases in checked.items() if not any(phrase in where for phrase in phrases))


def telling_answers(example: Example) -> tuple[str, ...]:
    """Return the accepted answers, if they can be looked for in a text.

    None where one of them is `yes` or `no` or of fewer than three characters: that stands anywhere and says nothing.
    """
    return example.answers if all(_tells(tuple(tokens(answer))) for answer in example.answers) else ()


def _tells(answer: Words) -> bool:
    return answer not in _NO_CONTENT and sum(map(len, answer)) >= _FEWEST_CHARACTERS


def _first_documents(phrases: Iterable[Words], corpus: Corpus) -> dict[Words, str]:
    """Return the id of the first document, title or text, for each phrase that stands in one."""
    openings: dict[int, dict[Words, set[Words]]] = {}
    for phrase in phrases:
        opening = phrase[:_OPENING]
        openings.setdefault(len(opening), {}).setdefault(opening, set()).add(phrase)
    found: dict[Words, str] = {}
    for document in corpus.documents if openings else ():
        words = tokens(f"{document.title}\n{document.text}")
        for length, wanted in openings.items():
            grams = list(zip(*(words[start:] for start in range(length)), strict=False))
            for opening in wanted.keys() & set(grams):
                longer = [phrase for phrase in wanted[opening] if len(phrase) > length]
                here = {opening} & wanted[opening] | (_standing(longer, opening, grams, words) if longer else set())
                for phrase in here:
                    found[phrase] = document.id
                wanted[opening] -= here
                if not wanted[opening]:
                    del wanted[opening]
    return found


def _standing(phrases: Iterable[Words], opening: Words, grams: Sequence[Words], words: Sequence[str]) -> set[Words]:
    """Return the phrases, all with this opening, that stand in `words`."""
    places = [place for place, gram in enumerate(grams) if gram == opening]
    return {
        phrase for phrase in phrases if any(tuple(words[place : place + len(phrase)]) == phrase for place in places)
    }
