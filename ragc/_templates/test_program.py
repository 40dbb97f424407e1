"""What a change to the program must not break. Run with `pytest`."""

from __future__ import annotations

from programs.grounded import GroundedAnswer


def test_the_program_can_be_made() -> None:
    """A program is made without a model and without documents."""
    assert GroundedAnswer() is not None
