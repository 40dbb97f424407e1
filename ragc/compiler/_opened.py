"""The test split of a run, opened: what is recorded of it beside the splits, and what is said of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ragc._files import canonical_json, digest
from ragc.artifact import collect_sources
from ragc.compiler._candidate import state_of
from ragc.data import open_test, openings_beside
from ragc.models import describe

if TYPE_CHECKING:
    import dspy

    from ragc.artifact import Manifest
    from ragc.compiler._bench import Bench, Labelled
    from ragc.data import OpenedTest
    from ragc.models import Gateway
    from ragc.project import Project, TaskSettings

_NO_DECISION = {"threads", "timeout", "price", "rpm", "tpm", "api_key_env", "base_url"}
"""Keys of a model's table that say what it costs and how it is reached: it answers alike without them."""


def program_digest(bench: Bench, program: dspy.Module, manifest: Manifest | None = None) -> str:
    """The digest of all that decides what `program` answers on a bench and how that is scored.

    It is the same for a candidate of a compile and for the artifact (`manifest`) that it became.
    """
    settings, task = bench.project.settings, bench.task
    if manifest is None:
        spec = f"{type(program).__module__}:{type(program).__qualname__}"
        sources = collect_sources(bench.project.root, type(program).__module__)
        hashes = {name: digest(source) for name, source in sources.items()}
    else:
        spec, hashes = manifest.program, dict(manifest.identity["program"]["source"])
    made_of = {
        "program": spec,
        "source": hashes,
        "state": state_of(program),
        "lm": {**settings.lm.model_dump(mode="json", exclude=_NO_DECISION, exclude_none=True), **describe(settings.lm)},
        "embedder": bench.index.made_with.fingerprint,
        "chunk": task.chunk.model_dump(mode="json"),
        "metric": task.metric,
    }
    return digest(canonical_json(made_of))


def open_test_of(bench: Bench, programs: Mapping[str, str], *, by: str, is_recorded: bool = True) -> OpenedTest:
    """Opens the test split of a bench for programs, by their names and `program_digest`. See `ragc.data.open_test`."""
    return open_labelled_test(
        bench.project, bench.task, bench.labelled, programs, by=by, gateway=bench.gateway, is_recorded=is_recorded
    )


def open_labelled_test(
    project: Project,
    task: TaskSettings,
    labelled: Labelled,
    programs: Mapping[str, str],
    *,
    by: str,
    gateway: Gateway | None = None,
    is_recorded: bool = True,
) -> OpenedTest:
    """Opens the test split of a task's examples, where there may be no bench. See `ragc.data.open_test`."""
    return open_test(
        labelled.splits,
        openings_beside(project.splits_path(task)),
        by=by,
        programs=programs,
        corpus=labelled.corpus.fingerprint,
        generation=0 if gateway is None else gateway.generation,
        run=None if gateway is None else gateway.run or None,
        is_recorded=is_recorded,
    )
