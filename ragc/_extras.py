"""What ragc can do with libraries that it does not bring along: the extras of its package."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass


@dataclass(frozen=True)
class Extra:
    """One extra, declared where it is needed."""

    name: str
    """As `pip install 'ragc[NAME]'` has it."""
    modules: tuple[str, ...]
    """What can be imported when it is installed."""
    brings: str
    """What works then, in words."""
    is_experimental: bool = False

    @property
    def install(self) -> str:
        """The command that installs it."""
        return f"pip install 'ragc[{self.name}]'"

    @property
    def lacking(self) -> tuple[str, ...]:
        """The modules that are not there; empty: it is installed. Imports nothing."""
        return tuple(module for module in self.modules if importlib.util.find_spec(module) is None)
