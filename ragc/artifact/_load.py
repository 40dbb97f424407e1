"""From the folder of an artifact to something that answers."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dspy

from ragc.artifact._drift import source_drift
from ragc.artifact._manifest import Manifest, Verified, read
from ragc.artifact._modules import program_class
from ragc.artifact._program import Artifact, guarding
from ragc.artifact._quotes import Quotes
from ragc.artifact._serving import Choices, Serving
from ragc.errors import ArtifactError
from ragc.retrieval import Retrieve

if TYPE_CHECKING:
    from ragc.project import ModelSettings

SHORTEST_ID = 8


def load(
    path: Path | str,
    *,
    lm: str | Mapping[str, Any] | ModelSettings | dspy.LM | None = None,
    store: str | None = None,
    filters: Mapping[str, Any] | None = None,
    id: str | None = None,
) -> Artifact:
    """Load the artifact at `path` (`compiled/handbook`); model and index are opened at the first question.

    It is code, and runs here: load artifacts from people you would run code from. The sealed source runs, never the
    project's; a file of the project that differs from it is a warning.

    Args:
        path: The artifact's folder.
        lm: Another model than the sealed one: a name, a table, or a dspy.LM. Else RAGC_LM, else the sealed one.
            The sealed one is reached where `[tool.ragc]` around the artifact says, when that names the same model.
        store: Another store than the project's. Else RAGC_STORE, else `[tool.ragc]` around the artifact.
        filters: Metadata that every passage must match, whatever a question, a model or a compiled setting asks for;
            `with_filters` narrows one that is loaded, for each user. Demonstrations from other documents are left out.
        id: The id that is expected, at least its first eight digits.

    Raises:
        ArtifactError: it was touched, is of a newer schema, is another than `id`, or its source does not import here.
        ConfigError: `filters` are not in the language of filters, compare with nothing (None, blank text), or the
            program retrieves nothing that they could hold for.
    """
    verified = read(path)
    _check_id(verified.manifest, id)
    _warn_of_changes(verified)
    program = _program(verified).deepcopy()  # what the source shares between its programs (one Retrieve) is nobody's
    retrieves = any(True for _ in program.named_sub_modules(type_=Retrieve))
    conditions = () if filters is None else guarding(verified.manifest, filters, retrieves=retrieves)
    quotes = Quotes.of(verified) if retrieves else None
    return Artifact(program, Serving(verified.manifest, Choices(lm, store), quotes), conditions)


def _check_id(manifest: Manifest, expected: str | None) -> None:
    if expected is None:
        return
    if len(expected) < SHORTEST_ID:
        raise ArtifactError(f"id {expected!r} is too short to tell artifacts apart; give at least {SHORTEST_ID} digits")
    if not manifest.id.startswith(expected.lower()):
        raise ArtifactError(
            f"{manifest.path} is artifact {manifest.id[: max(len(expected), SHORTEST_ID)]}, not {expected}; "
            "give the path of the other one, or its id"
        )


def _warn_of_changes(verified: Verified) -> None:
    """The project's own files moved on: the artifact answers as it was sealed, and says so."""
    line = source_drift(verified)
    if line is not None:
        warnings.warn(line, stacklevel=3)


def _program(verified: Verified) -> dspy.Module:
    """Return the sealed program in its sealed state."""
    manifest = verified.manifest
    program = program_class(verified)()
    if not isinstance(program, dspy.Module):
        raise ArtifactError(f"{manifest.path}: the sealed {manifest.program} is no dspy.Module; compile the task again")
    try:
        program.load_state(verified.state)
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise ArtifactError(
            f"{manifest.path}: the sealed state does not fit this DSPy ({dspy.__version__}): "
            f"{type(error).__name__}: {error}; install dspy {manifest.built['versions']['dspy']}"
        ) from error
    return program
