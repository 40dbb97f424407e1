"""Lines added to a file that people and git keep: whole, on the disk, and none lost."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ragc._files import fsync_folder, write_error


def append_lines(path: Path, lines: Sequence[Mapping[str, Any]]) -> None:
    """Append each as a line of JSON, on the disk when this returns; where they do not fit, the file is as it was.

    A last line that has no end gets one. The file must be there; of several processes, the caller holds the lock
    (`locked(path)`, which makes it). Raises RagcError when it cannot be written.
    """
    if not lines:
        return
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    try:
        # Unbuffered: what a buffer still holds of a line that did not fit would be written by truncating and closing.
        with path.open("r+b", buffering=0) as file:
            size = file.seek(0, os.SEEK_END)
            if size and (file.seek(-1, os.SEEK_END), file.read(1))[1] != b"\n":
                text = "\n" + text
            try:
                rest = text.encode()
                while rest:  # a disk that fills up takes a part, and refuses the next
                    rest = rest[file.write(rest) :]
                os.fsync(file.fileno())
            except OSError:
                file.truncate(size)
                raise
        fsync_folder(path.parent)
    except OSError as error:
        raise write_error(path, error) from error
