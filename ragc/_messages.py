"""How messages write numbers and paths."""

from __future__ import annotations

import os
from pathlib import Path


def counted(number: int, noun: str) -> str:
    """Return `1 question`, `2 questions`, `1,000 questions`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def cached_share(cached: int, inputs: int) -> str:
    """Return ` (61% of the input cached)` for tokens that were paid at the cached price; empty where there are none."""
    return f" ({max(1, round(100 * cached / inputs))}% of the input cached)" if cached and inputs else ""


def shown_path(path: Path | str) -> str:
    """Return the path relative to the working folder where it lies below it, else absolute; never with `..` in it."""
    whole = os.path.abspath(path)
    try:
        relative = os.path.relpath(whole)
    except (ValueError, FileNotFoundError):  # another drive; a working folder that was removed
        return whole
    return whole if relative.startswith(os.pardir) else relative
