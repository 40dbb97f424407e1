"""What every store must do; see `ragc.retrieval.Store` for the words."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from contract.conftest import OpenStore
from contract.stores import MADE_WITH, WordVectors, ids, indexed
from ragc.data import Scalar
from ragc.errors import StoreError
from ragc.retrieval import Entry, Passage, Query, Store, holds, parse_filters, passage_id

OFFICES: dict[str, dict[str, Scalar]] = {
    "gdansk": {"team": "payroll", "year": 2024, "draft": False, "rate": 1.5},
    "lisbon": {"team": "travel", "year": 2025, "draft": True, "rate": 2},
    "halifax": {"team": 'o\'brien "x"', "year": 2026, "draft": 1, "team lead": "Ines"},
    "nowhere": {},
}


def ask(store: Store, text: str, k: int = 10, alpha: float = 0.5, **asked: Any) -> list[Passage]:
    conditions = parse_filters(asked.pop("filters", None))
    query = Query(text, WordVectors().embed_query(text), k, alpha, conditions=conditions, **asked)
    return store.search(query, MADE_WITH)


@pytest.fixture
def offices(store: Store) -> Store:
    store.write([indexed(id_, f"the office {id_}", metadata=data) for id_, data in OFFICES.items()], (), "v1")
    return store


def test_nothing_is_there_before_the_first_reset(open_: OpenStore) -> None:
    store = open_()
    assert store.state() is None
    assert store.documents() == {}
    assert store.vectors(["a"]) == {}
    assert store.passages(["a"]) == []
    with pytest.raises(StoreError, match="ragc index handbook"):
        ask(store, "leave")
    with pytest.raises(StoreError, match="ragc index handbook"):
        store.write([indexed("a", "text")])


def test_state_says_what_is_held_and_when_it_is_whole(store: Store) -> None:
    assert dataclasses.astuple(store.state() or MADE_WITH)[1:] == (None, False, 0, 0)
    store.write([indexed("a", "one", "two")])
    assert dataclasses.astuple(store.state() or MADE_WITH)[1:] == (None, False, 1, 2)
    store.write([indexed("b", "three")], (), "v1")
    state = store.state()
    assert state is not None
    assert state.made_with == MADE_WITH
    assert (state.corpus_version, state.complete, state.documents, state.passages) == ("v1", True, 2, 3)
    store.write([indexed("c", "four")])
    state = store.state()
    assert state is not None
    assert (state.corpus_version, state.complete) == (None, True)


def test_passage_comes_back_as_it_was_written(store: Store) -> None:
    entry = Entry(
        Passage(passage_id("p.md", 3, 20), "p.md", "Ünïcode", "Straße 東京 🙂", 0, {}, 3, 20, ("A", 'B "c"')),
        "key",
        WordVectors().embed_query("Straße"),
    )
    data: dict[str, Scalar] = {"page": 12, "share": 0.5, "draft": True, "note": None, 'a "key"': "é"}
    document = dataclasses.replace(indexed("p.md", title="Ünïcode", metadata=data), entries=[entry])
    store.write([document], (), "v1")
    (found,) = ask(store, "straße")
    assert dataclasses.replace(found, score=0, text_score=None, vector_score=None) == dataclasses.replace(
        entry.passage, metadata=data
    )
    assert found.metadata == data


def test_documents_are_read_passage_by_passage(store: Store) -> None:
    store.write([indexed("b", "three", "four"), indexed("a", "one", "two", title="A"), indexed("c", "five")], (), "v1")
    found = store.passages(["b", "nowhere", "a"])
    assert [(one.document, one.text, one.start) for one in found] == [
        *(("a", "one", 0), ("a", "two", 1)),
        *(("b", "three", 0), ("b", "four", 1)),
    ]
    assert (found[0].title, found[0].heading) == ("A", ("Part",))


def test_scores_are_fused_and_their_parts_kept(store: Store) -> None:
    store.write([indexed("a", "bonfires in november"), indexed("b", "rent in june"), indexed("c", "keys")], (), "v")
    best, *others = ask(store, "bonfires november")
    assert best.document == "a"
    assert best.score == pytest.approx(1)
    assert best.text_score is not None
    assert best.text_score > 0
    assert best.vector_score is not None
    assert 0 < best.vector_score <= 1
    assert all(0 <= passage.score < 1 and passage.text_score is None for passage in others)


@pytest.mark.parametrize(
    ("alpha", "leg", "other"), [(0, "text_score", "vector_score"), (1, "vector_score", "text_score")]
)
def test_alpha_at_its_ends_asks_one_leg(store: Store, alpha: int, leg: str, other: str) -> None:
    store.write([indexed("a", "bonfires in november"), indexed("b", "november rent"), indexed("c", "keys")], (), "v")
    found = ask(store, "bonfires november", alpha=alpha)
    assert ids(found)[:2] == ["a", "b"]
    assert len(found) == (2 if alpha == 0 else 3)
    assert all(getattr(passage, leg) is not None and getattr(passage, other) is None for passage in found)


def test_text_alone_needs_no_vector(store: Store) -> None:
    store.write([indexed("a", "bonfires")], (), "v")
    assert ids(store.search(Query("bonfires", None, 5, 0), MADE_WITH)) == ["a"]


@pytest.mark.parametrize("alpha", [0, 0.5, 1])
def test_equal_scores_stand_in_the_order_of_ids_at_any_k(store: Store, alpha: float, cuts_by_id: bool) -> None:
    # More than a leg is deep, so that the cut goes through the ties as well.
    store.write([indexed(f"d{number:03}", "the same words") for number in range(150)], (), "v")
    found = [passage.id for passage in ask(store, "same words", k=150, alpha=alpha)]
    everything = sorted(passage_id(f"d{number:03}", 0, 1) for number in range(150))
    if cuts_by_id:
        assert found == everything
    else:  # a graph of neighbours may not reach each of so many that lie at the same place
        assert len(set(found) & set(everything)) == len(found) >= 140
    few = [passage.id for passage in ask(store, "same words", k=7, alpha=alpha)]
    assert few == (found[:7] if cuts_by_id else sorted(set(few) & set(found)))
    assert len(few) == 7


def test_vectors_are_found_however_deep_and_whatever_was_deleted(store: Store) -> None:
    names = [f"d{number:03}" for number in range(120)]
    for generation in range(4):
        store.write([indexed(name, f"words {generation}{name}") for name in names], (), "v")
    store.write([], names[:20], "v")
    for fetch_k in (None, 5_000):
        found = ask(store, "words 3d077", k=100, alpha=1, fetch_k=fetch_k)
        assert found[0].document == "d077"
        assert set(ids(found)) == set(names[20:])
        assert [passage.vector_score or 0 for passage in found] == sorted(
            (passage.vector_score or 0 for passage in found), reverse=True
        )


def test_words_in_nearly_every_passage_still_find(store: Store) -> None:
    store.write([indexed(f"d{number}", f"the rule {number}") for number in range(20)], (), "v")
    assert len(ask(store, "the", k=30, alpha=0)) == 20
    found = ask(store, "the 7", k=30, alpha=0)
    assert found[0].document == "d7"
    assert len(found) == 20


@pytest.mark.parametrize("query", ["", "   ", "?!…", "\n", '"', "\x00"])
def test_query_without_words_finds_nothing_in_the_text(store: Store, query: str) -> None:
    store.write([indexed("a", "words")], (), "v")
    assert ask(store, query, alpha=0) == []


def test_empty_query_finds_nothing(store: Store) -> None:
    store.write([indexed("a", "words")], (), "v")
    assert ask(store, "") == []
    assert ask(store, "", alpha=1) == []


def test_k_larger_than_the_corpus_returns_the_corpus(offices: Store) -> None:
    assert len(ask(offices, "office", k=100_000)) == len(OFFICES)


@pytest.mark.parametrize(
    "query",
    [
        "NEAR(office lisbon, 5)",
        'office" OR "x',
        "body: lisbon",
        "lis*",
        "NOT lisbon",
        "^office AND (lisbon",
        "office'; DROP TABLE collections; --",
        "{office} + lisbon",
        "\ud800 office",
    ],
)
def test_operators_and_quotes_in_a_question_are_words(offices: Store, query: str) -> None:
    found = ask(offices, query, alpha=0)
    wanted = set(OFFICES) if "office" in query else set() if query == "lis*" else {"lisbon"}
    assert set(ids(found)) == wanted
    assert len(ask(offices, "office")) == len(OFFICES)


def test_case_and_accents_are_folded(store: Store) -> None:
    store.write([indexed("a", "Gdańsk ÉCOLE"), indexed("b", "Lisbon"), indexed("c", "Halifax")], (), "v")
    assert ids(ask(store, "GDANSK ecole", alpha=0)) == ["a"]


def test_long_texts_and_long_questions(store: Store) -> None:
    text = "needle " + "hay stack überall 東京 " * 5_000
    store.write([indexed("a", text), indexed("b", "other"), indexed("c", "words")], (), "v")
    (found,) = ask(store, "needle", alpha=0)
    assert found.text == text
    assert ask(store, "needle " + "straw " * 20_000)[0].document == "a"


def test_writing_a_document_again_replaces_all_of_it(store: Store) -> None:
    store.write([indexed("a", "old words", "more old"), indexed("b", "stays")], (), "v1")
    store.write([indexed("a", "new words", digest="2")], (), "v2")
    assert store.documents() == {"a": "2", "b": "1"}
    assert [passage.text for passage in ask(store, "old", alpha=0)] == []
    assert [passage.text for passage in ask(store, "new", alpha=0)] == ["new words"]
    assert {passage.text for passage in ask(store, "x", alpha=1)} == {"new words", "stays"}


def test_removed_documents_are_gone_from_both_legs(store: Store) -> None:
    store.write([indexed("a", "one"), indexed("b", "two"), indexed("c", "three")], (), "v1")
    store.write([], ["a", "b", "never there"], "v2")
    assert store.documents() == {"c": "1"}
    assert ask(store, "one two", alpha=0) == []
    assert ids(ask(store, "one", alpha=1)) == ["c"]
    state = store.state()
    assert state is not None
    assert (state.documents, state.passages, state.corpus_version) == (1, 1, "v2")


def test_reset_empties_and_remembers_what_it_is_made_with(store: Store, takes_any_length: bool) -> None:
    store.write([indexed("a", "one")], (), "v1")
    other = dataclasses.replace(MADE_WITH, fingerprint="g", dimensions=2)
    if not takes_any_length:
        with pytest.raises(StoreError, match="32 numbers, the embedder gives 2"):
            store.reset(other)
        other = dataclasses.replace(other, dimensions=MADE_WITH.dimensions)
    store.reset(other)
    assert store.documents() == {}
    state = store.state()
    assert state is not None
    assert (state.made_with, state.complete, state.passages) == (other, False, 0)


def test_search_refuses_what_was_made_with_something_else(offices: Store) -> None:
    with pytest.raises(StoreError, match="other settings"):
        offices.search(Query("office", None, 5, 0), dataclasses.replace(MADE_WITH, fingerprint="g"))


def test_a_write_takes_effect_whole_or_not_at_all(store: Store) -> None:
    store.write([indexed("a", "one")], (), "v1")
    bad = indexed("c", "three")
    bad.entries[0].vector[0] = np.nan
    with pytest.raises(StoreError, match=r"^c: .*32 finite"):
        store.write([indexed("a", "changed", digest="2"), indexed("b", "two"), bad], (), "v2")
    assert store.documents() == {"a": "1"}
    assert [passage.text for passage in ask(store, "one changed two")] == ["one"]
    state = store.state()
    assert state is not None
    assert state.corpus_version == "v1"


def test_vectors_of_another_length_are_refused(store: Store) -> None:
    document = indexed("a", "one")
    short = Entry(document.entries[0].passage, "k", np.ones(3, dtype=np.float32))
    with pytest.raises(StoreError, match="3 numbers, 32"):
        store.write([dataclasses.replace(document, entries=[short])], (), "v")


def test_vectors_come_back_by_key(store: Store) -> None:
    document = indexed("a", "one", "two")
    store.write([document], (), "v")
    first, second = document.entries
    found = store.vectors([first.key, second.key, "unknown", "' OR 1=1"])
    assert set(found) == {first.key, second.key}
    np.testing.assert_array_equal(found[first.key], first.vector)


def test_passage_without_direction_is_found_by_text_alone(store: Store) -> None:
    document = indexed("a", "zero")
    empty = Entry(document.entries[0].passage, "k", np.zeros(MADE_WITH.dimensions, dtype=np.float32))
    store.write([dataclasses.replace(document, entries=[empty]), indexed("b", "one")], (), "v")
    assert ids(ask(store, "zero", alpha=1)) == ["b"]
    assert ask(store, "zero")[0].document == "a"


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({"team": "payroll"}, {"gdansk"}),
        ({"team": "PAYROLL"}, set()),
        ({"year": 2025}, {"lisbon"}),
        ({"year": 2025.0}, {"lisbon"}),
        ({"year": "2025"}, set()),
        ({"rate": 2}, {"lisbon"}),
        ({"year": {"gt": 2024}}, {"lisbon", "halifax"}),
        ({"year": {"gte": 2024, "lt": 2026}}, {"gdansk", "lisbon"}),
        ({"year": {"lte": 2024}}, {"gdansk"}),
        ({"team": {"lt": "q"}}, {"gdansk", "halifax"}),
        ({"team": {"gt": 5}}, set()),
        ({"team": {"ne": "payroll"}}, {"lisbon", "halifax"}),
        ({"team": {"in": ["payroll", "travel", 7, True]}}, {"gdansk", "lisbon"}),
        ({"year": {"in": [2024, "2025"]}}, {"gdansk"}),
        ({"team": {"in": []}}, set()),
        ({"draft": True}, {"lisbon"}),
        ({"draft": False}, {"gdansk"}),
        ({"draft": 1}, {"halifax"}),
        ({"draft": {"ne": True}}, {"gdansk", "halifax"}),
        ({"draft": {"in": [True, False]}}, {"lisbon", "gdansk"}),
        ({"team lead": "Ines"}, {"halifax"}),
        ({"document": "lisbon"}, {"lisbon"}),
        ({"document": {"in": ["lisbon", "gdansk"]}}, {"lisbon", "gdansk"}),
        ({"document": {"ne": "lisbon"}}, set(OFFICES) - {"lisbon"}),
        ({"team": "payroll", "year": 2025}, set()),
    ],
)
@pytest.mark.parametrize("alpha", [0, 0.5, 1])
def test_filters(offices: Store, filters: dict[str, Any], found: set[str], alpha: float) -> None:
    assert set(ids(ask(offices, "office", alpha=alpha, filters=filters))) == found
    assert {id_ for id_, data in OFFICES.items() if holds(parse_filters(filters), id_, data)} == found


@pytest.mark.parametrize(
    ("bound", "asked", "found"),
    [
        ({"team": "payroll"}, {"team": "travel"}, set()),
        ({"team": "payroll"}, {"team": {"ne": "payroll"}}, set()),
        ({"team": "payroll"}, {"team": {"in": ["payroll", "travel"]}}, {"gdansk"}),
        ({"team": {"in": []}}, {"team": "travel"}, set()),
        ({"draft": True}, {"draft": 1}, set()),
        ({"document": "lisbon"}, {"document": {"gte": ""}}, {"lisbon"}),
        ({"year": {"gte": 2025}}, {"year": {"gte": 0}}, {"lisbon", "halifax"}),
    ],
)
@pytest.mark.parametrize("alpha", [0, 0.5, 1])
def test_conditions_of_one_field_all_hold_so_that_none_widens_another(
    offices: Store, bound: dict[str, Any], asked: dict[str, Any], found: set[str], alpha: float
) -> None:
    for both in ((*parse_filters(bound), *parse_filters(asked)), (*parse_filters(asked), *parse_filters(bound))):
        assert set(ids(ask(offices, "office", alpha=alpha, filters=both))) == found


@pytest.mark.parametrize(
    "value", ["' OR '1'='1", "payroll' --", 'x" OR 1=1', "%", "*", "payroll\x00", "$.team", "'; DROP TABLE collections"]
)
def test_filter_values_are_data(offices: Store, value: str) -> None:
    assert ask(offices, "office", filters={"team": value}) == []
    assert ask(offices, "office", filters={"document": {"in": [value]}}) == []
    assert len(ask(offices, "office")) == len(OFFICES)


def test_filter_finds_values_with_quotes(offices: Store) -> None:
    assert ids(ask(offices, "office", filters={"team": 'o\'brien "x"'})) == ["halifax"]


@pytest.mark.parametrize("field", ["nope", "team' OR 1=1 --", 'te"am', "$.team", "metadata", "id"])
def test_filter_on_an_unknown_field_is_an_error(offices: Store, field: str) -> None:
    with pytest.raises(StoreError, match="no document of handbook has a field"):
        ask(offices, "office", filters={field: "payroll"})


def test_filters_apply_before_the_legs_are_cut(store: Store) -> None:
    crowd = [indexed(f"d{number:03}", "bonfires bonfires", metadata={"team": "a"}) for number in range(150)]
    store.write([*crowd, indexed("z", "bonfires and much more", metadata={"team": "b"})], (), "v")
    for alpha in (0, 0.5, 1):
        assert ids(ask(store, "bonfires", k=1, alpha=alpha, filters={"team": "b"})) == ["z"]


@pytest.mark.parametrize(
    "id_", ["a'b", 'a"b', "a/../b.md", "a\nb", "x; DROP TABLE collections", "é東京", "%", "a" * 4000]
)
def test_ids_are_data(store: Store, id_: str) -> None:
    store.write([indexed(id_, "words"), indexed("other", "words")], (), "v1")
    assert set(ids(ask(store, "words"))) == {id_, "other"}
    store.write([], [id_], "v2")
    assert store.documents() == {"other": "1"}


@pytest.mark.parametrize("name", ["a'b", 'x"; DROP TABLE collections; --', "é"])
def test_collections_do_not_see_each_other(open_: OpenStore, store: Store, name: str) -> None:
    other = open_(name)
    assert other.state() is None
    other.reset(MADE_WITH)
    store.write([indexed("a", "secret words")], (), "v1")
    other.write([indexed("b", "other words")], (), "v2")
    assert ids(ask(store, "words")) == ["a"]
    assert ids(ask(other, "words")) == ["b"]
    assert other.vectors([indexed("a", "secret words").entries[0].key]) == {}
    other.reset(MADE_WITH)
    assert ids(ask(store, "words")) == ["a"]


def test_read_only_store_reads_and_refuses_to_write(open_: OpenStore, offices: Store) -> None:
    reader = open_(read_only=True)
    assert len(ask(reader, "office")) == len(OFFICES)
    with pytest.raises(StoreError, match="read-only"):
        reader.write([], ["gdansk"])
    with pytest.raises(StoreError, match="read-only"):
        reader.reset(MADE_WITH)


def test_what_one_writes_another_finds_at_once(open_: OpenStore, store: Store) -> None:
    reader = open_()
    store.write([indexed("a", "old")], (), "v1")
    assert ids(ask(reader, "old")) == ["a"]
    store.write([indexed("b", "new")], ["a"], "v2")
    assert ids(ask(reader, "old new")) == ["b"]


def test_closed_store_opens_again(offices: Store) -> None:
    offices.close()
    assert len(ask(offices, "office")) == len(OFFICES)
