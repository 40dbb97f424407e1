"""Examples with numbers for questions."""

from __future__ import annotations

import pytest

from ragc.data import Example


@pytest.fixture
def examples() -> list[Example]:
    """30 examples, whose answer is their number."""
    return [Example(id=f"e{n}", question=f"What is number {n}?", answers=(str(n),)) for n in range(30)]
