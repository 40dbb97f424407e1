"""Train, validation and test: assigned once, committed, and kept apart."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ragc._files import canonical_json, digest, write_atomically
from ragc._messages import shown_path
from ragc.data._edited import contradict, nearly_same
from ragc.data._examples import SPLITS, Example
from ragc.data._lines import shown, text_of
from ragc.errors import DataError

SCHEMA = 1
SHARES = {"train": 0.2, "validation": 0.3, "test": 0.5}
"""Few demonstrations are needed, many questions are needed to prove anything."""
FEWEST = {"train": 2, "validation": 2, "test": 3}
FEWEST_IN_ALL = 10


@dataclass(frozen=True)
class Aside:
    """An example that is in no split, because it is near to examples of two."""

    example: Example
    reason: str


@dataclass(frozen=True)
class Splits:
    """The examples of a task by what they are used for, each in the examples' order."""

    train: tuple[Example, ...]
    validation: tuple[Example, ...]
    test: tuple[Example, ...]
    added: int = 0
    """How many were assigned now and not before."""
    aside: tuple[Aside, ...] = ()

    @cached_property
    def fingerprint(self) -> str:
        """The SHA-256 over which example is in which split."""
        return digest(canonical_json([sorted(example.id for example in part) for part in self._parts().values()]))

    def _parts(self) -> dict[str, tuple[Example, ...]]:
        return {"train": self.train, "validation": self.validation, "test": self.test}


def assign_splits(examples: Sequence[Example], path: Path) -> Splits:
    """Return the splits recorded in `path` (JSON, committed by the user), with new examples added to it.

    New ones come in groups of near-duplicates, in the order of a hash, each to the split that is furthest below its
    share of 20, 30 and 50%, in its slice and in all. None that is recorded moves, unless its `split` says so; a new
    near-duplicate joins its group's split, and one that is near to two is set aside. Ids that are gone stay recorded.
    The file is written only when something changed. Raises DataError when it cannot be read, is of a newer schema, or
    when there are too few examples for three splits; nothing is written then.
    """
    recorded = read_recorded(path)
    asked = {example.id: example.split for example in examples if example.split is not None}
    assigned = {example.id: recorded[example.id] for example in examples if example.id in recorded} | asked
    aside: dict[str, str] = {}
    fresh: list[list[Example]] = []
    names = {example.id: example.named for example in examples}
    for group in new_groups(examples, assigned):
        near = sorted({assigned[id_] for id_ in group.neighbours})
        if len(near) > 1:
            reason = f"nearly the same as {_one_each(group.neighbours, assigned, names)}"
            aside.update((example.id, reason) for example in group.members)
        elif near:
            kept_out = near[0] == "test"
            for example in group.members:
                if kept_out and example.origin == "drafted":
                    aside[example.id] = "drafted, and nearly the same as a test question: accept it or remove it"
                else:
                    assigned[example.id] = near[0]
        else:
            fresh.append(group.members)
    distribute(fresh, [example for example in examples if example.id not in aside], assigned)
    parts = {name: tuple(e for e in examples if assigned.get(e.id) == name) for name in SPLITS}
    drafted = next((one for one in parts["test"] if one.origin == "drafted"), None)
    if drafted is not None:
        raise DataError(f"{drafted.named} is drafted and in the test split: accept it, or take it out of the examples")
    _check_sizes(parts, path)
    added = sum(id_ not in recorded for id_ in assigned)
    if recorded | assigned != recorded:
        write_recorded(path, recorded | assigned)
    set_aside = tuple(Aside(example, aside[example.id]) for example in examples if example.id in aside)
    return Splits(**parts, added=added, aside=set_aside)


def recorded_splits(examples: Sequence[Example], path: Path) -> Splits:
    """Return the splits as `path` records them (and the examples' own `split` says); nothing is assigned or written.

    Examples that are in none are left out. Raises DataError when the file cannot be read, or is of a newer schema.
    """
    recorded = read_recorded(path)
    assigned = {example.id: example.split or recorded.get(example.id) for example in examples}
    train, validation, test = (tuple(e for e in examples if assigned[e.id] == name) for name in SPLITS)
    return Splits(train, validation, test)


def find_leaks(splits: Splits) -> list[tuple[Example, Example]]:
    """Raise DataError, naming the first three pairs, when the same or nearly the same question is in two splits.

    Return the pairs within one split whose labels contradict each other.
    """
    where = [(name, example) for name, part in splits._parts().items() for example in part]
    pairs = nearly_same([example for _, example in where])
    leaks = [
        f"{where[i][1].named} in {where[i][0]} and {where[j][1].named} in {where[j][0]}"
        for i, j in pairs
        if where[i][0] != where[j][0]
    ]
    if leaks:
        more = f" and {len(leaks) - 3} more pairs" if len(leaks) > 3 else ""
        raise DataError(
            f"nearly the same question in two splits: {', '.join(leaks[:3])}{more};"
            ' give both the same "split", or remove one'
        )
    return [(where[i][1], where[j][1]) for i, j in pairs if contradict(where[i][1], where[j][1])]


