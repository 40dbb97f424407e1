"""What retrieval alone is worth on a task's labels, at every k and alpha: no language model is asked."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ragc._files import canonical_json, digest
from ragc.compiler._bench import read_labelled
from ragc.compiler._events import OnEvent, Warned, Working, ignore
from ragc.compiler._history import open_evaluation
from ragc.compiler._indexing import bring_up_to_date
from ragc.compiler._opened import open_labelled_test
from ragc.data import gold_spans, too_often
from ragc.errors import ConfigError, DataError
from ragc.evaluation import Ranked, Rankings, Setting, clusters_of, held, rank
from ragc.project import Project
from ragc.retrieval import Index, Query, is_local, open_index

if TYPE_CHECKING:
    from ragc.compiler._bench import Labelled
    from ragc.data import Evidence, Example
    from ragc.models import Gateway, Usage
    from ragc.project import TaskSettings
    from ragc.retrieval import Passage

KS = (1, 3, 5, 10)
ALPHAS = (0.0, 0.25, 0.5, 0.75, 1.0)
LABEL = "retrieval"
_INSTEAD = 3
"""Passages that are shown for a question whose evidence was missed."""


@dataclass(frozen=True)
class Missed:
    """A question whose evidence is not all found with the best setting."""

    example: Example
    evidence: tuple[Evidence, ...]
    """The parts of it that were missed."""
    instead: tuple[Passage, ...]
    """The first passages that came."""


@dataclass(frozen=True)
class RetrievalResult:
    """What `ragc.compiler.evaluate_retrieval` found."""

    task: str
    split: str
    rankings: Rankings
    missed: tuple[Missed, ...]
    """At the best setting, in the examples' order."""
    unlabelled: int
    """Questions of the split that were left out: their labels name no evidence."""
    usage: Usage | None
    """What embedding the questions took; None: the embedder is local."""
    openings: int | None = None
    """How often the test split was opened so far; None on another split."""

    def as_json(self) -> dict[str, Any]:
        """The keys that `ragc eval --retrieval --json` prints."""
        best = self.rankings.best
        return {
            "task": self.task,
            "split": self.split,
            "n": best.n,
            "without_evidence": self.unlabelled,
            "best": _plain(best),
            "settings": [_plain(one) for one in self.rankings.settings],
            "slices": {name: [_plain(one) for one in part] for name, part in self.rankings.slices.items()},
            "missed": [_missed(one) for one in self.missed],
            "openings": self.openings,
            "embedding": None if self.usage is None else {"usd": self.usage.usd, "calls": self.usage.calls},
        }


def evaluate_retrieval(
    task: str | None = None,
    *,
    project: Project | Path | str | None = None,
    split: Literal["train", "validation", "test"] = "validation",
    ks: Sequence[int] = KS,
    alphas: Sequence[float] = ALPHAS,
    on_event: OnEvent = ignore,
) -> RetrievalResult:
    """Scores what retrieval finds for the questions of one split of `task` whose labels name their evidence.

    A question is embedded once and searched once for each alpha, as deep as the largest k. The index is brought up to
    date first. Raises ConfigError on a k or alpha out of range, DataError where no label names evidence, RagcError on
    what cannot be used.
    """
    ks, alphas = _checked(ks, alphas)
    found = project if isinstance(project, Project) else Project.find(project)
    settings = found.task(task)
    labelled = read_labelled(found, settings, on_event)
    opened = None
    if split == "test":
        decides = [found.settings.embedder.model_dump(mode="json"), settings.chunk.model_dump(mode="json"), ks, alphas]
        programs = {"retrieval": digest(canonical_json(decides))}
        opened = open_labelled_test(found, settings, labelled, programs, by="eval --retrieval")
    examples: tuple[Example, ...] = getattr(labelled.splits, split) if opened is None else opened.examples
    gold = {example.id: gold_spans(example, labelled.corpus) for example in examples}
    asked = [example for example in examples if gold[example.id]]
    if not asked:
        raise DataError(
            f"{settings.examples}: none of the {len(examples)} {split} questions names its evidence, which is what "
            'retrieval is measured by; add "evidence" to the labels, or score answers: `ragc eval` without --retrieval'
        )
    remote = not is_local(found.settings.embedder)
    gateway = open_evaluation(found, settings, on_event).gateway if remote else None
    with closing(gateway) if gateway is not None else nullcontext():
        index = _index(found, settings, labelled, gateway, on_event)
        with closing(index), gateway.aside(LABEL) if gateway is not None else nullcontext():
            ranked = []
            for number, example in enumerate(asked, 1):
                lists = index.rankings(example.question, alphas, k=max(ks))
                candidates = index.passages(sorted({span.document for span in gold[example.id]}))
                ranked.append(Ranked(example, gold[example.id], candidates, dict(zip(alphas, lists, strict=True))))
                on_event(Working(LABEL, number, len(asked), "questions"))
        usage = None
        if gateway is not None:
            gateway.journal.update_run(gateway.run, state="sealed")
            usage = gateway.usage
    rankings = rank(ranked, ks, clusters=clusters_of(asked, labelled.corpus))
    if opened is not None and (warning := too_often(opened.count)) is not None:
        on_event(Warned(warning))
    return RetrievalResult(
        task=settings.name,
        split=split,
        rankings=rankings,
        missed=tuple(_misses(ranked, rankings.best)),
        unlabelled=len(examples) - len(asked),
        usage=usage,
        openings=None if opened is None else opened.count,
    )


def _checked(ks: Sequence[int], alphas: Sequence[float]) -> tuple[list[int], list[float]]:
    if not ks or not alphas:
        raise ConfigError("retrieval is scored for at least one k and one alpha")
    queries = [Query("", None, k, alpha) for k in ks for alpha in alphas]  # raises on what is out of range
    deepest, depth = max(queries, key=lambda query: query.k), Query("", None, 1).depth
    if deepest.depth != depth:
        raise ConfigError(f"k is at most {depth} here, not {deepest.k}: deeper searches rank otherwise")
    return sorted(set(ks)), sorted(set(map(float, alphas)))


def _index(
    project: Project, task: TaskSettings, labelled: Labelled, gateway: Gateway | None, on_event: OnEvent
) -> Index:
    if gateway is not None:
        return bring_up_to_date(project, task, labelled.corpus, gateway, on_event).index
    index = open_index(project, task, check=False)
    try:
        index.update(labelled.corpus)
    except BaseException:
        index.close()
        raise
    return index


def _misses(ranked: Sequence[Ranked], best: Setting) -> list[Missed]:
    found = []
    for one in ranked:
        passages = one.found[best.alpha][: best.k]
        # Every label here is valid: each evidence has its stretch.
        pairs = zip(one.example.evidence, held(one.gold, passages), strict=True)
        gone = tuple(evidence for evidence, is_held in pairs if not is_held)
        if gone:
            found.append(Missed(one.example, gone, tuple(passages[:_INSTEAD])))
    return found


def _missed(one: Missed) -> dict[str, Any]:
    return {
        "id": one.example.id,
        "line": one.example.line,
        "question": one.example.question,
        "slice": one.example.slice,
        "evidence": [asdict(evidence) for evidence in one.evidence],
        "instead": [
            {"id": passage.id, "document": passage.document, "source": passage.source, "score": passage.score}
            for passage in one.instead
        ],
    }


def _plain(setting: Setting) -> dict[str, Any]:
    return {**asdict(setting), "intervals": {name: list(pair) for name, pair in setting.intervals.items()}}
