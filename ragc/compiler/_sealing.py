"""The last step of a run: everything it found, handed to the artifact and to tracking."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ragc import tracking
from ragc.artifact import Candidate as SealedCandidate
from ragc.artifact import (
    Content,
    collect_sources,
    is_tested,
    package,
    quoted_documents,
    replaces,
    seal,
    tried_settings,
)
from ragc.compiler._bench import rerankers_of
from ragc.compiler._events import Finished, OnEvent, Warned, Working
from ragc.compiler._result import cost_of
from ragc.data import examples_fingerprint
from ragc.evaluation import Comparison
from ragc.models import describe
from ragc.report import modes_of, questions_of, sources_of

UNTESTED = ".ragc/untested"
"""Where an artifact goes that was not tested, when a tested one stands in its place."""

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ragc.compiler._bench import Bench
    from ragc.compiler._candidate import Candidate
    from ragc.compiler._result import CompileResult
    from ragc.compiler._run import Run
    from ragc.data import Example
    from ragc.evaluation import Evaluation


def seal_result(  # noqa: PLR0913  all that a run found
    bench: Bench,
    run: Run,
    result: CompileResult,
    candidate: Candidate | None,
    optimizer: dict[str, Any],
    on_event: OnEvent,
    *,
    test: Sequence[Example] = (),
    target: Path | None = None,
    is_replay: bool = False,
) -> CompileResult:
    """Seals what `result.sealed` names and logs the run; returns the result with path and id.

    `test` are the test examples, where the split was opened.

    Into `target`, where one is given, and then it is not logged; nor is a replay, which is no run of its own.

    Raises ArtifactError or RagcError when the artifact cannot be written; the previous one is whole then.
    """
    chosen = candidate if candidate is not None and result.sealed == "candidate" else run.baseline
    content = content_of(
        bench, result, chosen, optimizer, test, candidates=run.candidates, baseline_state=run.baseline.state
    )
    place, line = _place(bench, result) if target is None else (target, None)
    sealed = seal(content, place)
    if line is not None and line.startswith(f"replaces {sealed.id[:8]} "):
        line = "the same as before"
    if place == bench.project.compiled_path(bench.task):
        package(sealed.path.parent)
    result = replace(result, artifact=sealed.path, id=sealed.id)
    what = ""
    if result.sealed == "baseline":
        why = "no candidate is within the limits" if candidate is None else "the candidate scored below it"
        what = f"  (the uncompiled program: {why})"
    on_event(Finished("sealed", (f"{_shown(sealed.path, bench)}  {sealed.id[:8]}{what}", *filter(None, [line]))))
    if is_replay or target is not None:
        return result
    on_event(Working(tracking.LABEL, 0, 1))
    for warning in tracking.log_compile(
        uri=bench.project.settings.tracking,
        root=bench.project.root,
        content=content,
        path=sealed.path,
        artifact_id=sealed.id,
    ):
        on_event(Warned(warning))
    return result


def _place(bench: Bench, result: CompileResult) -> tuple[Path, str | None]:
    """Where the artifact goes, and what is to be said of the one that is there.

    An artifact that was not tested does not replace one that was: it is put aside.
    """
    target = bench.project.compiled_path(bench.task)
    if result.verdict == "not tested" and is_tested(target):
        aside = bench.project.path(UNTESTED) / bench.task.name
        return aside, f"{_shown(target, bench)} was tested and stays: an untested artifact does not replace it"
    return target, replaces(target)


def _shown(path: Path, bench: Bench) -> Path:
    """The path as it is printed: below the project where it is."""
    root = bench.project.root.resolve()
    return path.resolve().relative_to(root) if path.resolve().is_relative_to(root) else path


def content_of(
    bench: Bench,
    result: CompileResult,
    chosen: Candidate,
    optimizer: dict[str, Any] | None,
    test: Sequence[Example],
    *,
    candidates: Sequence[Candidate] = (),
    baseline_state: dict[str, Any],
) -> Content:
    """Everything that goes into the artifact of `chosen`; `candidates` is everything that was tried beside it."""
    project, task = bench.project, bench.task
    program = type(chosen.program)
    comparison = result.comparison
    made_with = bench.index.made_with
    tested = _tested(result)
    questions = questions_of(test, tested, bench.labelled.corpus) if tested else ()
    return Content(
        task=task.name,
        program=f"{program.__module__}:{program.__qualname__}",
        state=chosen.state,
        sources=collect_sources(project.root, program.__module__),
        model=_model(bench),
        lm=project.settings.lm.model_dump(mode="json"),
        adapter=type(bench.adapter).__name__,
        embedder={
            "name": made_with.embedder,
            "fingerprint": made_with.fingerprint,
            "dimensions": made_with.dimensions,
        },
        embedder_settings=project.settings.embedder.model_dump(mode="json"),
        chunking=task.chunk.model_dump(mode="json"),
        fingerprints={
            "examples": examples_fingerprint(bench.labelled.examples),
            "splits": bench.labelled.splits.fingerprint,
            "corpus": bench.labelled.corpus.fingerprint,
        },
        optimizer=optimizer,
        metric=task.metric,
        method=bench.metric.method,
        judge=None if bench.judged is None else bench.judged.as_json(),
        scores={
            "validation": _scores(result.baseline, result.compiled),
            "test": _scores(result.baseline_test, result.compiled_test),
        },
        verdict={
            "word": result.verdict,
            "sentence": "" if comparison is None else comparison.sentence,
            **(comparison or Comparison("not tested")).figures(),
            "n": 0 if comparison is None else comparison.n,
        },
        sealed=result.sealed or "baseline",
        cost=cost_of(result.usage),
        built={
            "seconds": result.seconds,
            "latency": {
                "baseline": _latency(result.baseline_test),
                "compiled": _latency(result.compiled_test),
            },
            "paid": cost_of(result.paid),
            "replaced": None if result.replaced is None else result.replaced.as_json(),
            "stopped": result.stopped,
            "corpus": task.corpus,
            "rerankers": [
                table.model_dump(mode="json", exclude_none=True)
                for table in project.settings.rerankers
                if table.model in rerankers_of(chosen.program)
            ],
        },
        results={
            "validation": _details(result.baseline, result.compiled),
            "test": _details(result.baseline_test, result.compiled_test),
            "modes": {name: modes_of(questions, name) for name in tested},
            "detectable_gain": result.detectable_gain,
            "openings": result.openings,
        },
        candidates=tuple(_candidate(one) for one in candidates),
        questions=questions,
        passages=sources_of(tested.values()),
        quoted=quoted_documents(chosen.state, bench.labelled.corpus),
        documents={document.id: document.digest for document in bench.labelled.corpus.documents},
        baseline_settings=tried_settings(baseline_state),
    )


def _scores(baseline: Evaluation | None, compiled: Evaluation | None) -> dict[str, dict[str, float | None]]:
    return {
        "baseline": {} if baseline is None else baseline.scores,
        "compiled": {} if compiled is None else compiled.scores,
    }


def _details(baseline: Evaluation | None, compiled: Evaluation | None) -> dict[str, Any]:
    return {
        "baseline": None if baseline is None else baseline.details(),
        "compiled": None if compiled is None else compiled.details(),
    }


def _latency(evaluation: Evaluation | None) -> dict[str, float | None]:
    if evaluation is None:
        return {"p50": None, "p95": None}
    return {"p50": evaluation.latency_p50, "p95": evaluation.latency_p95}


def _candidate(one: Candidate) -> SealedCandidate:
    evaluation = one.evaluation
    return SealedCandidate(
        label=one.label,
        score=evaluation.score,
        n=evaluation.n,
        errors=evaluation.errors,
        scores=evaluation.scores,
        usd_per_question=evaluation.usd_per_question,
        latency_p95=evaluation.latency_p95,
        eligible=one.why_not is None,
        why_not=one.why_not,
        settings=tried_settings(one.state),
    )


def _tested(result: CompileResult) -> dict[str, Evaluation]:
    """Both programs on test, by their names; nothing where the test was not whole."""
    if result.baseline_test is None or result.compiled_test is None:
        return {}
    return {"baseline": result.baseline_test, "compiled": result.compiled_test}


def _model(bench: Bench) -> dict[str, Any]:
    """The model as configured and, where the provider named it, as it was resolved."""
    settings = bench.project.settings.lm
    answered_by = bench.gateway.resolved.get(settings.model)
    return describe(settings) | ({} if answered_by is None else {"answered_by": answered_by})
