"""What the answer log leaves out: every text goes through the user's `redact`, and no secret is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ragc._secrets import redact_json
from ragc.errors import ConfigError

CONTENT = ("question", "inputs", "answer", "outputs", "passages", "searches", "filters", "error")
"""The parts of a record that somebody wrote. The others are ids, hashes, figures and names of ours."""
_NAMES = {
    "passages": ("id", "document", "sha256"),
    "searches": ("passages", "dropped"),
    "filters": ("field", "operator"),
    "error": ("type",),
}
"""What in these parts ties a record together, and stays."""


class RedactionFailed(Exception):
    """`redact` raised, or returned no text. The message has no text of the record in it."""


Redact = Callable[[str], str]


def load_redact(spec: str, root: Path) -> Redact:
    """Return the function that `module:function` names in the project at `root`; it is tried on one word.

    Raises ConfigError: no such function, or one that does not return text.
    """
    from ragc.project import Project, Settings, load_object

    found = load_object(Project(root, Settings(), root.name), spec, "redact")
    if not callable(found):
        raise ConfigError(f'redact "{spec}": not a function; it takes a text and returns it as it may be written')
    function: Redact = found
    try:
        redacted({"question": "word"}, function)
    except RedactionFailed as error:
        raise ConfigError(f'redact "{spec}": {error}; it takes a text and returns it as it may be written') from error
    return function


def redacted(record: Mapping[str, Any], redact: Redact | None) -> dict[str, Any]:
    """Return the record as it may be written: through `redact`, then without secrets. Raises RedactionFailed."""
    kept = dict(record)
    if redact is not None:
        kept |= {key: _through(kept[key], redact, key) for key in CONTENT if key in kept}
    cleaned: dict[str, Any] = redact_json(kept)
    return cleaned


def without_content(record: Mapping[str, Any], reason: str) -> dict[str, Any]:
    """Return what may be written of a record whose redaction failed: its ids, hashes and figures, and why."""
    kept = {key: value for key, value in record.items() if key not in CONTENT}
    passages = [{key: one[key] for key in ("id", "document", "sha256")} for one in record["passages"]]
    cleaned: dict[str, Any] = redact_json({**kept, "passages": passages, "withheld": reason})
    return cleaned


def _through(value: Any, redact: Redact, part: str = "") -> Any:
    """`value` with every text in it redacted, but for the names in `part` of a record."""
    if isinstance(value, str):
        return _redacted(value, redact)
    if isinstance(value, Mapping):
        stays = _NAMES.get(part, ())
        inner = {key: key if part == "searches" and key == "filters" else "" for key in value}
        return {key: item if key in stays else _through(item, redact, inner[key]) for key, item in value.items()}
    if isinstance(value, list):
        return [_through(item, redact, part) for item in value]
    return value


def _redacted(text: str, redact: Redact) -> str:
    try:
        safe = redact(text)
    except Exception as error:  # noqa: BLE001 the boundary to the user's code: whatever it raises, nothing is written
        # Not `from error`: its message and its frames may hold the very text.
        raise RedactionFailed(f"it raised {type(error).__name__}") from None
    if not isinstance(safe, str):
        raise RedactionFailed(f"it returned {type(safe).__name__}, not text")
    return safe
