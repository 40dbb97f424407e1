"""Secrets: the one place that knows what they are, and takes them out of whatever is written, logged or shown.

A secret is the value of a variable that holds a key (every `api_key_env`, each provider's usual one, and all that are
called `…_KEY`, `…_TOKEN`, `…_SECRET`, `…_PASSWORD`), and a password in an address (`postgresql://user:password@host`).
It is found as it stands and as JSON, a URL, HTML or Python's `repr` writes it.

message     for a person: an error, a log line, an event. `redact` takes out every secret, and what looks like one.
data        read again by a program: a response, a record, a parameter. `redact_json` takes out what is surely a secret
            and leaves alone what looks like one, so that no answer about `key-performance-indicators` is damaged.
"""

from __future__ import annotations

import functools
import html
import json
import os
import re
import threading
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote, quote_plus, unquote, urlsplit

MASK = "***"
SHORTEST = 6
"""Characters of a secret: a shorter value is a word that stands in other words."""

_SECRET_NAME = re.compile(
    r"(?:^|_)(?:API_?KEY|KEY|KEY_ID|PAT|TOKEN|SECRET|CREDENTIALS?)(?:_\d+)?$|PASSW(?:OR)?D$", re.I
)
_LONG = 20
"""From so many characters on, a value is no word."""
_WORD = re.compile(r"[\W\d_]*[^\W\d_]*[\W\d_]*")
_AUTHORITY = re.compile(r"(?<=://)[^\s/?#\"'<>]+@")
"""User and password in an address, up to the last `@` before its path."""
_LOOKS_LIKE_ONE = re.compile(
    r"""\b(?:sk|pk|rk|gsk|xai|hf|r8|ghp|gho|pplx|tvly|key|pcsk)[-_](?=[-\w*.]*\d)[-\w*.]{11,}  # keys by their prefix
    |\bAIza[-\w]{20,}|\b(?:AKIA|ASIA)[A-Z0-9]{12,}|\bgithub_pat_\w{20,}
    |\beyJ[-\w]{8,}\.[-\w]+\.[-\w]+  # JSON web tokens
    |(?<=[Bb]earer\ )(?=\S*\d)[^\s"',]{6,}|(?<=[Bb]asic\ )(?=\S*[\d=])[A-Za-z0-9+/=]{8,}  # as headers carry them
    """,
    re.VERBOSE,
)

# Keys are the process's, as its environment is: what one part of ragc has used no other may write.
_lock = threading.Lock()
_variables: set[str] = set()
_values: dict[str, str] = {}


def hide(value: str, name: str) -> None:
    """Count `value`, which came from the variable (or the address) `name`, as a secret while this process lives."""
    if _is_secret(name, value):
        with _lock:
            _values[value] = name


def hide_variable(name: str) -> None:
    """Count whatever the environment variable `name` holds as a secret."""
    with _lock:
        _variables.add(name)


def hide_password(address: str) -> None:
    """Count the password in `address`, if it has one, as a secret."""
    password = _password(address)
    if password is not None:
        hide(password, "the password of an address")


def has_password(address: str) -> bool:
    """Whether an address carries a password."""
    return _password(address) is not None


def redact(text: str, variables: Iterable[str] = ()) -> str:
    """The message `text` without any secret: values of `variables` and of all others, and what looks like one."""
    text = _without(text, _forms(frozenset(_known(variables, data=False))))
    return _LOOKS_LIKE_ONE.sub(MASK, _AUTHORITY.sub(f"{MASK}@", text))


def redact_json(value: Any, canonical: bytes | None = None) -> Any:
    """`value` (what JSON has a form for) without secrets in its texts and keys; the same object where it holds none.

    `canonical` is canonical JSON that holds `value`, where it is at hand: no text of it need be looked up one by one.
    """
    forms, written = _data_forms(*_sources(()))
    # Nearly nothing holds one, and all that goes in and out is looked at: so it is looked for first.
    if canonical is not None:
        found = any(form in canonical for form in written)
    else:
        said = "\0".join(_texts(value)) if forms else ""
        found = any(form in said for form in forms)
    return _cleaned(value, forms) if found else value


def find_secret(data: bytes | str, variables: Iterable[str] = ()) -> str | None:
    """The name of the variable (`variables` hold some for certain) whose value stands in `data`, in any of its forms.

    None: there is none.
    """
    text = data if isinstance(data, str) else data.decode("utf-8", errors="replace")
    for value, name in _known(variables, data=True).items():
        if _without(text, _forms(frozenset([value]))) != text:
            return name
    return None


def _known(variables: Iterable[str], *, data: bool) -> Mapping[str, str]:
    """Every secret with the name of where it comes from; for data only those that no other word can be."""
    return _among(*_sources(variables), data)


def _sources(variables: Iterable[str]) -> tuple[frozenset[tuple[Any, Any]], frozenset[tuple[str, str]], frozenset[str]]:
    """Where secrets come from: the environment, what was hidden, and the names of variables that hold some."""
    with _lock:
        hidden, named = frozenset(_values.items()), frozenset((*_variables, *variables))
    return _environment(), hidden, named


