"""The artifacts of this project, written by ragc: `from compiled import handbook`.

Nothing is loaded before an artifact is first called. `ragc show handbook` says what it is.
"""

from pathlib import Path
from typing import Any

from ragc.artifact import lazy

# The folders beside this file are artifacts and not sub-packages.
__path__: list[str] = []

_HERE = Path(__file__).resolve().parent


def __getattr__(name: str) -> Any:
    artifact = globals()[name] = lazy.find(_HERE, name)
    return artifact


def __dir__() -> list[str]:
    return lazy.names(_HERE)
