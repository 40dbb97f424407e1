"""Labels drafted by a model from the corpus, for a person to accept, mend or reject."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dspy

from ragc._text import find_span, tokens
from ragc.compiler._bench import thread_count
from ragc.compiler._events import OnEvent, Warned, Working, ignore
from ragc.compiler._history import open_evaluation
from ragc.compiler._interrupts import Interrupts
from ragc.data import (
    Draft,
    Drafts,
    Evidence,
    Example,
    evidence_fault,
    find_paraphrases,
    nearly_same,
    passage_key,
    perhaps_same,
    read_corpus,
    read_drafts,
    read_known,
)
from ragc.errors import BudgetExhausted, ConfigError, DataError
from ragc.evaluation import Evaluator, load_metric
from ragc.models import make_adapter, make_lm, prepare_model
from ragc.project import Budget, Project
from ragc.retrieval import is_local, make_embedder, sections

if TYPE_CHECKING:
    from ragc.data import Corpus
    from ragc.evaluation import Traced
    from ragc.models import Usage

LABEL = "drafts"
FREE = "exact_match"
"""A metric that asks nobody: drafts are not scored."""
LONGEST = 2_000
"""Characters of a passage that a question is drafted from: what a person reads before deciding, and any model holds."""
SHORTEST = 80
"""Characters below which a passage holds too little to ask about."""
_FEWEST_WORDS = 3
_PATIENCE = 10
"""Drafts that are dropped, beside two for each that is wanted, before a model is taken for one that drafts badly."""

WHY = {
    "unreadable": "the response could not be read",
    "question": "no question, or one that gives its answer away",
    "quote": "the quote does not stand in the passage",
    "answer": "the answer does not stand in the passage",
    "repeated": "nearly the same question is there already",
}
"""Why a draft is dropped."""


class DraftQuestion(dspy.Signature):  # type: ignore[misc]  # dspy ships no types
    """Write a question that the passage answers, as somebody would ask it who has not read the passage.

    The quote is the one sentence of the passage that holds the answer, copied word for word. The answer is a few words
    of that sentence.
    """

    passage: str = dspy.InputField()
    quote: str = dspy.OutputField()
    question: str = dspy.OutputField()
    answer: str = dspy.OutputField()


class Drafter(dspy.Module):  # type: ignore[misc]  # dspy ships no types
    """Drafts one label from a passage."""

    def __init__(self) -> None:
        super().__init__()
        self.draft = dspy.Predict(DraftQuestion)

    def forward(self, question: str, passage: str) -> dspy.Prediction:
        """Return `question`, `answer` and `quote`; the `question` given, which an evaluator hands over, is not used."""
        found = self.draft(passage=passage)
        return dspy.Prediction(question=found.question, answer=found.answer, quote=found.quote)


@dataclass(frozen=True)
class Piece:
    """A stretch of a document that a question is drafted from."""

    document: str
    heading: str
    text: str

    @property
    def key(self) -> str:
        """What it is known by."""
        return passage_key(self.document, self.text)

    @property
    def shown(self) -> str:
        """As the model reads it: below its headings."""
        return f"{self.heading}\n\n{self.text}" if self.heading else self.text


@dataclass(frozen=True)
class Drafting:
    """What `draft_labels` came to."""

    task: str
    drafts: Drafts
    """All there are now, earlier ones and decisions included."""
    new: tuple[Draft, ...]
    dropped: Mapping[str, int]
    """How many could not be used, by the reason: a key of `WHY`."""
    left: int
    """Passages that nothing was drafted from yet."""
    usage: Usage
    stopped: bool
    """Whether the budget ended it."""


def draft_labels(
    task: str | None = None,
    *,
    project: Project | Path | str | None = None,
    number: int = 10,
    slice: str | None = None,
    lm: str | None = None,
    budget: Mapping[str, Any] | None = None,
    threads: int | None = None,
    on_event: OnEvent = ignore,
) -> Drafting:
    """Draft labels from the corpus of a task and keep them beside its examples, for `Drafts.decide`.

    Passages come from the documents that the fewest labels and drafts are of, then of the slices with the fewest; none
    is drafted from twice. A draft is dropped when its quote or its answer does not stand in the passage, when the
    question gives its answer away, and when nearly the same question is there. It ends with `number` usable drafts,
    without passages, when too many were dropped, or when `budget` (`usd`, `calls`, …) is used up; what was drafted
    until then is kept. Calls go
    through the journal: nothing is paid for twice.

    Raises:
        DataError: no passage is left, or corpus, examples or drafts cannot be read.
        RagcError: what else cannot be used, in one line.
    """
    if number < 1:
        raise ConfigError(f"{number} drafts: expected 1 or more")
    found = project if isinstance(project, Project) else Project.find(project)
    found = found if lm is None else found.with_lm(lm)
    chosen = found.task(task)
    caps = Budget.from_flags(Budget(), **(budget or {}))
    settings = found.settings.lm
    workers = thread_count(settings, threads)
    file = found.path(chosen.examples)
    corpus, examples, drafts = read_corpus(found.path(chosen.corpus)), read_known(file), read_drafts(file)
    pieces = choose(corpus, examples, drafts)
    if not pieces:
        raise DataError(f"{chosen.corpus}: every passage was drafted from; decide on what is there, or add documents")
    prepare_model(settings)
    gateway = open_evaluation(found, chosen, on_event, budget=caps).gateway
    with closing(gateway), Interrupts(gateway):
        evaluator = Evaluator(
            load_metric(found, FREE),
            make_lm(settings, gateway=gateway),
            make_adapter(settings),
            gateway,
            threads=workers,
            max_error_rate=1.0,
        )
        check = _Check(found, corpus, examples, drafts, settings.model, slice)
        new: list[Draft] = []
        dropped, stopped = Counter[str](), False
        try:
            while pieces and len(new) < number and sum(dropped.values()) < _PATIENCE + 2 * number:
                some, pieces = pieces[: min(workers, number - len(new))], pieces[min(workers, number - len(new)) :]
                with gateway.aside(LABEL):
                    made = list(_drafted(evaluator, some))
                good, bad = check.sort(made)
                drafts = drafts.add(good, {piece.key: why for piece, why in bad})
                new += good
                dropped.update(why for _, why in bad)
                on_event(Working(LABEL, min(len(new), number), number, f"{sum(dropped.values())} dropped"))
        except BudgetExhausted as error:
            stopped = True
            on_event(Warned(str(error)))
        finally:
            evaluator.cancel()
        if pieces and len(new) < number and not stopped:
            tried = len(new) + sum(dropped.values())
            usable = f"{len(new)} of {tried} drafts by {settings.model} can be used"
            on_event(Warned(f"{usable}: take a larger model (--lm), or write the labels"))
        gateway.journal.update_run(gateway.run, state="budget" if stopped else "sealed")
        return Drafting(chosen.name, drafts, tuple(new), dict(dropped), len(pieces), gateway.usage, stopped)


def choose(corpus: Corpus, examples: Sequence[Example], drafts: Drafts) -> list[Piece]:
    """The passages to draft from, in their order: those that nothing was drafted from.

    One of each document in turn, those documents first that the fewest labels and drafts are of, and among equals those
    whose labels are of the smallest slices. In a document the passages come first that no label quotes.
    """
    quotes: dict[str, list[str]] = {}
    for example in examples:
        for evidence in example.evidence:
            quotes.setdefault(evidence.document, []).append(evidence.quote or "")
    for draft in drafts.drafts:
        quotes.setdefault(draft.document, []).append(draft.quote)
    sizes = Counter(example.slice for example in examples)
    smallest: dict[str, int] = {}
    for example in examples:
        for evidence in example.evidence:
            smallest[evidence.document] = min(smallest.get(evidence.document, len(examples)), sizes[example.slice])
    known = drafts.passages
    ranked = []
    for place, document in enumerate(corpus.documents):
        held = quotes.get(document.id, [])
        left = [
            piece
            for passage in sections(document)
            for piece in _pieces(document.id, " > ".join((document.title, *passage.heading)), passage.text)
            if piece.key not in known
        ]
        left.sort(key=lambda piece: any(quote and quote in piece.text for quote in held))
        for turn, piece in enumerate(left):
            order = (turn + len(held), smallest.get(document.id, 0), place, turn)
            ranked.append((order, piece))
    return [piece for _, piece in sorted(ranked, key=lambda pair: pair[0])]


def _pieces(document: str, heading: str, text: str) -> Iterator[Piece]:
    """A section in stretches of whole paragraphs, each of a length that a person reads."""
    held = ""
    for paragraph in text.split("\n\n"):
        if held and len(held) + len(paragraph) > LONGEST:
            yield Piece(document, heading, held.strip())
            held = ""
        held = f"{held}\n\n{paragraph}" if held else paragraph
    pieces = held.strip()
    if len(pieces) >= SHORTEST:
        yield Piece(document, heading, pieces[: 2 * LONGEST])


def _drafted(evaluator: Evaluator, pieces: Sequence[Piece]) -> Iterator[tuple[Piece, dspy.Prediction | None]]:
    """What the model wrote of each, in order; None: it could not be read. Raises what ends the run."""
    asked = [Example(piece.key, "", (), inputs={"passage": piece.shown}) for piece in pieces]
    runs = evaluator.trace(Drafter(), asked)
    try:
        for piece, traced in zip(pieces, runs, strict=True):
            yield piece, _read(traced)
    finally:
        runs.close()


def _read(traced: Traced) -> dspy.Prediction | None:
    return None if traced.outcome.error is not None else traced.prediction


class _Check:
    """Tells drafts that can be used from others, each against the labels and the drafts before it."""

    def __init__(
        self,
        project: Project,
        corpus: Corpus,
        examples: Sequence[Example],
        drafts: Drafts,
        model: str,
        slice: str | None,
    ) -> None:
        self._corpus, self._model, self._slice = corpus, model, slice
        self._known = [*examples, *(_example(draft) for draft in drafts.drafts)]
        settings = project.settings.embedder
        self._embed = make_embedder(settings).embed_documents if is_local(settings) else None

    def sort(self, made: Iterable[tuple[Piece, dspy.Prediction | None]]) -> tuple[list[Draft], list[tuple[Piece, str]]]:
        """The drafts that can be used, and for each of the others a key of `WHY`."""
        good, bad = [], []
        for piece, written in made:
            draft = None if written is None else self._draft(piece, written)
            why = "unreadable" if draft is None else self._fault(piece, draft)
            if draft is None or why is not None:
                bad.append((piece, why or "unreadable"))
            else:
                good.append(draft)
                self._known.append(_example(draft))
        return good, bad

    def _draft(self, piece: Piece, written: dspy.Prediction) -> Draft | None:
        texts = [getattr(written, name, None) for name in ("question", "answer", "quote")]
        if not all(isinstance(text, str) for text in texts):
            return None
        question, answer, quote = (" ".join(str(text).split()).strip("\"“”'") for text in texts)
        return Draft(
            id=f"draft-{piece.key[:10]}",
            passage=piece.key,
            document=piece.document,
            question=question,
            answers=(answer,),
            quote=quote,
            model=self._model,
            slice=self._slice,
        )

    def _fault(self, piece: Piece, draft: Draft) -> str | None:
        question, answer = tokens(draft.question), tokens(draft.answers[0])
        if len(question) < _FEWEST_WORDS or not answer or _within(answer, question):
            return "question"
        evidence = Evidence(draft.document, draft.quote)
        if not draft.quote or find_span(draft.quote, piece.text) is None or evidence_fault(evidence, self._corpus):
            return "quote"
        if not _within(answer, tokens(piece.text)):
            return "answer"
        return "repeated" if self._is_repeated(_example(draft)) else None

    def _is_repeated(self, example: Example) -> bool:
        together = [*self._known, example]
        last = len(self._known)
        if any(last in pair for pair in (*nearly_same(together), *perhaps_same(together))):
            return True
        return self._embed is not None and any(last == pair.second for pair in find_paraphrases(together, self._embed))


def _example(draft: Draft) -> Example:
    return Example(draft.id, draft.question, draft.answers, (Evidence(draft.document, draft.quote),), draft.slice)


def _within(words: Sequence[str], text: Sequence[str]) -> bool:
    """Whether the words stand in the text, one after the other."""
    return f" {' '.join(words)} " in f" {' '.join(text)} "
