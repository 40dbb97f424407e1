"""The health of a task's data: what there is, what stands twice, and what the documents no longer support."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ragc._messages import counted
from ragc.data._corpus import Corpus
from ragc.data._doubts import Doubts, doubt_labels
from ragc.data._edited import contradict, nearly_same, perhaps_same
from ragc.data._examples import SPLITS, Example
from ragc.data._paraphrases import Embed, find_paraphrases
from ragc.data._splits import FEWEST_IN_ALL, Splits
from ragc.data._verbatim import Verbatim, verbatim_in_corpus


@dataclass(frozen=True)
class Repeated:
    """Two examples that ask nearly the same."""

    first: Example
    second: Example
    splits: tuple[str | None, str | None]
    """Where either stands; None: not assigned yet."""
    is_sure: bool = True
    """False: they may ask the same, which a person has to say; nothing is refused for it."""
    similarity: float | None = None
    """How near their embeddings are, where that is how they were found."""

    @property
    def leaks(self) -> bool:
        """Whether they stand in two splits, so that one would tell of the other."""
        return None not in self.splits and self.splits[0] != self.splits[1]

    @property
    def disagree(self) -> bool:
        """Whether no answer to one is an answer to the other."""
        return self.is_sure and contradict(self.first, self.second)


@dataclass(frozen=True)
class Health:
    """What is known of a task's examples and corpus without asking anybody."""

    labels: int
    unanswerable: int
    """Labels that say that the corpus does not know."""
    without_evidence: int
    """Answerable ones whose evidence is not named: what retrieval finds for them can only be guessed."""
    slices: Mapping[str, int]
    splits: Mapping[str, int]
    """By split; `unassigned` for those that the next compile assigns."""
    repeated: tuple[Repeated, ...]
    """Pairs that ask nearly the same."""
    perhaps: tuple[Repeated, ...]
    """Pairs that may, in two splits: a word apart, or in other words (see `find_paraphrases`)."""
    verbatim: tuple[Verbatim, ...]
    """Questions that stand in a document word for word."""
    doubts: Doubts
    corpus: Corpus

    @property
    def refused(self) -> tuple[str, ...]:
        """Why a compile would not begin, a line each; empty where it would."""
        lines = []
        leaks = [one for one in self.repeated if one.leaks]
        if leaks:
            pair = f"{leaks[0].first.named} and {leaks[0].second.named}"
            lines.append(f"{counted(len(leaks), 'question')} in two splits, such as {pair}: give both the same split")
        if self.labels < FEWEST_IN_ALL:
            lines.append(f"{counted(self.labels, 'label')}, at least {FEWEST_IN_ALL} are needed: label more")
        if self.doubts.refused is not None:
            lines.append(self.doubts.refused)
        return tuple(lines)


def check_data(examples: Sequence[Example], corpus: Corpus, splits: Splits, *, embed: Embed | None = None) -> Health:
    """Return the health of `examples` against `corpus`; `splits` as recorded (`recorded_splits`). Writes nothing.

    With `embed`, questions in other words are looked for as well.
    """
    held_in = {example.id: name for name in SPLITS for example in getattr(splits, name)}
    where = [held_in.get(example.id) for example in examples]
    pairs = nearly_same(examples)
    held = Counter(where)
    return Health(
        labels=len(examples),
        unanswerable=sum(not example.answerable for example in examples),
        without_evidence=sum(example.answerable and not example.evidence for example in examples),
        slices=dict(Counter(example.slice for example in examples if example.slice is not None)),
        splits={**{name: held[name] for name in SPLITS}, "unassigned": held[None]},
        repeated=tuple(Repeated(examples[i], examples[j], (where[i], where[j])) for i, j in pairs),
        perhaps=tuple(_perhaps(examples, where, set(pairs), embed)),
        verbatim=verbatim_in_corpus(examples, corpus),
        doubts=doubt_labels(examples, corpus),
        corpus=corpus,
    )


def _perhaps(
    examples: Sequence[Example], where: Sequence[str | None], sure: set[tuple[int, int]], embed: Embed | None
) -> Iterator[Repeated]:
    found: dict[tuple[int, int], float | None] = dict.fromkeys(perhaps_same(examples))
    for one in [] if embed is None else find_paraphrases(examples, embed):
        found.setdefault((one.first, one.second), one.similarity)
    for i, j in sorted(found.keys() - sure):
        if where[i] != where[j]:
            yield Repeated(examples[i], examples[j], (where[i], where[j]), is_sure=False, similarity=found[i, j])
