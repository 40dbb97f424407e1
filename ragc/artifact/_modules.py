"""Run an artifact's sealed source, compiled from the verified bytes, in a namespace of its own.

The module `programs.grounded` of the artifact 9f2c41d0… is imported as `ragc_sealed_9f2c41d0….programs.grounded`. It
stands in `sys.modules`, as pydantic and DSPy need it, beside the project's own `programs` and beside other artifacts.
An absolute import of a sealed module (`from programs.common import …`) leads to the sealed one, never to the
project's: each sealed module has an `__import__` of its own. Nothing is written, no byte code either.
"""

from __future__ import annotations

import builtins
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from ragc.artifact._manifest import SOURCE, Verified
from ragc.errors import ArtifactError


def program_class(verified: Verified) -> type[Any]:
    """Return the artifact's program, a subclass of dspy.Module, from its sealed source.

    Loading the same artifact twice gives the same class. Raises ArtifactError, with the cause, when the source does
    not import here.
    """
    manifest = verified.manifest
    namespace = f"ragc_sealed_{manifest.id[:12]}"
    _FINDER.add(namespace, verified.sources, manifest.path / SOURCE)
    module_name, _, class_name = manifest.program.partition(":")
    try:
        module = importlib.import_module(f"{namespace}.{module_name}")
        found: type[Any] = getattr(module, class_name)
    except Exception as error:  # the boundary to code that is not ours: whatever it raises is named
        cause = f"{type(error).__name__}: {error}".replace(f"{namespace}.", "")
        raise ArtifactError(
            f"{manifest.path}: the sealed program {manifest.program} does not import here: {cause}; "
            f"install what it needs (made with {_versions(manifest.built)})"
        ) from error
    return found


@dataclass(frozen=True)
class _Sealed:
    """The modules of one artifact."""

    namespace: str
    sources: Mapping[str, bytes]
    folder: Path

    def find(self, name: str) -> tuple[str, bool] | None:
        """Return the path of the module (empty: a package without `__init__.py`) and whether it is a package."""
        below = name.removeprefix(self.namespace).lstrip(".").replace(".", "/")
        if below + ".py" in self.sources:
            return below + ".py", False
        package = f"{below}/__init__.py" if below else "__init__.py"
        if package in self.sources and below:
            return package, True
        inside = f"{below}/" if below else ""
        return ("", True) if any(path.startswith(inside) for path in self.sources) else None

    @property
    def names(self) -> frozenset[str]:
        """First parts of the sealed modules' names."""
        return frozenset(path.partition("/")[0].removesuffix(".py") for path in self.sources)


class _Loader(importlib.abc.InspectLoader):
    """Compiles one sealed module from memory."""

    def __init__(self, sealed: _Sealed, path: str) -> None:
        self._sealed = sealed
        self._path = path
        self._source = sealed.sources.get(path, b"")
        self._file = str(sealed.folder / path)

    def get_source(self, fullname: str) -> str:
        """Return the source, for tracebacks and `inspect`."""
        return importlib.util.decode_source(self._source)

    def is_package(self, fullname: str) -> bool:
        return not self._path or self._path.endswith("__init__.py")

    def exec_module(self, module: ModuleType) -> None:
        module.__dict__["__builtins__"] = {**vars(builtins), "__import__": _importer(self._sealed)}
        code = compile(self._source, self._file, "exec", dont_inherit=True)
        exec(code, module.__dict__)


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the modules of every artifact that was loaded in this process."""

    def __init__(self) -> None:
        self._artifacts: dict[str, _Sealed] = {}
        self._lock = threading.Lock()

    def add(self, namespace: str, sources: Mapping[str, bytes], folder: Path) -> None:
        self._artifacts.setdefault(namespace, _Sealed(namespace, sources, folder))
        with self._lock:
            if self not in sys.meta_path:
                sys.meta_path.insert(0, self)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        sealed = self._artifacts.get(fullname.partition(".")[0])
        found = sealed.find(fullname) if sealed else None
        if sealed is None or found is None:
            return None
        file, is_package = found
        loader = _Loader(sealed, file)
        spec = importlib.machinery.ModuleSpec(fullname, loader, origin=str(sealed.folder / file), is_package=is_package)
        spec.has_location = bool(file)
        return spec


_FINDER = _Finder()


def _importer(sealed: _Sealed) -> Callable[..., ModuleType]:
    """Return the `__import__` of sealed modules: a project module's absolute name means the sealed one."""
    names = sealed.names

    def sealed_import(
        name: str,
        globals: Mapping[str, object] | None = None,
        locals: Mapping[str, object] | None = None,
        fromlist: Sequence[str] = (),
        level: int = 0,
    ) -> ModuleType:
        top = name.partition(".")[0]
        if level or top not in names:
            return builtins.__import__(name, globals, locals, fromlist, level)
        module = builtins.__import__(f"{sealed.namespace}.{name}", globals, locals, fromlist or ("__name__",), 0)
        return module if fromlist else sys.modules[f"{sealed.namespace}.{top}"]

    return sealed_import


def _versions(built: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {version}" for name, version in built.get("versions", {}).items())
