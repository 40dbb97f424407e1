"""A new artifact against the one in whose place it goes: both on today's test questions, corpus and metric.

It decides nothing. Whether there was an artifact before must not be seen in the id of the new one, so that the calls
are made aside, after the test, from what the budget has left: nothing is set aside for them while the search runs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragc.artifact import chosen_lm, load, verify
from ragc.compiler._events import Finished, OnEvent, telling
from ragc.compiler._lines import compared
from ragc.compiler._opened import program_digest
from ragc.compiler._run import expected
from ragc.errors import BudgetExhausted, Interrupted, RagcError
from ragc.evaluation import Comparison, clusters_of, compare_paired

if TYPE_CHECKING:
    from collections.abc import Sequence

    import dspy

    from ragc.artifact import Manifest
    from ragc.compiler._bench import Bench
    from ragc.data import Example
    from ragc.evaluation import Evaluation


@dataclass(frozen=True)
class Replaced:
    """The artifact that was there, as baseline, and what is sealed, as candidate."""

    id: str
    comparison: Comparison
    why_not: str | None = None
    """Why they were not compared; None: they were."""

    def as_json(self) -> dict[str, Any]:
        """The comparison for a program to read; it is sealed as well, outside the id."""
        found = self.comparison
        return {
            "id": self.id,
            "verdict": found.verdict,
            **found.figures(),
            "n": found.n,
            "sentence": self.why_not or found.sentence,
        }


def compare_with_replaced(
    bench: Bench,
    place: Path,
    program: dspy.Module,
    answered: Evaluation,
    test: Sequence[Example],
    on_event: OnEvent,
    *,
    seed: int,
) -> Replaced | None:
    """Lets the artifact at `place` answer the `test` questions that `program`, which replaces it, has `answered`.

    None: there is none that can be read and was tested, or it is the same program. What keeps it from answering, the
    budget before anything, is said and ends nothing. Raises Interrupted and KeyboardInterrupt.
    """
    try:
        manifest = verify(place) if place.exists() else None
    except RagcError:  # a touched one is named where it is replaced
        return None
    if manifest is None or manifest.verdict["word"] == "not tested":  # what an interrupt left has shown nothing
        return None
    try:
        before = _answers(bench, manifest, program, answered, test, on_event)
    except Interrupted:
        raise
    except BudgetExhausted:
        found = Replaced(manifest.id, Comparison("not tested"), _no_room(test))
    except RagcError as error:
        found = Replaced(manifest.id, Comparison("not tested"), f"Not compared: {error}")
    else:
        if before is None:
            return None
        clusters = clusters_of(test, bench.labelled.corpus)
        found = Replaced(manifest.id, compare_paired(before, answered, clusters=clusters, seed=seed))
    line = found.why_not or compared(found.comparison)
    on_event(Finished("replaced", (f"{manifest.name} on the same questions: {line}",)))
    return found


def _answers(
    bench: Bench,
    manifest: Manifest,
    program: dspy.Module,
    answered: Evaluation,
    test: Sequence[Example],
    on_event: OnEvent,
) -> Evaluation | None:
    from ragc.models import describe, make_lm

    settings = chosen_lm(manifest, None)
    sealed = load(manifest.path).program
    is_same_model = describe(settings) == describe(bench.project.settings.lm)
    if is_same_model and program_digest(bench, sealed, manifest) == program_digest(bench, program):
        return None
    made_with = bench.index.made_with
    if manifest.identity["embedder"]["fingerprint"] != made_with.fingerprint:
        raise RagcError(f"it was made with another embedder ({manifest.identity['embedder']['name']})")
    if manifest.identity["chunking"] != bench.task.chunk.model_dump(mode="json"):
        raise RagcError("it was made with another chunking of the corpus")
    if not bench.gateway.account.affords(expected([answered], len(test), asked_before=True)):
        raise BudgetExhausted("the budget holds no further test")
    bench.bind(sealed)
    lm = bench.lm if is_same_model else make_lm(settings, gateway=bench.gateway)
    evaluator = replace(bench.evaluator, lm=lm)
    with bench.gateway.aside("replaced"):
        return evaluator.evaluate(sealed, test, on_outcome=telling(on_event, "replaced"))


def _no_room(test: Sequence[Example]) -> str:
    return f"Not compared: the budget has no room left for its answers to {len(test)} test questions."
