"""A fresh test split, of questions that nobody has measured by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ragc._messages import counted, shown_path
from ragc.data._examples import SPLITS, Example
from ragc.data._openings import openings_beside, read_openings, record_renewal
from ragc.data._splits import (
    SHARES,
    Splits,
    distribute,
    find_leaks,
    new_groups,
    read_recorded,
    recorded_splits,
    write_recorded,
)
from ragc.errors import DataError

FEWEST_FRESH = 20
"""New examples that a fresh test split needs: below it a verdict is hardly to be had."""


@dataclass(frozen=True)
class Renewal:
    """What became of the test split."""

    splits: Splits
    opened: int
    """How often the old one had been opened."""
    moved: tuple[Example, ...]
    """Its examples, which are now for training and validation."""
    joined: tuple[Example, ...]
    """New examples that are near to old ones, and stay out of the test with them."""


def renew_test(examples: Sequence[Example], path: Path) -> Renewal:
    """Make a new test split of the examples that stand in no split yet, and record that in `path` and beside it.

    No question that was in any split, and none that is nearly the same, comes into it: an optimizer or a figure that
    was reported may have seen it. The old test examples are split between training and validation, two to three as new
    ones are; later examples are split as always. `examples` are those whose labels hold.

    Raises DataError, and nothing is written, when nothing is split yet, there are too few new examples (it says how
    many are needed), or an old test example asks for the test split by its own `split`.
    """
    recorded = read_recorded(path)
    if not recorded:
        raise DataError(f"nothing to renew: {shown_path(path)} is not there, the first compile splits the examples")
    held = [one for one in examples if one.split == "test" and one.id in recorded]
    if held:
        raise DataError(
            f'{counted(len(held), "example")} in a split already, such as {held[0].named}, ask for "split": "test":'
            " take that out of them, a fresh test split has new examples only"
        )
    known = {one.id: recorded[one.id] for one in examples if one.id in recorded}
    asked = {one.id: one.split for one in examples if one.id not in recorded and one.split in ("train", "validation")}
    groups = new_groups(examples, known | asked)
    whole = [group for group in groups if not any(one.origin == "drafted" for one in group.members)]
    fresh = [one for group in whole if not group.neighbours for one in group.members]
    joined = [one for group in groups if group.neighbours for one in group.members]
    if len(fresh) < FEWEST_FRESH:
        near = f", {len(joined)} more are near to old ones" if joined else ""
        raise DataError(
            f"a fresh test split needs {FEWEST_FRESH} new examples, and {len(fresh)} stand in no split yet{near}:"
            f" label {FEWEST_FRESH - len(fresh)} more, before they are used in a compile"
        )
    old = [one for one in examples if known.get(one.id) == "test"]
    new = _shared_out(old, examples, {id_: name for id_, name in known.items() if name != "test"} | asked)
    new |= dict.fromkeys((one.id for one in fresh), "test")
    gone = {id_: "validation" for id_, name in recorded.items() if name == "test" and id_ not in known}
    train, validation, test = (tuple(one for one in examples if new.get(one.id) == name) for name in SPLITS)
    find_leaks(Splits(train, validation, test))
    opened = read_openings(openings_beside(path)).count
    # The splits first: where the second write fails, the openings are still counted.
    write_recorded(path, recorded | gone | new)
    record_renewal(openings_beside(path), test)
    return Renewal(recorded_splits(examples, path), opened, tuple(old), tuple(joined))


def _shared_out(old: Sequence[Example], examples: Sequence[Example], others: dict[str, str]) -> dict[str, str]:
    """The splits of all but the fresh examples, with the old test's shared out between training and validation."""
    ids = {one.id for one in old}
    both = [one for one in examples if one.id in ids or one.id in others]
    assigned = dict(others)
    groups = new_groups(both, others)
    for group in groups:
        if group.neighbours:
            assigned.update((one.id, others[group.neighbours[0]]) for one in group.members)
    shares = {name: SHARES[name] / (SHARES["train"] + SHARES["validation"]) for name in ("train", "validation")}
    distribute([group.members for group in groups if not group.neighbours], both, assigned, shares)
    return assigned
