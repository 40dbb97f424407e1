"""The settings of an optimizer (`--set name=value`) and of a metric: a function's keyword-only parameters."""

from __future__ import annotations

import contextlib
import inspect
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from ragc.errors import ConfigError
from ragc.project._explain import nearest

_WORDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}


def optimizer_settings(optimizer: Callable[..., Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return every setting of `optimizer`: its defaults, with `given` (the command line's texts, or values) over them.

    See `function_settings`.
    """
    return function_settings(optimizer, given, place="--set ")


def function_settings(function: Callable[..., Any], given: Mapping[str, Any], *, place: str) -> dict[str, Any]:
    """Return every setting of `function`, its keyword-only parameters: their defaults, with `given` over them.

    A text is converted to the annotation, or without one to the default's type; `none` stands for None and commas part
    a list. `place` stands before a setting's name in messages. Raises ConfigError on an unknown name (with the nearest
    known), a wrong type, and a setting that has no default and is not given.
    """
    name = getattr(function, "__name__", "it")
    known = {p.name: p for p in inspect.signature(function).parameters.values() if p.kind is p.KEYWORD_ONLY}
    for key in given:
        if key not in known:
            raise ConfigError(f'{place}{key}: {name} has no setting "{key}"{_known(key, known)}')
    types_ = _annotations(function)
    settings: dict[str, Any] = {}
    for key, parameter in known.items():
        if key in given:
            settings[key] = _convert(f"{place}{key}", given[key], _type_of(parameter, types_))
        elif parameter.default is parameter.empty:
            raise ConfigError(f"{name} needs {place}{key}=…: it has no default")
        else:
            settings[key] = parameter.default
    return settings


def _known(key: str, known: Mapping[str, inspect.Parameter]) -> str:
    """Return what to tell about an unknown setting: the nearest, and all with their defaults."""
    if not known:
        return "; it has none"
    near = nearest(key, known)
    shown = ", ".join(p.name if p.default is p.empty else f"{p.name}={_written(p.default)}" for p in known.values())
    return f", {near} Its settings: {shown}" if near.startswith("did you mean") else f"; its settings: {shown}"


def _written(default: Any) -> str:
    """Return a default as `--set` takes it."""
    if isinstance(default, (list, tuple)):
        return ",".join(map(_written, default))
    return str(default).lower() if default is None or isinstance(default, bool) else str(default)


def _annotations(function: Callable[..., Any]) -> dict[str, Any]:
    try:
        return typing.get_type_hints(function)
    except (NameError, TypeError):  # `run: Run`, imported for the type checker alone: read the others one by one
        return dict(_readable(function))


def _readable(function: Callable[..., Any]) -> Iterator[tuple[str, Any]]:
    for name, annotation in inspect.get_annotations(function).items():
        alone = types.SimpleNamespace(__annotations__={name: annotation})
        with contextlib.suppress(NameError, TypeError):
            yield name, typing.get_type_hints(alone, getattr(function, "__globals__", {}))[name]


def _type_of(parameter: inspect.Parameter, annotations: Mapping[str, Any]) -> Any:
    if parameter.name in annotations:
        return annotations[parameter.name]
    default = parameter.default
    return str if default is parameter.empty or default is None else type(default)


def _convert(key: str, text: Any, kind: Any) -> Any:
    members = typing.get_args(kind) if _is_union(kind) else (kind,)
    if type(None) in members and (text is None or str(text).strip().lower() == "none"):
        return None
    listed = [m for m in members if (typing.get_origin(m) or m) in (list, tuple)]
    value: Any = text
    if listed and isinstance(text, str):
        value = [part.strip() for part in text.split(",") if part.strip()]
        if any(type(None) in typing.get_args(inner) for member in listed for inner in typing.get_args(member)):
            value = [None if part.lower() == "none" else part for part in value]
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        expected = _expected(error, kind, members, bool(listed))
        raise ConfigError(f'{key}={text}: expected {expected}, found "{text}"') from error


def _expected(error: ValidationError, kind: Any, members: tuple[Any, ...], listed: bool) -> str:
    if typing.get_origin(kind) is typing.Literal:
        return error.errors()[0]["msg"].removeprefix("Input should be ")
    words = []
    for member in members:
        inner = (typing.get_args(member) or (member,))[0]
        words.append("none" if inner is type(None) else _WORDS.get(inner, getattr(inner, "__name__", str(inner))))
    return " or ".join(words) + (" (several parted by commas)" if listed else "")


def _is_union(kind: Any) -> bool:
    return isinstance(kind, types.UnionType) or typing.get_origin(kind) is typing.Union
