"""What files were converted to, kept by their content, so that an unchanged corpus is not parsed again."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import time
from pathlib import Path

from ragc.data.documents._conversion import Conversion
from ragc.data.documents._formats import FORMATS

KEPT = 90 * 24 * 3600
"""Seconds that what nobody read is kept."""
TRIED_AGAIN = 600
"""Seconds after which a file that was too slow or took too much memory is tried again."""
_TOUCHED_EVERY = 24 * 3600


class ConversionCache:
    """Files in the user's cache, one a conversion; a folder that cannot be written keeps nothing.

    Several processes may use it at once. A file that was torn or touched is not believed: it says its own digest.
    """

    def __init__(self) -> None:
        base = os.environ.get("XDG_CACHE_HOME")
        self._folder = (Path(base) if base else Path.home() / ".cache") / "ragc" / "documents"
        self._versions = {suffix: format_.version for suffix, format_ in FORMATS.items()}

    def get(self, content: str, suffix: str) -> Conversion | None:
        """Return what the file with this digest and suffix was converted to, by these versions of the parsers."""
        path = self._path(content, suffix)
        try:
            seal, _, body = path.read_bytes().partition(b"\n")
            if hashlib.sha256(body).hexdigest().encode() != seal:
                return None
            conversion = Conversion.from_json(json.loads(body))
            age = time.time() - path.stat().st_mtime
            if conversion.passing and age > TRIED_AGAIN:
                return None
            if age > _TOUCHED_EVERY and not conversion.passing:
                os.utime(path)
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return conversion

    def put(self, content: str, suffix: str, conversion: Conversion) -> None:
        """Keep it. A crash leaves no half of it; it may be lost, and is then made again."""
        path = self._path(content, suffix)
        body = json.dumps(conversion.as_json()).encode()
        temporary = path.with_name(f".{secrets.token_hex(8)}.tmp")
        with contextlib.suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.parent.mkdir(exist_ok=True, mode=0o700)
            temporary.write_bytes(hashlib.sha256(body).hexdigest().encode() + b"\n" + body)
            os.replace(temporary, path)

    def prune(self) -> None:
        """Remove what nobody read for KEPT seconds."""
        oldest = time.time() - KEPT
        for path in self._folder.glob("??/*"):
            with contextlib.suppress(OSError):
                if path.stat().st_mtime < oldest:
                    path.unlink()

    def _path(self, content: str, suffix: str) -> Path:
        key = hashlib.sha256(f"{content} {suffix} {self._versions[suffix]}".encode()).hexdigest()
        return self._folder / key[:2] / key[2:]
