"""Arms as the command line has them: `program=closed_book,lm=openai/gpt-5-mini`, with a name made of what they say."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ragc.errors import ConfigError

if TYPE_CHECKING:
    from ragc.project import ArmSettings

PLAIN = "rag"
"""The task as it is written, uncompiled: the baseline where arms are given as flags."""
_VALUE_ALONE = {"program", "optimizer", "lm", "embedder", "artifact", "store", "reranker"}
"""Settings whose values say what they are: `closed_book`, not `program=closed_book`."""


def read_arms(flags: Sequence[str | Mapping[str, Any]]) -> dict[str, ArmSettings]:
    """The arms that were given, by name. A mapping has the settings as they are.

    A value is TOML where it is (a number, a table), else text. Without `name=` the name is made of the values. Raises
    ConfigError for a setting without a value, an unknown one (with the nearest), and two arms of one name.
    """
    from ragc.project import arm_settings

    found: dict[str, ArmSettings] = {}
    for flag in flags:
        shown = flag if isinstance(flag, str) else ",".join(f"{key}={value}" for key, value in flag.items())
        values = _values(flag) if isinstance(flag, str) else dict(flag)
        name = str(values.pop("name", None) or derived_name(values))
        if name in found:
            raise ConfigError(f'--arm {shown}: two arms are called "{name}"; give one of them another name: name=…')
        found[name] = arm_settings(values, name, f"--arm {shown}")
    return found


def derived_name(values: Mapping[str, Any]) -> str:
    """The name of an arm with these settings; that of the plain task where there are none."""
    parts = []
    settings = values.get("set", {})
    flat = {**values, **settings} if isinstance(settings, Mapping) else values
    for key, value in flat.items():
        if key == "set":
            continue
        text = str(value.get("model", "table") if isinstance(value, Mapping) else value)
        if key in _VALUE_ALONE:
            last = text.partition("://")[0] if key == "store" else re.split(r"[/:]", text.rstrip("/"))[-1]
            parts.append(last or text)
        else:
            parts.append(f"{key}={text}")
    name = "+".join(parts) or PLAIN
    return re.sub(r"[^\w.+=-]", "-", name).lstrip(".+=-") or PLAIN


def _values(flag: str) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for part in _parts(flag):
        key, sign, text = part.partition("=")
        key, text = key.strip(), text.strip()
        if not sign or not key or not text:
            raise ConfigError(f'--arm {flag}: "{part}": expected key=value, several with commas between them')
        if key in values:
            raise ConfigError(f'--arm {flag}: "{key}" is given twice')
        values[key] = _read(text)
    return values


def _parts(flag: str) -> list[str]:
    """The settings of a flag: parted by commas that stand in no text, table or list."""
    parts, depth, quote = [""], 0, ""
    for letter in flag:
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "\"'":
            quote = letter
        depth += 0 if quote else (letter in "{[") - (letter in "}]")
        if letter == "," and not depth and not quote:
            parts.append("")
        else:
            parts[-1] += letter
    return parts


def _read(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
