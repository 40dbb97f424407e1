"""Chunking: sections first, spans that hold, headings kept."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.stores import WordVectors
from ragc.data import Document
from ragc.project import ChunkSettings
from ragc.retrieval import Passage, sections
from ragc.retrieval._chunking import Chunker, described

HANDBOOK = """# Annual leave

For everyone. Owner: People Team.

## Carrying over

At most five days, by 31 March.

## Buying days

### Who may

Permanent staff.

```
## not a heading
```

### How

| form | where |
|---|---|
| HB-3 | Tideline |
"""


def cut(text: str, *, title: str = "Annual leave", **settings: object) -> list[Passage]:
    chunk = ChunkSettings.model_validate(settings)
    return Chunker(chunk, WordVectors().count_tokens).passages(Document("leave.md", title, text))


def test_a_short_section_is_one_passage_with_its_heading_path() -> None:
    assert [(passage.heading, passage.text) for passage in cut(HANDBOOK)] == [
        ((), "For everyone. Owner: People Team."),
        (("Carrying over",), "At most five days, by 31 March."),
        (("Buying days", "Who may"), "Permanent staff.\n\n```\n## not a heading\n```"),
        (("Buying days", "How"), "| form | where |\n|---|---|\n| HB-3 | Tideline |"),
    ]


def test_sections_are_the_passages_of_a_size_without_end() -> None:
    document = Document("leave.md", "Annual leave", HANDBOOK * 2)
    assert sections(document) == cut(HANDBOOK * 2, size=10_000)


def test_span_covers_the_heading_lines() -> None:
    first, second, third, _ = cut(HANDBOOK)
    assert HANDBOOK[first.start : first.end].startswith("# Annual leave\n")
    assert HANDBOOK[second.start : second.end] == "## Carrying over\n\nAt most five days, by 31 March."
    assert HANDBOOK[third.start : third.end].startswith("## Buying days\n\n### Who may")


def test_a_title_alone_is_no_passage() -> None:
    assert cut("# Annual leave\n") == []
    (only,) = cut("# Annual leave\n\n## Carrying over\n\nFive days.")
    assert (only.heading, only.text, only.start) == (("Carrying over",), "Five days.", 0)


def test_a_heading_with_nothing_under_it_is_a_passage_itself() -> None:
    found = cut("# Annual leave\n\n## Open 9 to 5\n\n## Rules\n\nNone.\n\n## Closed in May ##\n")
    assert [(passage.heading, passage.text) for passage in found] == [
        ((), "Open 9 to 5"),
        (("Rules",), "None."),
        ((), "Closed in May ##"),
    ]


def test_another_first_heading_than_the_title_is_kept() -> None:
    (only,) = cut("# Part one\n\nText.", title="Front matter title")
    assert only.heading == ("Part one",)


def test_plain_text_is_cut_at_sentences() -> None:
    text = "The first sentence is here. " * 30
    found = cut(text, size=100)
    assert all(len(passage.text) <= 100 for passage in found)
    assert all(text[passage.start : passage.end] == passage.text for passage in found)
    assert "".join(passage.text.replace(" ", "") for passage in found) == text.replace(" ", "")


def test_a_long_section_is_cut_inside_and_never_mixed_with_the_next() -> None:
    text = "# T\n\n## One\n\n" + "alpha words. " * 40 + "\n\n## Two\n\n" + "beta words. " * 3
    found = cut(text, title="T", size=200)
    assert len(found) > 3
    for passage in found:
        assert ("alpha" in passage.text) == (passage.heading == ("One",))
    assert found[0].start == 0
    assert text[found[1].start : found[1].end] == found[1].text


@pytest.mark.parametrize(("by", "size", "overlap"), [("characters", 200, 60), ("tokens", 30, 10)])
def test_neighbours_overlap_by_what_was_asked_for_and_not_across_sections(by: str, size: int, overlap: int) -> None:
    text = "# T\n\n## One\n\n" + " ".join(f"Sentence {n} says a thing." for n in range(40)) + "\n\n## Two\n\nShort.\n"
    *found, last = cut(text, title="T", by=by, size=size, overlap=overlap)
    measure = len if by == "characters" else lambda text: len(text.split())
    assert len({passage.id for passage in found}) == len(found) > 3
    assert all(text[passage.start : passage.end].endswith(passage.text) for passage in found)
    for one, other in itertools.pairwise(found):
        shared = text[other.start : one.end]
        assert other.text.startswith(shared)
        assert 0 < measure(shared) <= overlap
    assert (last.text, last.heading) == ("Short.", ("Two",))
    assert last.start >= found[-1].end


def test_tokens_are_the_embedders() -> None:
    found = cut("word " * 100, by="tokens", size=30)
    assert [len(passage.text.split()) for passage in found] == [30, 30, 30, 10]


def test_overlap_repeats_the_end_of_the_passage_before() -> None:
    found = cut("One two three. Four five six. Seven eight nine. " * 5, by="tokens", size=9, overlap=3)
    assert all(later.start < earlier.end for earlier, later in itertools.pairwise(found))


def test_windows_line_ends_and_unicode_keep_their_offsets() -> None:
    text = "# Títle\r\n\r\n## Ünö\r\n\r\nÀ 東京 🙂 text.\r\n\r\n## Zwei\r\n\r\n" + "Größe 🙂 zählt. " * 60
    for passage in cut(text, title="Títle", size=120):
        assert text[passage.start : passage.end].endswith(passage.text)


@given(st.lists(st.sampled_from(["# A", "## B", "### C", "text 🙂 words.", "", "```", "| a | b |", "- item", "####"])))
def test_every_document_keeps_its_words_and_its_spans(lines: list[str]) -> None:
    text = "\n".join(lines)
    found = cut(text, title="A", size=20)
    end = 0
    for passage in found:
        assert passage.text.strip()
        assert text[passage.start : passage.end].endswith(passage.text)
        assert passage.start >= end
        end = passage.end
    assert text.count("words") == sum(passage.text.count("words") for passage in found)


@pytest.mark.parametrize("settings", [{"size": 400}, {"overlap": 10}, {"by": "tokens"}])
def test_every_setting_shows_in_the_description(settings: dict[str, object]) -> None:
    assert described(ChunkSettings.model_validate(settings)) != described(ChunkSettings())