_seen: list[tuple[dict[Any, Any], frozenset[tuple[Any, Any]]]] = [({}, frozenset())]


def _environment() -> frozenset[tuple[Any, Any]]:
    # Asked for at every call of a model: what `os.environ` wraps is compared fifty times as fast as it is read.
    now = getattr(os.environ, "_data", os.environ)
    then, items = _seen[0]
    if now != then:
        then = dict(now)
        items = frozenset(then.items())
        _seen[0] = then, items
    return items


@functools.lru_cache(maxsize=8)
def _among(
    environment: frozenset[tuple[Any, Any]], hidden: frozenset[tuple[str, str]], named: frozenset[str], data: bool
) -> Mapping[str, str]:
    found = dict(hidden)
    for name, value in sorted((os.fsdecode(name), os.fsdecode(value)) for name, value in environment):
        if name in named:
            if _is_secret(name, value):
                found[value] = name
            continue
        said = value if _SECRET_NAME.search(name) else _password(value) if "@" in value else None
        if said is not None and _is_secret(name, said) and (_is_no_word(said) or not data):
            found.setdefault(said, name)
    return found


def _is_secret(name: str, value: str) -> bool:
    """Whether a value can be one: not if it is short, or if the variable's own name says it (OLLAMA_API_KEY=ollama)."""
    said = re.sub(r"[\W_]", "", value).lower() in re.sub(r"[\W_]", "", name).lower()
    return len(value) >= SHORTEST and not said


def _is_no_word(value: str) -> bool:
    """Whether a value can hardly stand in a text by accident, as a number or a word can."""
    if value.isdigit():
        return False
    return len(value) >= _LONG or (len(value) >= 10 and not _WORD.fullmatch(value))


def _password(address: str) -> str | None:
    if "://" not in address:
        return None
    try:
        password = urlsplit(address.strip()).password
    except ValueError:
        return None
    return unquote(password) if password else None


def _without(text: str, forms: tuple[str, ...]) -> str:
    """`text` without what is written in one of `forms`; the same object where there is none."""
    for form in forms:
        if form in text:
            text = _pattern(form).sub(MASK, text)
    return text


def _texts(value: Any) -> list[str]:
    """The texts and the keys in `value`."""
    texts, found = [], [value]
    for each in found:  # grows meanwhile
        if isinstance(each, str):
            texts.append(each)
        elif isinstance(each, list | tuple):
            found.extend(each)
        elif isinstance(each, dict) or (not isinstance(each, int | float) and isinstance(each, Mapping)):
            found.extend(each)
            found.extend(each.values())
    return texts


def _cleaned(value: Any, forms: tuple[str, ...]) -> Any:
    if isinstance(value, str):
        return _without(value, forms)
    if isinstance(value, Mapping):
        cleaned = {_cleaned(key, forms): _cleaned(item, forms) for key, item in value.items()}
        same = all(new is old for new, old in zip(cleaned.values(), value.values(), strict=False))
        return value if same and cleaned.keys() == value.keys() else cleaned
    if isinstance(value, list | tuple):
        items = [_cleaned(item, forms) for item in value]
        return value if all(new is old for new, old in zip(items, value, strict=True)) else type(value)(items)
    return value


@functools.lru_cache(maxsize=64)
def _forms(secrets: frozenset[str]) -> tuple[str, ...]:
    """The secrets as they stand and as they are written in JSON, addresses, HTML and Python, the longest first."""
    forms = set(secrets)
    for secret in secrets:
        written = json.dumps(secret)[1:-1]
        forms |= {
            written,
            json.dumps(written)[1:-1],
            json.dumps(secret, ensure_ascii=False)[1:-1],
            quote(secret),
            quote(secret, safe=""),
            quote_plus(secret),
            html.escape(secret),
            repr(secret)[1:-1],
        }
    return tuple(sorted(forms, key=lambda form: (-len(form), form)))


@functools.lru_cache(maxsize=8)
def _data_forms(
    environment: frozenset[tuple[Any, Any]], hidden: frozenset[tuple[str, str]], named: frozenset[str]
) -> tuple[tuple[str, ...], tuple[bytes, ...]]:
    """The forms of every secret of data, and how these stand in canonical JSON."""
    forms = _forms(frozenset(_among(environment, hidden, named, True)))
    return forms, tuple(json.dumps(form, ensure_ascii=False)[1:-1].encode("utf-8", "surrogatepass") for form in forms)


@functools.lru_cache(maxsize=1024)
def _pattern(form: str) -> re.Pattern[str]:
    """Finds a secret; one that is a word only where it stands by itself (also behind an escaped line's end)."""
    if _is_no_word(form):
        return re.compile(re.escape(form))
    return re.compile(rf"(?:(?<![^\W_])|(?<=\\[bfnrt])){re.escape(form)}(?![^\W_])")
