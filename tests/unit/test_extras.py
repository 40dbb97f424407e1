"""An extra is there when all of its modules are."""

from __future__ import annotations

from ragc._extras import Extra
from ragc.cli import _extra_checks


def test_what_is_lacking_is_named_without_importing_anything() -> None:
    assert Extra("whole", ("json", "csv"), "x").lacking == ()
    half = Extra("half", ("json", "no_such_module"), "x", is_experimental=True)
    assert half.lacking == ("no_such_module",)
    assert half.install == "pip install 'ragc[half]'"
    assert _extra_checks._found(half) == "not whole; pip install 'ragc[half]' for x (experimental)"
    assert (
        _extra_checks._found(Extra("none", ("no_such_module",), "x")) == "not installed; pip install 'ragc[none]' for x"
    )
