"""What a person should know about a corpus that was read: the same document twice, lines that are no content."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from ragc.data._alike import alike

FEWEST_DOCUMENTS = 5
"""Documents of one format from which a line that most of them have is a header or footer and no coincidence."""
_MOST_SHARE = 0.6
_SHORTEST = 12
"""Letters that a line needs to be worth naming: `Introduction` stands in many documents and is no boilerplate."""
_MOST_LINES = 10
_NO_WORD = re.compile(r"\W+")


@dataclass(frozen=True)
class Finding:
    """One thing about a corpus that nothing was done about."""

    kind: str
    """`encoding`, `no text`, `left out`, `boilerplate`, `duplicate` or `near duplicate`."""
    path: str
    """The file, or the id of the document."""
    text: str


def duplicates(texts: Mapping[str, str]) -> Iterator[Finding]:
    """Yield every document, by id, that has the same words as one before it, or nearly: format and layout aside."""
    first: dict[str, str] = {}
    for id_, text in texts.items():
        words = _NO_WORD.sub("", text).casefold()
        if words and (same := first.setdefault(words, id_)) != id_:
            yield Finding("duplicate", id_, f"the same text as {same}")
    for near in alike({id_: words for words, id_ in first.items()}):
        share = min(99, round(100 * near.share))
        yield Finding("near duplicate", near.second, f"{share}% of the text is that of {near.first}")


def boilerplate(texts: Mapping[str, str]) -> Iterator[Finding]:
    """Yield the lines that stand in most documents of one suffix: navigation, disclaimers, signatures."""
    by_suffix: dict[str, list[str]] = defaultdict(list)
    for id_, text in texts.items():
        by_suffix[PurePosixPath(id_.partition("#")[0]).suffix.lower()].append(text)
    for suffix, group in sorted(by_suffix.items()):
        if len(group) < FEWEST_DOCUMENTS:
            continue
        counts: Counter[str] = Counter()
        for text in group:
            counts.update({line.strip() for line in text.split("\n")})
        least = _MOST_SHARE * len(group)
        found = sorted(
            (
                (-count, line)
                for line, count in counts.items()
                if count >= least and len(_NO_WORD.sub("", line)) >= _SHORTEST
            )
        )
        for count, line in found[:_MOST_LINES]:
            shown = line if len(line) <= 80 else f"{line[:79]}…"
            yield Finding("boilerplate", f"*{suffix}", f'"{shown}" stands in {-count:,} of {len(group):,} documents')
