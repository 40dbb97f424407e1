"""The bench that programs of a task are run on: examples, index, model, gateway and evaluator, made once a run."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

import dspy

from ragc._messages import counted
from ragc.compiler._events import OnEvent, Warned, Working
from ragc.compiler._indexing import bring_up_to_date
from ragc.compiler._judged import judge_settings, judged_by, open_judge
from ragc.compiler._leaks import tell_leaks
from ragc.data import (
    Corpus,
    Example,
    Openings,
    Splits,
    assign_splits,
    check_inputs,
    check_labels,
    find_leaks,
    openings_beside,
    read_corpus,
    read_examples,
    read_openings,
    unsupported_in_words,
    verbatim_in_corpus,
)
from ragc.errors import ConfigError
from ragc.evaluation import Evaluator, load_metric, recall_of
from ragc.models import Amounts, Gateway, context_window, make_adapter, make_lm, prepare_model, token_counter
from ragc.project import load_program
from ragc.retrieval import Index, Remembered, Retrieve, Unembedded, bind, candidates, check_embedder, is_local

if TYPE_CHECKING:
    from ragc.evaluation import Measure, Recall
    from ragc.evaluation.judge import Judged
    from ragc.project import ModelSettings, Project, TaskSettings

REMOTE_THREADS = 8
CORPUS = "corpus"
"""What reading documents is called, where they have to be converted."""
COUNTED = 4096
"""Texts whose number of tokens is remembered in a run."""
QUESTION_TOKENS = 32
"""Tokens that a question is taken to have, where none is known."""


@dataclass(frozen=True)
class Labelled:
    """A task's examples against its corpus: checked, split, without leaks."""

    corpus: Corpus
    splits: Splits
    examples: tuple[Example, ...]
    """The examples whose labels hold."""
    openings: Openings
    """How often the test split was opened, as far as is recorded when they were read."""

    @property
    def documents(self) -> int:
        """Number of documents in the corpus."""
        return len(self.corpus.documents)


def read_labelled(project: Project, task: TaskSettings, on_event: OnEvent, *, strict: bool = False) -> Labelled:
    """Reads and checks corpus and examples, assigns splits, and refuses leaks between them.

    Stale labels, skipped files, examples set aside and questions that stand in the corpus are told as warnings; how far
    the conversion of documents is, where there is one, as `Working`.

    Raises:
        DataError: see `ragc.data`.
    """
    corpus = read_corpus(
        project.path(task.corpus),
        strict=strict,
        report=lambda done, total: on_event(Working(CORPUS, done, total, "files read")),
    )
    labels = check_labels(read_examples(project.path(task.examples)), corpus)
    splits = assign_splits(labels.valid, project.splits_path(task))
    contradicting = find_leaks(splits)
    openings = read_openings(openings_beside(project.splits_path(task)))
    warn = [f"skipped {task.corpus}/{one.path}: {one.reason}" for one in corpus.skipped]
    warn += [f"stale label {one.example.named}: {one.reason}" for one in labels.stale]
    warn += [f"example {one.example.named} is set aside: {one.reason}" for one in splits.aside]
    warn += [
        f"{one.named} and {other.named} ask nearly the same and have other answers: mend one of them"
        for one, other in contradicting
    ]
    warn += _doubtful(labels.valid, corpus)
    for text in warn[:10]:
        on_event(Warned(text))
    if len(warn) > 10:
        on_event(Warned(f"{len(warn) - 10} more warnings like these"))
    return Labelled(corpus, splits, labels.valid, openings)


def _doubtful(examples: tuple[Example, ...], corpus: Corpus) -> list[str]:
    """Labels that may be stale, and questions that the corpus holds word for word."""
    warn: list[str] = []
    gone = unsupported_in_words(examples, corpus)
    if gone is not None:
        warn.append(gone)
    asked = verbatim_in_corpus(examples, corpus)
    if asked:
        first = asked[0].example
        warn.append(
            f"{counted(len(asked), 'question')} of {len(examples)} in the corpus word for word, such as "
            f'"{first.question}" in {asked[0].document}: fine for a FAQ, else reword them'
        )
    return warn


@dataclass(frozen=True)
class Scoring:
    """How answers are scored: checked against the examples."""

    metric: Measure
    recall: Recall
    judged: Judged | None = None
    """Who judges, and whether that judge is calibrated; None where no model does."""


