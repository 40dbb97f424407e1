"""The files that a new project starts with."""

from __future__ import annotations

from pathlib import Path

import ragc
from ragc.errors import ConfigError


def starter() -> Path:
    """Return the folder that holds the starter files `programs/`, `optimizers/` and `data/handbook/`.

    In an installed wheel it is `ragc/_starter`, in a checkout the repository's root. Raises ConfigError where neither
    is there.
    """
    package = Path(ragc.__file__).resolve().parent
    for folder in (package / "_starter", package.parent):
        if (folder / "programs").is_dir() and (folder / "optimizers").is_dir():
            return folder
    raise ConfigError(f"the starter files are missing from {package}; install ragc again")
