"""The manifest of an artifact: what its id is made of, and the check that nobody touched it.

The id is the SHA-256 of the canonical JSON of `identity`: program (spec and the hash of every source file), the hash
of the state, model as resolved and its settings, adapter, embedder, chunking, fingerprints of examples, splits and
corpus, optimizer with settings and seed, metric, per-example scores, verdict and cost. Everything else in the manifest
(`built`, `results`, `candidates`) is hashed and outside the id.

Canonical JSON: keys sorted, no spaces, UTF-8. A float is the shortest decimal that reads back as the same double
(Python's repr); one without a fraction, below 2**53, is written as an integer, because JSON does not tell 1.0 from 1.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ragc._files import canonical_json, digest
from ragc.artifact._folder import ReadFolder, previous_of, read_folder
from ragc.errors import ArtifactError

SCHEMA = 1
"""The schema version that this ragc writes, and the newest it reads."""
MANIFEST = "manifest.json"
STATE = "state.json"
CARD = "card.md"
REPORT = "report.html"
CORPUS = "corpus.json"
"""The documents that it was compiled on; artifacts that are older than this have none."""
ANSWERS = "answers.json"
"""What both programs answered to the test questions; artifacts that are older than this, or not tested, have none."""
DIGITS = 16
"""How much of a document's digest stands there: 64 bits tell two versions of a document apart."""
SOURCE = "source/"
"""Below it stand the sealed modules, with their paths in the project."""
PLACE = ("base_url", "api_key_env", "threads", "timeout", "rpm", "tpm")
"""Keys of a model's table that say where and how fast it is reached, not which model it is: outside the id."""

_LITTER = (
    (re.compile(r"(^|/)(\.DS_Store|\._[^/]*|Thumbs\.db|desktop\.ini)$"), "your file manager"),
    (re.compile(r"(^|/)[^/]*(\.sw[a-p]|~)$"), "your editor"),
    (re.compile(r"(^|/)__pycache__/|\.pyc$"), "Python"),
)
"""Files that programs leave behind unasked, and which program."""
_OWN_HASH = "manifest_sha256"
_HEX = re.compile(r"[0-9a-f]{64}")
_EXACT = 2**53


@dataclass(frozen=True)
class Manifest:
    """What a verified artifact says about itself."""

    path: Path
    """The folder."""
    schema: int
    id: str
    """64 hexadecimal digits; what is the same has the same id."""
    task: str
    identity: Mapping[str, Any]
    """What the id is made of."""
    built: Mapping[str, Any]
    """The run that made it: time, machine, versions, git commit, addresses, what was paid."""
    results: Mapping[str, Any]
    candidates: tuple[Mapping[str, Any], ...]
    files: Mapping[str, str]
    """SHA-256 of every file but the manifest."""

    @property
    def name(self) -> str:
        """The id as it is shown: its first eight digits."""
        return self.id[:8]

    @property
    def program(self) -> str:
        """`module:Class`."""
        return str(self.identity["program"]["spec"])

    @property
    def verdict(self) -> Mapping[str, Any]:
        """`word`, `sentence`, `difference`, `ci_low`, `ci_high`, `p_value`, `n`, `sealed`."""
        verdict: Mapping[str, Any] = self.identity["verdict"]
        return verdict


@dataclass(frozen=True)
class Verified:
    """A manifest together with the very bytes that were checked against it."""

    manifest: Manifest
    files: Mapping[str, bytes]

    @property
    def state(self) -> dict[str, Any]:
        """The program's state, a new object each time."""
        state: dict[str, Any] = json.loads(self.files[STATE])
        return state

    @property
    def sources(self) -> dict[str, bytes]:
        """The sealed modules by their path in the project."""
        return {name.removeprefix(SOURCE): data for name, data in self.files.items() if name.startswith(SOURCE)}


def verify(path: Path | str) -> Manifest:
    """Check every file of the artifact at `path` and return its manifest.

    Raises ArtifactError, naming the file and what to do, when the folder is no artifact, a file was changed, is
    missing or was added, the manifest does not add up, or the schema is newer than this ragc reads.
    """
    return read(path).manifest


def read(path: Path | str) -> Verified:
    """Like `verify`, and return the bytes that were checked as well, so that nothing is read twice."""
    folder = Path(path)
    while True:
        found = _open(folder)
        try:
            return _check(folder, found)
        except ArtifactError:
            # A seal may have put a new artifact in its place while the old one was being read: then read that one.
            if not found.was_replaced():
                raise


def touched(folder: Path, what: str) -> ArtifactError:
    """Return the error of an artifact that is not as it was sealed."""
    return ArtifactError(f"{folder}: {what}; restore it from version control, or compile the task again")


def _added(folder: Path, names: list[str]) -> ArtifactError:
    """Return the error of files that are not in the manifest: nothing is lost when they go."""
    name, more = names[0], len(names) - 1
    others = f" (and {more} more)" if more else ""
    maker = next((maker for pattern, maker in _LITTER if pattern.search(name)), None)
    if maker is not None:
        return ArtifactError(f"{folder}: {name}{others} is litter of {maker}; delete it")
    return ArtifactError(f"{folder}: {name}{others} was added after sealing; delete it, or move it out of the artifact")


