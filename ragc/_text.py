"""Text as ragc compares it: quotes against documents, questions with each other, answers with labels."""

from __future__ import annotations

import re
import unicodedata
from array import array
from dataclasses import dataclass
from functools import lru_cache

_HYPHENS = "\u2010\u2011\u2012\u2013\u2014\u2015\u2043\u2212\ufe58\ufe63\uff0d"
_SINGLE_QUOTES = "\u2018\u2019\u201a\u201b\u2032\u02bc\u00b4`\uff07"
_DOUBLE_QUOTES = "\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb\uff02"
_INVISIBLE = "\u00ad\u200b\u200c\u200d\u2060\ufeff"
# Before NFKC, which would turn an acute accent or a double prime into two characters.
_UNIFIED = {
    **dict.fromkeys(map(ord, _HYPHENS), "-"),
    **dict.fromkeys(map(ord, _SINGLE_QUOTES), "'"),
    **dict.fromkeys(map(ord, _DOUBLE_QUOTES), '"'),
    **dict.fromkeys(map(ord, _INVISIBLE), ""),
}
_CURRENCY = "£€$¥"
_WHITE = re.compile(r"\s")
_HYPHEN_RUN = re.compile(r"-{2,}")
_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_NUMBER_COMMA = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_DECIMAL_POINT = re.compile(r"(?<=\d)\.(?=\d)")
_CURRENCY_SIGN = re.compile(f"([{_CURRENCY}])")
# Chinese, Japanese kana: written without spaces, so every character counts as a word (as MLQA scores them).
_UNSPACED = re.compile(r"([\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff])")


def normalise(text: str) -> str:
    """Return `text` as quotes and questions are matched: NFKC, casefolded, one kind of hyphen and quote, single spaces.

    Invisible characters (soft hyphen, zero width) are dropped and runs of hyphens are one, so that `--` meets a dash.
    """
    return _HYPHEN_RUN.sub("-", " ".join(_fold(text).split()))


def find_span(quote: str, text: str) -> tuple[int, int] | None:
    """Return where `quote` stands in `text`, as offsets into the original, or None.

    Both are compared after `normalise`. Among several places the first that begins and ends at a word's edge wins,
    else the first one.
    """
    wanted = normalise(quote)
    if not wanted:
        return None
    where = _mapped(text)
    found = where.text.find(wanted)
    if found < 0:
        return None
    place = found
    while place >= 0:
        if _at_edges(where.text, place, place + len(wanted)):
            found = place
            break
        place = where.text.find(wanted, place + 1)
    return where.starts[found], where.ends[found + len(wanted) - 1]


def similar_span(quote: str, text: str) -> tuple[int, int, float] | None:
    """Return where the stretch of `text` stands that is most like `quote`, and how alike they are, 0 to 1.

    Both are compared after `normalise`; the likeness is rapidfuzz's `partial_ratio`: of a stretch as long as the quote,
    the share of characters that need not be changed. None where there is no text.
    """
    from rapidfuzz.fuzz import partial_ratio_alignment

    where = _mapped(text)
    found = partial_ratio_alignment(normalise(quote), where.text) if where.text else None
    if found is None or found.dest_start == found.dest_end:
        return None
    return where.starts[found.dest_start], where.ends[found.dest_end - 1], found.score / 100


def answer_key(text: str) -> str:
    """Return `text` as answers are compared, after SQuAD's evaluation: lower case, no punctuation, no articles.

    Unlike SQuAD's script it keeps what tells two amounts apart: decimal points (`1.5` is not `15`) and currency signs,
    each a word of its own; hyphens and slashes part words. An answer of nothing but articles keeps them.
    """
    kept = _NUMBER_COMMA.sub("", normalise(text))
    kept = _CURRENCY_SIGN.sub(r" \1 ", _DECIMAL_POINT.sub("\0", kept))
    kept = " ".join(kept.translate(_KEPT).replace("\0", ".").split())
    return " ".join(_ARTICLES.sub(" ", kept).split()) or kept


def tokens(text: str) -> list[str]:
    """Return the words of `answer_key(text)`, in order; a character of an unspaced script is a word."""
    return _UNSPACED.sub(r" \1 ", answer_key(text)).split()


class _Kept(dict[int, str]):
    """For `str.translate`: punctuation goes, hyphens and slashes part words, the rest stays; filled as it is met."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        if character in "-/|":
            kept = " "
        else:
            gone = character in "%+<=>^~" or unicodedata.category(character).startswith("P")
            kept = "" if gone else character
        self[code] = kept
        return kept


_KEPT = _Kept()


def _at_edges(text: str, start: int, end: int) -> bool:
    opens = start == 0 or not (text[start - 1].isalnum() and text[start].isalnum())
    closes = end == len(text) or not (text[end].isalnum() and text[end - 1].isalnum())
    return opens and closes


@dataclass(frozen=True, slots=True)
class _Mapped:
    """A normalised text; `starts[i]` and `ends[i]` enclose what its character i was in the original."""

    text: str
    starts: array[int]
    ends: array[int]


@lru_cache(maxsize=512)
def _mapped(text: str) -> _Mapped:
    """Return `normalise(text)`, made character by character, with the way back; slower than that."""
    characters: list[str] = []
    starts, ends = array("q"), array("q")
    for start, end in _clusters(text):
        for character in _fold(text[start:end]):
            last = characters[-1] if characters else " "
            if character == last and character in " -":
                if character == "-":
                    ends[-1] = end
                continue
            characters.append(character)
            starts.append(start)
            ends.append(end)
    if characters and characters[-1] == " ":
        for column in (characters, starts, ends):
            column.pop()
    return _Mapped("".join(characters), starts, ends)


def _clusters(text: str) -> list[tuple[int, int]]:
    """Return the spans of characters that normalise together: a base and its marks, the jamo of a syllable."""
    if text.isascii():
        return [(i, i + 1) for i in range(len(text))]
    spans: list[tuple[int, int]] = []
    start = 0
    for i in range(1, len(text) + 1):
        if i < len(text) and (unicodedata.category(text[i])[0] == "M" or "\u1160" <= text[i] <= "\u11ff"):
            continue
        spans.append((start, i))
        start = i
    return spans


def _fold(text: str) -> str:
    if text.isascii():
        return _WHITE.sub(" ", text.replace("`", "'").lower())
    unified = unicodedata.normalize("NFKC", text.translate(_UNIFIED))
    folded = unicodedata.normalize("NFKC", unified.casefold()).translate(_UNIFIED)
    return _WHITE.sub(" ", folded)
