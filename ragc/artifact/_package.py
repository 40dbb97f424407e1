"""`compiled/` as a Python package: `from compiled import handbook`."""

from __future__ import annotations

from pathlib import Path

from ragc._files import write_atomically
from ragc.artifact import lazy

_INIT = '''\
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
'''

_STUB = '''\
"""Written by ragc, so that editors and type checkers know the names."""

{imports}{names}'''

# A line ending that git changes would be a touched artifact.
_ATTRIBUTES = "* -text\n"


def package(folder: Path) -> None:
    """Write `__init__.py`, `__init__.pyi` and `.gitattributes` into `folder`, for the artifacts that are in it.

    A file that says the same already is not written again. Raises RagcError when the disk is full or read-only.
    """
    found = lazy.names(folder)
    imports = "from ragc.artifact import Artifact\n\n" if found else ""
    stub = _STUB.format(imports=imports, names="".join(f"{name}: Artifact\n" for name in found))
    for name, text in (("__init__.py", _INIT), ("__init__.pyi", stub), (".gitattributes", _ATTRIBUTES)):
        path = folder / name
        if not path.is_file() or path.read_bytes() != text.encode("utf-8"):
            write_atomically(path, text)