def plain(value: Any) -> Any:
    """Return `value` in dicts and lists, as JSON reads it back; figures stay as they are."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


def canonical(value: Any) -> Any:
    """Return `value` in the one form that is hashed (see the top of this file)."""
    if isinstance(value, Mapping):
        return {str(key): canonical(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [canonical(item) for item in value]
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT:
        return int(value)
    return value


def fingerprint(value: Any) -> str:
    """Return the SHA-256 of the canonical JSON of `value`."""
    return digest(canonical_json(canonical(value)))


def render(document: Mapping[str, Any]) -> bytes:
    """Return the bytes of `manifest.json`, its own hash included."""
    raw = pretty({**document, _OWN_HASH: ""})
    return _with_own_hash(raw, "", digest(raw))


def _with_own_hash(raw: bytes, old: str, new: str) -> bytes:
    """Exchange the manifest's hash of itself, its last field; it is taken over the bytes in which it is empty."""
    before, _, after = raw.rpartition(f'"{_OWN_HASH}": "{old}"'.encode())
    return before + f'"{_OWN_HASH}": "{new}"'.encode() + after


def pretty(value: Any) -> bytes:
    """Return JSON for files: indented, with a line's end, so that a diff can be read. Raises ValueError on NaN."""
    return (json.dumps(plain(value), ensure_ascii=False, allow_nan=False, indent=1) + "\n").encode("utf-8")


def _open(folder: Path) -> ReadFolder:
    for place in (folder, previous_of(folder), folder):
        try:
            return read_folder(place)
        except FileNotFoundError:  # nothing there, or it was replaced while it was read
            continue
        except NotADirectoryError:
            raise ArtifactError(
                f"{folder} is a file, not an artifact; an artifact is a folder with {MANIFEST}"
            ) from None
        except PermissionError as error:
            raise ArtifactError(
                f"cannot read {error.filename or folder}: permission denied; give read access"
            ) from None
    raise ArtifactError(f"{folder}: no artifact there; compile the task first (ragc compile {folder.name})")


def _check(folder: Path, found: ReadFolder) -> Verified:
    if MANIFEST not in found.files:
        raise ArtifactError(f"{folder} is not an artifact: it has no {MANIFEST}; name a folder below compiled/")
    document = _parse(folder, found.files[MANIFEST])
    manifest = _manifest(folder, document)
    listed, there = manifest.files, set(found.files) - {MANIFEST}
    for name in sorted(found.others & listed.keys()):
        raise touched(folder, f"{name} is no longer a plain file")
    if added := sorted((there - listed.keys()) | found.others):
        raise _added(folder, added)
    for name in sorted(listed.keys() - there):
        raise touched(folder, f"{name} is missing")
    for name, expected in sorted(listed.items()):
        if digest(found.files[name]) != expected:
            raise touched(folder, f"{name} was changed after sealing")
    verified = Verified(manifest, found.files)
    _check_identity(verified)
    return verified


def _parse(folder: Path, raw: bytes) -> dict[str, Any]:
    damaged = touched(folder, f"{MANIFEST} was changed after sealing")
    try:
        document = json.loads(raw)
    except ValueError:
        raise damaged from None
    if not isinstance(document, dict):
        raise damaged
    schema = document.get("schema")
    if isinstance(schema, int) and schema > SCHEMA:
        raise ArtifactError(
            f"{folder}: schema {schema} is newer than this ragc reads ({SCHEMA}); upgrade ragc (pip install -U ragc)"
        )
    own = document.get(_OWN_HASH)
    if schema != SCHEMA or not isinstance(own, str) or not _HEX.fullmatch(own):
        raise damaged
    if digest(_with_own_hash(raw, own, "")) != own:
        raise damaged
    return document


_SHAPE: Mapping[str, type] = {
    "id": str,
    "task": str,
    "identity": dict,
    "built": dict,
    "results": dict,
    "candidates": list,
    "files": dict,
}


def _manifest(folder: Path, document: Mapping[str, Any]) -> Manifest:
    for key, kind in _SHAPE.items():
        if not isinstance(document.get(key), kind):
            raise touched(folder, f"{MANIFEST} has no {key}, or one of another type")
    parts = {key: document[key] for key in _SHAPE if key != "candidates"}
    return Manifest(path=folder, schema=document["schema"], candidates=tuple(document["candidates"]), **parts)


def _check_identity(verified: Verified) -> None:
    """The id is recomputed from the files, so that a manifest made by hand cannot lend it to another program."""
    manifest = verified.manifest
    sources = {name: digest(data) for name, data in verified.sources.items()}
    program = manifest.identity.get("program")
    if STATE not in verified.files or manifest.identity.get("state") != fingerprint(verified.state):
        raise touched(manifest.path, f"{STATE} is not the state that the id was made of")
    if not isinstance(program, dict) or program.get("source") != sources:
        raise touched(manifest.path, f"{SOURCE} is not the source that the id was made of")
    if fingerprint(manifest.identity) != manifest.id:
        raise touched(manifest.path, f"the id in {MANIFEST} is not the id of its contents")


def real(path: Path | str) -> Path:
    """Return the folder without symbolic links and relative parts."""
    return Path(os.path.realpath(path))