def scoring_of(project: Project, task: TaskSettings, labelled: Labelled) -> Scoring:
    """The metric of `task`, with what it needs of the corpus. Raises ConfigError or DataError where it cannot score."""
    recall = recall_of(labelled.corpus)
    metric = load_metric(project, task.metric).with_tools(recall=recall)
    metric.check(labelled.examples)
    return Scoring(metric, recall, judged_by(project, task, metric))


@dataclass(frozen=True)
class Bench:
    """Everything that runs a program of one task; `close` releases the index."""

    project: Project
    task: TaskSettings
    program_class: type[dspy.Module]
    labelled: Labelled
    index: Index
    lm: dspy.LM
    adapter: dspy.Adapter
    gateway: Gateway
    evaluator: Evaluator
    indexing: Amounts
    """What the index has taken of the budget, or in a look would take."""
    metric: Measure
    make: Callable[[], dspy.Module] | None = None
    """Makes the uncompiled program, where that is not the class as it is written."""
    judged: Judged | None = None
    """Who judges the scores, and whether that judge is calibrated; None where no model does."""

    def program(self, state: dict[str, Any] | None = None) -> dspy.Module:
        """A fresh program with `state`, bound to the index."""
        program = self.plain()
        if state is not None:
            program.load_state(state)
        self.bind(program)
        return program

    def plain(self) -> dspy.Module:
        """A fresh uncompiled program, not bound to anything."""
        return self.program_class() if self.make is None else self.make()

    @property
    def passages(self) -> int:
        """Passages that the uncompiled program finds, at most; 1 where it retrieves none."""
        found = [retrieve.k for _, retrieve in self.plain().named_sub_modules(type_=Retrieve)]
        return max(found, default=1)

    @property
    def around(self) -> int:
        """Passages that it reads for each of them, at most: `Retrieve.expand`, whole documents about as they are."""
        stats = self.index.stats()
        whole = -(-stats.passages // max(1, stats.documents))
        found = [
            whole if retrieve.expand == "document" else 2 * retrieve.expand + 1
            for _, retrieve in self.plain().named_sub_modules(type_=Retrieve)
        ]
        return max(found, default=1)

    def bind(self, program: dspy.Module) -> None:
        """Binds every retriever in `program` to the index, with a token budget where the model's context is known."""
        settings = self.project.settings.lm
        bind(program, self._searched, self._count_tokens)
        window = context_window(settings)
        for _, retrieve in program.named_sub_modules(type_=Retrieve):
            if retrieve.max_tokens is None and window is not None:
                retrieve.max_tokens = window // 2

    @cached_property
    def _searched(self) -> Index:
        """The index for this run, which searches once for what each candidate asks, where that is no call."""
        return Remembered(self.index) if is_local(self.project.settings.embedder) else self.index

    @cached_property
    def _count_tokens(self) -> Callable[[str], int]:
        """Counts each passage once: the same ones are found for many questions."""
        return lru_cache(maxsize=COUNTED)(token_counter(self.project.settings.lm))

    def unasked(self, program: dspy.Module) -> dspy.Module:
        """`program` for an estimate: a copy that retrieves without a call, where one would be made."""
        embeds = not is_local(self.project.settings.embedder)
        if not embeds and not rerankers_of(program):
            return program
        copy: dspy.Module = program.deepcopy()
        for _, retrieve in copy.named_sub_modules(type_=Retrieve):
            retrieve.reranker = None
        if embeds:
            bind(copy, Unembedded(self.index, self.labelled.corpus), token_counter(self.project.settings.lm))
        return copy

    def embeddings_of(self, program: dspy.Module) -> int:
        """Calls of a question's retrieval, where `program` retrieves as often as it has a `Retrieve`.

        They embed it and rerank what is found; the journal has them when the question comes again.
        """
        ranked = len(rerankers_of(program))
        if is_local(self.project.settings.embedder):
            return ranked
        return ranked + len([one for _, one in program.named_sub_modules(type_=Retrieve) if one.alpha > 0])

    def rankings_take(self, names: Sequence[str]) -> Amounts:
        """About what it takes to rerank what is found for one question with each of `names`. Asks nothing."""
        chunk = self.task.chunk
        tokens = chunk.size if chunk.by == "tokens" else -(-chunk.size // 4)
        depths = [
            candidates(retrieve.k, retrieve.fetch_k) for _, retrieve in self.plain().named_sub_modules(type_=Retrieve)
        ]
        passages = [tokens] * max(depths, default=1)
        takes = (self.index.rerankers.takes(name, query=QUESTION_TOKENS, passages=passages) for name in names)
        return sum(takes, Amounts())

    def check_rerankers(self, names: Iterable[str]) -> None:
        """Raises ConfigError for a name that is none, ModelError without its key, BudgetError without its price."""
        for name in names:
            self.index.rerankers.get(name).check()

    def context(self) -> AbstractContextManager[None]:
        """Around everything that a run does: whatever LM is called inside goes through the gateway."""
        return self.gateway.watching()

    def close(self) -> None:
        """Ends what is still running, and releases the index and the journal."""
        self.release()
        self.gateway.close()

    def release(self) -> None:
        """Like `close`, for a bench whose gateway others use as well: that stays open."""
        self.evaluator.cancel()
        self.index.close()


def rerankers_of(program: dspy.Module) -> list[str]:
    """The rerankers of every `Retrieve` in `program` that has one."""
    named = (retrieve.reranker for _, retrieve in program.named_sub_modules(type_=Retrieve))
    return [name for name in named if name is not None]


def thread_count(settings: ModelSettings, threads: int | None) -> int:
    """The number of examples evaluated at once: the flag, else the model's `threads`, else what suits its kind."""
    if threads is not None:
        if threads < 1:
            raise ConfigError(f"--threads {threads}: expected 1 or more")
        return threads
    return settings.threads or (_cores() if settings.model.startswith("local/") else REMOTE_THREADS)


def _cores() -> int:
    """Cores of this process: a local model answers one call on each."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def open_bench(
    project: Project,
    task: TaskSettings,
    *,
    gateway_for: Callable[[Labelled, type[dspy.Module]], Gateway],
    threads: int | None,
    on_event: OnEvent,
    strict: bool = False,
    is_replay: bool = False,
) -> Bench:
    """Checks all that a run of `task` needs, cheapest first, and brings the index up to date. No LM call is made.

    An embedder that is not in this process is asked for what the index lacks, under the gateway's budget. `gateway_for`
    opens the gateway, once examples and program are known. A replay
    (`is_replay`) needs no model: neither its key nor its weights are asked for.

    Raises:
        RagcError: what is missing or wrong, in one line.
    """
    thread_count(project.settings.lm, threads)
    chosen = load_program(project, task.program)
    metric = load_metric(project, task.metric)  # before anything is read
    labelled = read_labelled(project, task, on_event, strict=strict)
    check_inputs(labelled.examples, chosen, project.path(task.examples))
    if not is_replay and (judge := judge_settings(project, metric)) is not None:
        prepare_model(judge)  # its weights are part of what a calibration is known by
    scoring = scoring_of(project, task, labelled)
    if not is_replay:
        prepare_model(project.settings.lm)
        check_embedder(project.settings.embedder)
    gateway = gateway_for(labelled, chosen)
    try:
        bench = bench_on(project, task, chosen, labelled, scoring, gateway, threads=threads, on_event=on_event)
        if not is_replay:
            tell_leaks(bench, on_event)
        return bench
    except BaseException:
        gateway.close()
        raise


def bench_on(  # noqa: PLR0913  what a bench is made of
    project: Project,
    task: TaskSettings,
    program: type[dspy.Module],
    labelled: Labelled,
    scoring: Scoring,
    gateway: Gateway,
    *,
    threads: int | None,
    on_event: OnEvent,
    make: Callable[[], dspy.Module] | None = None,
    collection: str | None = None,
) -> Bench:
    """A bench on what was read and checked before, and on a gateway that it may share with others.

    `make` makes the uncompiled program; `collection` is the index's name in the store, where that is not the task's.
    Raises what `open_bench` does of models and index; the gateway is left open.
    """
    settings = project.settings.lm
    lm = make_lm(settings, gateway=gateway)
    indexed = bring_up_to_date(project, task, labelled.corpus, gateway, on_event, collection=collection)
    if gateway.replay is None and (judging := judge_settings(project, scoring.metric)) is not None:
        prepare_model(judging)
    judge = open_judge(project, scoring.metric, gateway)
    metric = scoring.metric.with_tools(recall=scoring.recall, judge=judge)
    evaluator = Evaluator(
        metric,
        lm,
        make_adapter(settings),
        gateway,
        recall=scoring.recall,
        threads=thread_count(settings, threads),
        max_error_rate=task.max_error_rate,
    )
    return Bench(
        project,
        task,
        program,
        labelled,
        indexed.index,
        lm,
        evaluator.adapter,
        gateway,
        evaluator,
        indexing=indexed.taken,
        metric=metric,
        make=make,
        judged=scoring.judged,
    )
