"""Which documents are nearly the same: versions of one text, copies in which a date was changed.

Two are alike when they share most of their stretches of eight letters (Jaccard), layout, case and punctuation aside.
Each is known by the smallest hashes of its stretches (a bottom-k sketch, Broder 1997), so that the time grows with the
corpus and not with its square; who shares a third of them is compared by all of its stretches. Where many documents
share one hash, each is compared with two of them only, and every document is named once, with the first it is like.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LEAST = 0.8
"""Share of common stretches from which two documents are alike."""
SHORTEST = 200
"""Letters that a document has at least: shorter ones differ in what little they say."""
_STRETCH = 8
_SKETCH = 12
"""Smallest hashes by which a document is known."""
_SHARED = 4
"""How many of these two documents share at least; of pairs that have 80% in common, one in 17,000 shares fewer."""
_MOST_AT_ONCE = 6
"""Documents of one hash that are compared with each other; of more, each with the first and with the one before."""
_BATCH = 2**20
"""Characters that are hashed at once."""
_PAIRS = 2**15
"""Pairs that are looked at at once."""
_REMEMBERED = 64
"""Documents whose stretches are kept while they are compared."""


class Alike(NamedTuple):
    """Two documents that are nearly the same."""

    first: str
    second: str
    share: float
    """Of their stretches, common ones."""


def alike(letters: Mapping[str, str]) -> list[Alike]:
    """Return, for each document that is nearly the same as one before it, the first that it is like.

    `letters`: of each document by id, its text without what is no word, in one case. None of them is another's equal.
    """
    ids = [id_ for id_, text in letters.items() if len(text) >= SHORTEST]
    texts = [letters[id_] for id_ in ids]
    stretches = lru_cache(maxsize=_REMEMBERED)(lambda number: _unique(_hashes(texts[number])))
    found: dict[int, Alike] = {}
    for one, other in _candidates(texts):
        if other not in found:
            share = _share(stretches(one), stretches(other))
            if share >= LEAST:
                found[other] = Alike(ids[one], ids[other], share)
    return [found[other] for other in sorted(found)]


def _candidates(texts: Sequence[str]) -> list[tuple[int, int]]:
    """Return the pairs, the earlier one first, that share enough of the smallest hashes, of those compared."""
    import numpy as np

    sketches = _sketches(texts)
    holders: dict[int, list[int]] = defaultdict(list)
    for number, sketch in enumerate(sketches):
        for value in set(sketch.tolist()):
            holders[value].append(number)
    pairs: set[tuple[int, int]] = set()
    for group in holders.values():
        if len(group) <= _MOST_AT_ONCE:
            pairs.update((one, other) for place, other in enumerate(group) for one in group[:place])
        else:
            pairs.update((group[0], other) for other in group[1:])
            pairs.update(pairwise(group))
    ordered = np.array(sorted(pairs), dtype=np.int64).reshape(-1, 2)
    close: list[tuple[int, int]] = []
    for start in range(0, len(ordered), _PAIRS):
        part = ordered[start : start + _PAIRS]
        left, right = sketches[part[:, 0]], sketches[part[:, 1]]
        shared = (left[:, :, None] == right[:, None, :]).any(axis=2).sum(axis=1)
        close += map(tuple, part[shared >= _SHARED].tolist())
    return close


def _sketches(texts: Sequence[str]) -> NDArray[np.uint64]:
    """Return the smallest hashes of each text, a row each."""
    import numpy as np

    found = np.zeros((len(texts), _SKETCH), dtype=np.uint64)
    number = 0
    for batch in _batches(texts):
        hashes = _hashes("".join(batch))
        begin = 0
        for text in batch:
            own = hashes[begin : begin + len(text) - _STRETCH + 1]
            most = min(len(own), 4 * _SKETCH)  # with room for those that come twice
            smallest = _unique(np.partition(own, most - 1)[:most])[:_SKETCH]
            found[number, : len(smallest)] = smallest
            found[number, len(smallest) :] = smallest[-1]  # a text that says one thing again and again has few
            number += 1
            begin += len(text)
    return found


def _batches(texts: Sequence[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    size = 0
    for text in texts:
        batch.append(text)
        size += len(text)
        if size >= _BATCH:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _hashes(text: str) -> NDArray[np.uint64]:
    """Return a hash for the stretch that begins at each letter; the last ones have none."""
    import numpy as np

    letters = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32).astype(np.uint64)
    count = len(letters) - _STRETCH + 1
    hashes = np.zeros(count, dtype=np.uint64)
    for place in range(_STRETCH):
        hashes = hashes * np.uint64(0x100000001B3) + letters[place : place + count]
    hashes ^= hashes >> np.uint64(29)  # the finalizer of splitmix64, so that the smallest ones are any
    hashes *= np.uint64(0xBF58476D1CE4E5B9)
    hashes ^= hashes >> np.uint64(32)
    return hashes


def _unique(hashes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return the hashes, sorted, each once: a third of `numpy.unique`'s time on few."""
    import numpy as np

    ordered = np.sort(hashes)
    return ordered[np.concatenate(([True], ordered[1:] != ordered[:-1]))]


def _share(left: NDArray[np.uint64], right: NDArray[np.uint64]) -> float:
    """Return the Jaccard index of two documents' stretches."""
    import numpy as np

    both = np.sort(np.concatenate((left, right)))
    common = int((both[1:] == both[:-1]).sum())
    return common / (len(both) - common)
