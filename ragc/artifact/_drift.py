"""What moved on around an artifact since it was sealed, in lines for a terminal."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from ragc.artifact._home import configured_lm, root_of
from ragc.artifact._manifest import Verified, read
from ragc.errors import ConfigError


@dataclass(frozen=True)
class Drift:
    """One line on each thing that the project around the artifact says otherwise by now; None where it agrees."""

    source: str | None
    """Files of `programs/` that differ from the sealed source, which is what runs."""
    model: str | None
    """The model that pyproject.toml names, where it is another than the sealed one, which answers; None under RAGC_LM,
    which overrides both."""


def drift(path: Path | str) -> Drift:
    """Compare the artifact at `path` with the project around it. Raises ArtifactError as `verify` does."""
    verified = read(path)
    return Drift(source_drift(verified), _model_drift(verified))


def source_drift(verified: Verified) -> str | None:
    """Say which files of the project are not those that were sealed; None when all are."""
    root = root_of(verified.manifest.path)
    changed = []
    for name, sealed in verified.sources.items():
        try:
            if (root / name).read_bytes() != sealed:
                changed.append(name)
        except OSError:  # not there: an artifact needs no programs/
            continue
    if not changed:
        return None
    task = verified.manifest.task
    return (
        f"{task} {verified.manifest.name} runs its sealed source; {', '.join(sorted(changed))} changed since "
        f"(ragc compile {task} seals the new one)"
    )


def _model_drift(verified: Verified) -> str | None:
    manifest = verified.manifest
    if os.environ.get("RAGC_LM", "").strip():
        return None
    try:
        configured = configured_lm(manifest)
    except ConfigError:  # to look at an artifact, nothing around it has to be in order
        return None
    sealed = manifest.identity["lm"]["model"]
    if configured is None or configured.model == sealed:
        return None
    return f"{manifest.task} {manifest.name} answers with the sealed {sealed}; pyproject.toml names {configured.model}"
