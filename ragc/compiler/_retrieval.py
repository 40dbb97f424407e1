"""What retrieval alone is worth on a task's labels, at every k and alpha: no language model is asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, nullcontext
from contextvars import copy_context
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ragc._files import canonical_json, digest
from ragc.compiler._bench import read_labelled
from ragc.compiler._events import OnEvent, Warned, Working, ignore
from ragc.compiler._history import open_evaluation
from ragc.compiler._indexing import bring_up_to_date
from ragc.compiler._opened import open_labelled_test
from ragc.compiler._retrieval_csv import write_rows
from ragc.data import gold_spans, too_often
from ragc.errors import ConfigError, DataError
from ragc.evaluation import Order, Ranked, Rankings, Setting, clusters_of, held, rank
from ragc.project import Project
from ragc.retrieval import Index, Query, candidates, is_local, open_index
from ragc.retrieval.rerankers import named

if TYPE_CHECKING:
    from ragc.compiler._bench import Labelled
    from ragc.data import Evidence, Example
    from ragc.models import Gateway, Usage
    from ragc.project import TaskSettings
    from ragc.retrieval import Passage

KS = (1, 3, 5, 10)
ALPHAS = (0.0, 0.25, 0.5, 0.75, 1.0)
LABEL = "retrieval"
THREADS = 8
"""Questions at once, where an embedder or a reranker is asked that is not in this process."""
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
    unanswerable: int
    """How many of these need none: the corpus does not know their answer."""
    usage: Usage | None
    """What embedding and reranking took; None: nothing was asked of anybody."""
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
            "unanswerable": self.unanswerable,
            "best": _plain(best),
            "settings": [_plain(one) for one in self.rankings.settings],
            "slices": {name: [_plain(one) for one in part] for name, part in self.rankings.slices.items()},
            "missed": [_missed(one) for one in self.missed],
            "openings": self.openings,
            "paid": None if self.usage is None else {"usd": self.usage.usd, "calls": self.usage.calls},
        }

    def write_csv(self, file: Path) -> None:
        """Write a line a setting, for all questions and then for each slice. Raises RagcError where it cannot be."""
        write_rows(file, [self.task, self.split], self.rankings)


def evaluate_retrieval(
    task: str | None = None,
    *,
    project: Project | Path | str | None = None,
    split: Literal["train", "validation", "test"] = "validation",
    ks: Sequence[int] = KS,
    alphas: Sequence[float] = ALPHAS,
    rerankers: Sequence[str] | None = None,
    on_event: OnEvent = ignore,
) -> RetrievalResult:
    """Scores what retrieval finds for the questions of one split of `task` whose labels name their evidence.

    A question is embedded once and searched once for each alpha, as deep as the largest k. Each of `rerankers` ("none":
    none; default: none and all that the configuration has) then orders what was found, as `Retrieve` has it ordered;
    that is a call a question and alpha, in the journal like any other. The index is brought up to date first. Raises
    ConfigError on a k or alpha out of range and an unknown reranker, DataError where no label names evidence,
    RagcError on what cannot be used.
    """
    found = project if isinstance(project, Project) else Project.find(project)
    settings = found.task(task)
    names = [None, *(table.model for table in found.settings.rerankers)] if rerankers is None else rerankers
    orders = _orders(alphas, [named(name) for name in names])
    ks = _checked(ks, orders)
    labelled = read_labelled(found, settings, on_event)
    opened = None
    if split == "test":
        decides = [
            found.settings.embedder.model_dump(mode="json"),
            settings.chunk.model_dump(mode="json"),
            ks,
            [*map(list, orders)],
        ]
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
    paid = not is_local(found.settings.embedder) or any(order.reranker for order in orders)
    gateway = open_evaluation(found, settings, on_event).gateway if paid else None
    with closing(gateway) if gateway is not None else nullcontext():
        index = _index(found, settings, labelled, gateway, on_event)
        with closing(index), gateway.aside(LABEL) if gateway is not None else nullcontext():
            for order in orders:
                if order.reranker is not None:
                    index.rerankers.get(order.reranker).check(candidates(max(ks), None))

            def ranked_for(example: Example) -> Ranked:
                around = index.passages(sorted({span.document for span in gold[example.id]}))
                return Ranked(example, gold[example.id], around, _found(index, example.question, orders, ks))

            ranked = []
            for one in _in_order(ranked_for, asked, threads=THREADS if paid else 1):
                ranked.append(one)
                on_event(Working(LABEL, len(ranked), len(asked), "questions"))
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
        unanswerable=sum(not example.answers for example in examples if not gold[example.id]),
        usage=usage,
        openings=None if opened is None else opened.count,
    )


def _orders(alphas: Sequence[float], rerankers: Sequence[str | None]) -> list[Order]:
    sorted_alphas = sorted(set(map(float, alphas)))
    return [Order(alpha, name) for name in dict.fromkeys(rerankers) for alpha in sorted_alphas]


def _found(index: Index, question: str, orders: Sequence[Order], ks: Sequence[int]) -> dict[Order, list[Passage]]:
    """What each of `orders` has as the first max(ks) passages."""
    alphas = list(dict.fromkeys(order.alpha for order in orders))
    reranked = any(order.reranker for order in orders)
    lists = index.rankings(question, alphas, k=candidates(max(ks), None) if reranked else max(ks))
    fused = dict(zip(alphas, lists, strict=True))
    return {
        order: (
            fused[order.alpha]
            if order.reranker is None
            else index.rerankers.get(order.reranker).rerank(question, fused[order.alpha])
        )[: max(ks)]
        for order in orders
    }


def _in_order(work: Callable[[Example], Ranked], examples: Sequence[Example], *, threads: int) -> Iterator[Ranked]:
    """What `work` makes of each example, so many at a time; the first error ends it."""
    if threads == 1:
        yield from map(work, examples)
        return
    with ThreadPoolExecutor(threads, thread_name_prefix="ragc-retrieval") as pool:
        running = [pool.submit(copy_context().run, work, example) for example in examples]
        try:
            for one in running:
                yield one.result()
        finally:
            for one in running:
                one.cancel()


def _checked(ks: Sequence[int], orders: Sequence[Order]) -> list[int]:
    if not ks or not orders:
        raise ConfigError("retrieval is scored for at least one k, one alpha and one reranker, which may be none")
    queries = [Query("", None, k, order.alpha) for k in ks for order in orders]  # raises on what is out of range
    most = candidates(1, None)
    if max(ks) > most and any(order.reranker for order in orders):
        raise ConfigError(f"k is at most {most} here with a reranker, which is given so many passages, not {max(ks)}")
    deepest, depth = max(queries, key=lambda query: query.k), Query("", None, 1).depth
    if deepest.depth != depth:
        raise ConfigError(f"k is at most {depth} here, not {deepest.k}: deeper searches rank otherwise")
    return sorted(set(ks))


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
        passages = one.found[Order(best.alpha, best.reranker)][: best.k]
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
