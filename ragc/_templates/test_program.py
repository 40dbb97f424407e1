"""What a change to program or labels must not break. Run with `pytest`."""

from __future__ import annotations

from pathlib import Path

from programs.grounded import GroundedAnswer
from ragc import Project
from ragc.data import read_examples

ROOT = Path(__file__).parent.parent


def test_the_program_can_be_made() -> None:
    """A program is made without a model and without documents."""
    assert GroundedAnswer() is not None


def test_the_labels_can_be_read() -> None:
    """A bad line is named with its number."""
    project = Project.find(ROOT)
    for task in project.settings.tasks.values():
        assert read_examples(project.path(task.examples))
