"""Which questions are nearly the same: one in two splits would let the test be learned by heart."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import reduce
from itertools import takewhile
from operator import or_

from ragc._text import tokens

THRESHOLD = 0.8
"""Share of common character trigrams (Jaccard) from which two questions are looked at more closely."""
_MOST_APART = (1 - THRESHOLD) / (1 + THRESHOLD) + 1e-9
"""The same as a bound on how many trigrams only one of them has, as a share of both sizes."""
_BITS = 512
"""Width of a signature; its differing bits are never more than the differing trigrams."""
_SMALL_WORDS = """
am and are as at be by can could do does did for from had has have i if in is it its may me my of on or our please so
that there these this those to us was we were will with would you your
"""
_SMALL = frozenset(_SMALL_WORDS.split())


def near_duplicates(questions: Sequence[str]) -> list[tuple[int, int]]:
    """Return every pair of positions, i < j, whose questions are nearly the same, in order.

    They are when they have the same words in any order, case, punctuation and articles aside; or when 80% of their
    trigrams are common and the words that differ are small ones (`my`, `please`) or spelled alike (`day`, `days`).
    Another number or another name makes another question. No such pair is missed: two sets that reach the threshold
    share one of their rarest trigrams, so only those are compared (prefix filtering, Bayardo et al. 2007).
    """
    words = [tokens(question) for question in questions]
    return sorted({*_same_words(words), *_spelled_alike(words)})


def _same_words(words: Sequence[Sequence[str]]) -> Iterator[tuple[int, int]]:
    groups: dict[tuple[str, ...], list[int]] = {}
    for j, one in enumerate(words):
        if one:
            group = groups.setdefault(tuple(sorted(one)), [])
            yield from ((i, j) for i in group)
            group.append(j)


def _spelled_alike(words: Sequence[Sequence[str]]) -> Iterator[tuple[int, int]]:
    grams = [{f" {word} "[i : i + 3] for word in one for i in range(len(word))} for one in words]
    counts = Counter(gram for one in grams for gram in one)
    bits = {gram: 1 << (i % _BITS) for i, gram in enumerate(counts)}
    signatures = [reduce(or_, (bits[gram] for gram in one), 0) for one in grams]
    holders: dict[str, list[int]] = {}
    # From the smallest set up: what is in the index is then never larger, and a shorter prefix of it will do.
    for j in sorted(range(len(words)), key=lambda j: (len(grams[j]), j)):
        size = len(grams[j])
        rarest = sorted(grams[j], key=lambda gram: (counts[gram], gram))
        candidates: set[int] = set()
        for gram in rarest[: size - math.ceil(THRESHOLD * size) + 1]:
            candidates.update(holders.get(gram, ()))
        for i in candidates:
            most = (len(grams[i]) + size) * _MOST_APART
            if (signatures[i] ^ signatures[j]).bit_count() > most or len(grams[i] ^ grams[j]) > most:
                continue
            if _differ_in_spelling(words[i], words[j]):
                yield min(i, j), max(i, j)
        for gram in rarest[: size - math.ceil((1 - _MOST_APART) * size) + 1]:
            holders.setdefault(gram, []).append(j)


def _differ_in_spelling(words: Sequence[str], others: Sequence[str]) -> bool:
    here, there = Counter(words), Counter(others)
    left = sorted(word for word in (here - there).elements() if word not in _SMALL)
    right = sorted(word for word in (there - here).elements() if word not in _SMALL)
    return len(left) == len(right) and all(_alike(a, b) for a, b in zip(left, right, strict=True))


def _alike(word: str, other: str) -> bool:
    """Return whether two words differ by an ending of at most two letters, or in longer ones by one slip of a key."""
    short, long = sorted((word, other), key=len)
    if short[0] != long[0] or len(short) < 3 or any(c.isdigit() for c in word + other):
        return False
    if long.startswith(short):
        return len(long) - len(short) <= 2
    start = _common(short, long)
    end = _common(short[start:][::-1], long[start:][::-1])
    a, b = short[start : len(short) - end], long[start : len(long) - end]
    return len(short) >= 5 and (max(len(a), len(b)) == 1 or (len(a) == 2 and a == b[::-1]))


def _common(left: str, right: str) -> int:
    """Return with how many equal characters both begin."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(left, right, strict=False)))
