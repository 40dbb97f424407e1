"""From a `pyproject.toml`, the environment and flags to validated `Settings`."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from ragc._messages import shown_path
from ragc._secrets import has_password
from ragc.errors import ConfigError
from ragc.project._explain import explain
from ragc.project._settings import ArmSettings, EmbedderSettings, ModelSettings, Settings

_Model = TypeVar("_Model", ModelSettings, EmbedderSettings)


def read_toml(path: Path) -> dict[str, Any]:
    """Return the tables of the TOML file. Raises ConfigError with file and line."""
    try:
        return tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except tomllib.TOMLDecodeError as error:
        where = re.search(r" \(at line (\d+), column \d+\)$", str(error))
        line = f" line {where[1]}" if where else ""
        reason = str(error)[: where.start()] if where else str(error)
        raise ConfigError(f"{shown_path(path)}{line}: bad TOML: {reason}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{shown_path(path)}: not UTF-8; save it in that encoding") from error
    except OSError as error:
        raise ConfigError(f"cannot read {shown_path(path)}: {(error.strerror or str(error)).lower()}") from error


def read_settings(path: Path, document: Mapping[str, Any], environment: Mapping[str, str]) -> Settings:
    """Validate `[tool.ragc]` of `document`, read from `path`, with the `RAGC_*` variables of `environment` over it.

    Raises ConfigError in one line that names the table, the key and, for an unknown one, the nearest known.
    """
    file = shown_path(path)
    table = document["tool"]["ragc"]
    if not isinstance(table, dict):
        raise ConfigError(f"{file}: [tool.ragc] must be a table")
    _refuse_passwords(table, file)
    for name, task in table["tasks"].items() if isinstance(table.get("tasks"), dict) else ():
        if isinstance(task, dict) and "name" in task:
            raise ConfigError(f"{file}: [tool.ragc.tasks.{name}] key \"name\": the table's own name is the task's name")
    try:
        settings = Settings.model_validate(table)
    except ValidationError as error:
        raise explain(error, Settings, table, file, "tool.ragc") from error
    return _overridden(settings, environment)


def settings_alone(environment: Mapping[str, str]) -> Settings:
    """Return the defaults with the `RAGC_*` variables over them, where there is no project. Raises ConfigError."""
    return _overridden(Settings(), environment)


def _overridden(settings: Settings, environment: Mapping[str, str]) -> Settings:
    changes: dict[str, Any] = {}
    if value := environment.get("RAGC_LM", "").strip():
        changes["lm"] = read_model(value, ModelSettings, settings.lm, "RAGC_LM")
    if value := environment.get("RAGC_EMBEDDER", "").strip():
        changes["embedder"] = read_model(value, EmbedderSettings, settings.embedder, "RAGC_EMBEDDER")
    for key in ("store", "tracking"):
        if value := environment.get(f"RAGC_{key.upper()}", "").strip():
            changes[key] = value
    for key in ("audit", "redact"):
        if value := environment.get(f"RAGC_{key.upper()}", "").strip():
            changes[key] = _read_word(key, value)
    return settings.model_copy(update=changes)


def _read_word(key: str, value: str) -> str:
    """Check the value of a variable as the file's would be. Raises ConfigError."""
    try:
        word: str = getattr(Settings.model_validate({key: value}), key)
    except ValidationError as error:
        raise explain(error, Settings, {key: value}, f"RAGC_{key.upper()}", "") from error
    return word


def arm_settings(values: Mapping[str, Any], name: str, source: str) -> ArmSettings:
    """Return one arm of a comparison, checked as the file's are. Raises ConfigError, in which `source` is the flag."""
    if "name" in values:
        raise ConfigError(f'{source}: key "name": an arm has its name from elsewhere')
    try:
        return ArmSettings.model_validate({**values, "name": name})
    except ValidationError as error:
        raise explain(error, ArmSettings, dict(values), source, "") from error


def read_model(value: str, kind: type[_Model], configured: _Model, source: str) -> _Model:
    """Return the settings that a flag or a variable names: a model's name or, in braces, a TOML table.

    The model that is configured already keeps its table. Another name of the same provider keeps the endpoint of one's
    own and its key variable, so that no document goes to the provider's public one by mistake; price and limits belong
    to the model and are not kept. A name without a provider (`rail-2`) is one of the configured provider
    (`openai/rail-2`), but for `local/…`, which is none. Raises ConfigError, in which `source` is the flag's or the
    variable's name.
    """
    provider = _provider(configured.model)
    if value and "/" not in value and not value.startswith("{") and provider not in (configured.model, "local/"):
        value = provider + value
    if value == configured.model:
        return configured
    data: Any = value
    if configured.base_url is not None and _provider(value) == provider:
        data = {"model": value, "base_url": configured.base_url, "api_key_env": configured.api_key_env}
    elif value.startswith("{"):
        try:
            data = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f'{source}: not a TOML table; write {{ model = "…", base_url = "…" }}') from error
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        raise explain(error, kind, data, source, "") from error


def _provider(model: str) -> str:
    """Return `openai/` of `openai/our-llama`, and for a name or a table without a provider the whole."""
    provider, slash, _ = model.partition("/")
    return f"{provider}/" if slash and not model.startswith("{") else model


def _refuse_passwords(table: Mapping[str, Any], file: str) -> None:
    """Secrets come from the environment alone, so an address in the file may not carry one."""
    addresses = {key: table.get(key) for key in ("store", "tracking")}
    for key in ("lm", "teacher", "judge", "embedder"):
        if isinstance(model := table.get(key), dict):
            addresses[f"{key}.base_url"] = model.get("base_url")
    for key, address in addresses.items():
        if isinstance(address, str) and has_password(address):
            variable = f"RAGC_{key.upper()}" if "." not in key else "api_key_env"
            raise ConfigError(
                f'{file}: [tool.ragc] key "{key}": holds a password; secrets come from the environment ({variable})'
            )
