"""One line for what pydantic found wrong: place, what was found, what was expected."""

from __future__ import annotations

import difflib
import types
import typing
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from ragc.errors import ConfigError

_SECRETS = {"api_key", "apikey", "key", "token", "password", "secret", "auth", "bearer"}
_EXPECTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "dict_type": "a table",
    "model_type": "a table",
    "finite_number": "a finite number",
}
_FROM_NAME = {"lm", "teacher", "judge", "embedder"}


def nearest(name: str, known: Iterable[str]) -> str:
    """Return what to tell about an unknown name: `did you mean "…"?`, or the known ones."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if close:
        return f'did you mean "{close[0]}"?'
    return f"known are {', '.join(names)}" if names else "there are none"


def explain(error: ValidationError, model: type[BaseModel], data: Any, source: str, table: str) -> ConfigError:
    """Return the first fault of `error` as one line, with the number of others.

    `source` is the file or the flag that was read, `table` the name of what `model` describes, such as `tool.ragc`, or
    empty where there is no table. Values of unknown keys are never shown: one of them may be a secret.
    """
    faults = error.errors(include_url=False)
    fault = faults[0]
    location = [str(part) for part in fault["loc"]]
    if fault["type"] == "value_error" and location[-1:] == ["name"]:  # a table's own
        location = location[:-1]
    place = _place(location, table)
    text = f"{source}: {place}{_complaint(fault, location, model, data)}" if place else f"{source}: {_bare(fault)}"
    more = len(faults) - 1
    return ConfigError(text if not more else f"{text} (and {more} more)")


def _place(location: list[str], table: str) -> str:
    if not location:
        return f"[{table}] " if table else ""
    names = [table, *location[:-1]] if table else location[:-1]
    return (f"[{'.'.join(names)}] " if names else "") + f'key "{location[-1]}"'


def _complaint(fault: Mapping[str, Any], location: list[str], model: type[BaseModel], data: Any) -> str:
    match fault["type"]:
        case "extra_forbidden":
            if location[-1].lower() in _SECRETS:
                return ": secrets come from the environment; name the variable in api_key_env"
            known = set(_fields(model, location[:-1])) - {"name"}
            return f": unknown key, {nearest(location[-1], known)}"
        case "missing":
            return " is missing"
        case "value_error":
            return f": {_bare(fault)}"
        case kind if kind in _EXPECTED:
            expected = _EXPECTED[kind]
            if kind == "model_type" and location[-1] in _FROM_NAME:
                expected = "a model's name or a table"
            return f": expected {expected}, found {_shown(data, fault['loc'])}"
    return f": {_bare(fault)}, found {_shown(data, fault['loc'])}"


def _bare(fault: Mapping[str, Any]) -> str:
    message = str(fault["msg"]).removeprefix("Value error, ").replace("Input should", "must")
    return message.replace("must be greater than or equal to", "must be at least")


def _shown(data: Any, location: Iterable[Any]) -> str:
    for part in location:
        if not isinstance(data, Mapping) or part not in data:
            break
        data = data[part]
    if isinstance(data, Mapping):
        return "a table"
    if isinstance(data, list):
        return "a list"
    if isinstance(data, bool):
        return str(data).lower()
    text = f'"{data}"' if isinstance(data, str) else str(data)
    return text if len(text) <= 60 else f"{text[:57]}…"


def _fields(model: type[BaseModel], path: list[str]) -> Iterable[str]:
    """Return the keys of the table at `path` below `model`."""
    current: Any = model
    for part in path:
        if isinstance(current, type) and issubclass(current, BaseModel):
            current = current.model_fields[part].annotation
            if isinstance(current, types.UnionType) or typing.get_origin(current) is typing.Union:
                current = next(a for a in typing.get_args(current) if a is not type(None))
        else:
            current = typing.get_args(current)[1]
    return current.model_fields if isinstance(current, type) and issubclass(current, BaseModel) else ()