@dataclass(frozen=True)
class Group:
    """New examples that are nearly the same, and the ids that have a split and are near to one of them."""

    members: list[Example]
    neighbours: list[str]


def new_groups(examples: Sequence[Example], assigned: Mapping[str, str]) -> list[Group]:
    """Return the groups of examples without a split, in the order of a hash of their smallest id."""
    if all(example.id in assigned for example in examples):
        return []
    parent = list(range(len(examples)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    near: dict[int, list[str]] = {}
    for i, j in nearly_same(examples):
        match examples[i].id in assigned, examples[j].id in assigned:
            case False, False:
                parent[root(j)] = root(i)
            case True, False:
                near.setdefault(j, []).append(examples[i].id)
            case False, True:
                near.setdefault(i, []).append(examples[j].id)
    members: dict[int, list[int]] = {}
    for i, example in enumerate(examples):
        if example.id not in assigned:
            members.setdefault(root(i), []).append(i)
    groups = [
        Group([examples[i] for i in group], sorted({id_ for i in group for id_ in near.get(i, ())}))
        for group in members.values()
    ]
    return sorted(groups, key=lambda group: digest(min(example.id for example in group.members).encode()))


def distribute(
    groups: Iterable[list[Example]],
    examples: Sequence[Example],
    assigned: dict[str, str],
    shares: Mapping[str, float] = SHARES,
) -> None:
    """Give each group the split that is furthest below its share, in the group's slice and in all, both counted alike.

    The slices keep every split like the whole; the sum over all keeps many small slices from filling one split.
    """
    total = Counter(example.slice for example in examples)
    held = Counter((example.slice, assigned[example.id]) for example in examples if example.id in assigned)
    held_in_all = Counter(assigned.values())
    for group in groups:
        slice_ = Counter(example.slice for example in group).most_common(1)[0][0]

        def lacking(name: str, slice_: str | None = slice_) -> float:
            in_slice = shares[name] * total[slice_] - held[slice_, name]
            return in_slice + shares[name] * len(examples) - held_in_all[name]

        drafted = any(example.origin == "drafted" for example in group)
        chosen = max((name for name in shares if not (drafted and name == "test")), key=lacking)
        for example in group:
            assigned[example.id] = chosen
            held[example.slice, chosen] += 1
            held_in_all[chosen] += 1


def _check_sizes(parts: Mapping[str, Sequence[Example]], path: Path) -> None:
    sizes = {name: len(part) for name, part in parts.items()}
    total = sum(sizes.values())
    if total < FEWEST_IN_ALL or any(sizes[name] < FEWEST[name] for name in SPLITS):
        found = ", ".join(f"{sizes[name]} {name}" for name in SPLITS)
        needed = ", ".join(f"{FEWEST[name]} {name}" for name in SPLITS)
        raise DataError(
            f"too few examples for three splits: {total} ({found}), at least {FEWEST_IN_ALL} are needed ({needed});"
            f" label more, or mend {shown_path(path)} and the examples' split"
        )


def _one_each(ids: Sequence[str], assigned: Mapping[str, str], names: Mapping[str, str]) -> str:
    """Return the name of one example of each split."""
    first = {assigned[id_]: id_ for id_ in reversed(ids)}
    return " and ".join(f"{names[first[name]]} in {name}" for name in SPLITS if name in first)


def read_recorded(path: Path) -> dict[str, str]:
    """Return the split of each id as the file has it; empty where there is no file. Raises as `recorded_splits`."""
    if not path.exists():
        return {}
    file = shown_path(path)
    try:
        content = json.loads(text_of(path))
    except json.JSONDecodeError as error:
        raise DataError(f"{file} line {error.lineno}: not JSON: {error.msg.lower()}; restore it from git") from error
    schema = content.get("schema") if isinstance(content, dict) else None
    if isinstance(schema, int) and schema > SCHEMA:
        raise DataError(f"{file}: schema {schema} is newer than this ragc knows ({SCHEMA}); install a newer ragc")
    splits = content.get("splits") if schema == SCHEMA else None
    if not isinstance(splits, dict):
        raise DataError(f'{file}: expected {{"schema": {SCHEMA}, "splits": {{id: split}}}}; restore it from git')
    for id_, name in splits.items():
        if name not in SPLITS:
            raise DataError(f'{file}: "{id_}": expected train, validation or test, found {shown(name)}')
    return splits


def write_recorded(path: Path, splits: Mapping[str, str]) -> None:
    """Write the split of each id, whole or not at all. Raises RagcError where that cannot be done."""
    content = {"schema": SCHEMA, "splits": dict(sorted(splits.items()))}
    write_atomically(path, json.dumps(content, ensure_ascii=False, indent=1) + "\n")
