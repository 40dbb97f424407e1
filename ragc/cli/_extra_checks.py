"""What `ragc doctor` says of the extras: which are installed, and what installs the others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ragc.cli._check import Check

if TYPE_CHECKING:
    from ragc._extras import Extra


def check_extras() -> Iterator[Check]:
    """Look for the libraries of each extra, as who needs them declares it; a lacking one is no problem by itself."""
    from ragc.data.documents import EXTRA
    from ragc.retrieval.embedders import EXTRAS
    from ragc.retrieval.stores import extras

    for extra in (EXTRA, *extras(), *EXTRAS):
        yield Check(f"extra.{extra.name}", "note" if extra.lacking else "ok", f"{extra.name}: {_found(extra)}")


def _found(extra: Extra) -> str:
    brings = f"{extra.brings}{' (experimental)' if extra.is_experimental else ''}"
    if not extra.lacking:
        return f"installed; {brings}"
    some = "not whole" if len(extra.lacking) < len(extra.modules) else "not installed"
    return f"{some}; {extra.install} for {brings}"
