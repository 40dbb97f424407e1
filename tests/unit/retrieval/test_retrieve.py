"""Retrieve: a parameter of a program, bound to an index."""

from __future__ import annotations

import asyncio
import copy
import dataclasses
import json
from collections.abc import Callable
from typing import Any

import dspy
import pytest

from contract.stores import corpus_of
from ragc.errors import ConfigError, ExampleError, RagcError, StoreError
from ragc.retrieval import Index, Passages, Retrieve, bind
from ragc.retrieval._expand import expanded


class Inner(dspy.Module):  # type: ignore[misc]  # DSPy ships no types
    def __init__(self) -> None:
        super().__init__()
        self.retrieve = Retrieve(k=1)


class Program(dspy.Module):  # type: ignore[misc]  # DSPy ships no types
    def __init__(self) -> None:
        super().__init__()
        self.retrieve = Retrieve(k=2)
        self.inner = Inner()
        self.hops = [Retrieve(k=3)]
        self.answer = dspy.Predict("question -> answer")

    def forward(self, question: str) -> dspy.Prediction:
        return dspy.Prediction(passages=self.retrieve(question))


def test_is_a_parameter_and_no_module() -> None:
    program = Program()
    names = [name for name, _ in program.named_parameters()]
    assert names == ["retrieve", "inner.retrieve", "hops[0]", "answer"]
    assert [name for name, _ in program.named_predictors()] == ["answer"]
    assert not isinstance(program.retrieve, dspy.Module)


def test_returns_passages_with_the_version_of_the_corpus(filled: Index) -> None:
    retrieve = Retrieve(k=2)
    retrieve.bind(filled)
    found = retrieve("When are bonfires allowed?")
    assert isinstance(found, Passages)
    assert found[0].document == "bonfires.md"
    assert len(found) == 2
    assert found.corpus_version == filled.corpus_version is not None
    assert asyncio.run(retrieve.acall("When are bonfires allowed?")) == found


def test_unbound_call_says_what_to_do() -> None:
    with pytest.raises(StoreError, match=r"not bound to an index.*bind\(program, index\)"):
        Retrieve()("question")
    with pytest.raises(StoreError, match="not bound"):
        asyncio.run(Retrieve().acall("question"))


@pytest.mark.parametrize("query", [None, 7, ["question"]])
def test_query_that_is_no_text(filled: Index, query: Any) -> None:
    retrieve = Retrieve()
    retrieve.bind(filled)
    with pytest.raises(ExampleError, match="a question is text"):
        retrieve(query)


def test_bind_reaches_every_retrieve_of_a_program(filled: Index) -> None:
    program = Program()
    program.inner._compiled = True  # which DSPy leaves out of a program's parameters
    bind(program, filled)
    for retrieve, k in ((program.retrieve, 2), (program.inner.retrieve, 1), (program.hops[0], 3)):
        assert len(retrieve("leave")) == k


def test_copies_share_the_index_and_not_the_settings(filled: Index) -> None:
    program = Program()
    program.retrieve.filters = {"team": "people"}
    bind(program, filled)
    assert copy.deepcopy(filled) is filled
    for copied in (program.deepcopy(), program.reset_copy(), copy.deepcopy(program)):
        copied.retrieve.k = 1
        assert isinstance(copied.retrieve.filters, dict)
        copied.retrieve.filters["team"] = "others"
        assert len(program(question="leave").passages) == 2
        assert len(copied(question="leave").passages) == 0


def test_state_is_settings_and_survives_json() -> None:
    program, other = Program(), Program()
    program.retrieve = Retrieve(
        k=7,
        alpha=0.25,
        fetch_k=50,
        expand=2,
        max_tokens=400,
        filters={"year": {"gte": 2024}},
        reranker="cohere/rerank-v3.5",
    )
    state = json.loads(json.dumps(program.dump_state()))
    assert state["retrieve"] == {
        "k": 7,
        "alpha": 0.25,
        "fetch_k": 50,
        "reranker": "cohere/rerank-v3.5",
        "expand": 2,
        "max_tokens": 400,
        "filters": {"year": {"gte": 2024}},
    }
    other.load_state(state)
    assert repr(other.retrieve) == repr(program.retrieve)


def test_reset_and_loading_keep_settings_and_binding(filled: Index) -> None:
    retrieve = Retrieve(k=2)
    retrieve.bind(filled)
    retrieve.reset()
    assert retrieve.k == 2
    retrieve.load_state({"k": 1})
    assert len(retrieve("leave")) == 1


BAD: list[dict[str, Any]] = [
    {"k": 0},
    {"k": -1},
    {"k": 2.0},
    {"k": True},
    {"k": None},
    {"alpha": -0.1},
    {"alpha": 1.1},
    {"alpha": float("nan")},
    {"alpha": "0.5"},
    {"alpha": True},
    {"fetch_k": 0},
    {"reranker": "rerank-v3.5"},
    {"reranker": "jina/reranker-v2"},
    {"reranker": "cohere/"},
    {"reranker": True},
    {"max_tokens": 0},
    {"expand": -1},
    {"expand": 101},
    {"expand": 1.0},
    {"expand": True},
    {"expand": "documents"},
    {"expand": None},
    {"filters": {"team": {"like": "x"}}},
    {"filters": "team"},
]


@pytest.mark.parametrize("settings", BAD)
def test_settings_out_of_range_are_one_line_wherever_they_come_from(filled: Index, settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"^Retrieve: [^\n]+$"):
        Retrieve(**settings)
    retrieve = Retrieve()
    with pytest.raises(ConfigError, match=r"^Retrieve: "):
        retrieve.load_state(settings)
    assert repr(retrieve) == repr(Retrieve())
    retrieve.bind(filled)
    for name, value in settings.items():
        setattr(retrieve, name, value)
    with pytest.raises(ConfigError, match=r"^Retrieve: "):
        retrieve("leave")


def test_unknown_setting_in_a_state() -> None:
    with pytest.raises(ConfigError, match="unknown setting 'top_k'; known are k, alpha"):
        Retrieve().load_state({"top_k": 3})


def test_token_budget_drops_whole_passages_and_names_them(filled: Index) -> None:
    retrieve = Retrieve(k=3, max_tokens=20)
    retrieve.bind(filled, count_tokens=lambda text: len(text.split()))
    found = retrieve("bonfires")
    everything = Retrieve(k=3)
    everything.bind(filled)
    all_ids = [passage.id for passage in everything("bonfires")]
    assert 0 < len(found) < 3
    assert [*[passage.id for passage in found], *found.dropped] == all_ids
    assert everything("bonfires").dropped == ()


BOOK = "# Leave\n\nDays of leave.\n\n" + "".join(
    f"## Part {n}\n\n{text}\n\n"
    for n, text in enumerate(("Ask your manager.", "Bonfires in May.", "Rent is due.", "Keys are lost."))
)


@pytest.fixture
def book(index: Index) -> Index:
    index.update(corpus_of({"book.md": BOOK, "other.md": "# Bonfires\n\nBonfires in November."}))
    return index


def bound(index: Index, count: Callable[[str], int] | None = None, **settings: Any) -> Retrieve:
    retrieve = Retrieve(**{"alpha": 0.0, **settings})
    retrieve.bind(index, count)
    return retrieve


def retrieved(index: Index, **settings: Any) -> Passages:
    return bound(index, **settings)("bonfires")


def test_neighbours_stand_around_a_hit_with_ids_and_spans_of_their_own(book: Index) -> None:
    hits = retrieved(book, k=2)
    found = retrieved(book, k=2, expand=1)
    whole = {passage.id: passage for passage in book.passages(["book.md", "other.md"])}
    assert [passage.document for passage in hits] == ["other.md", "book.md"]
    assert [passage.text for passage in found] == [
        "Bonfires in November.",
        "Ask your manager.",
        "Bonfires in May.",
        "Rent is due.",
    ]
    assert found.added == (found[1].id, found[3].id)
    assert all((whole[one.id].start, whole[one.id].end) == (one.start, one.end) for one in found)
    assert [passage.score for passage in found] == [hits[0].score, 0.0, hits[1].score, 0.0]
    assert asyncio.run(bound(book, k=2, expand=1).acall("bonfires")) == found


def test_the_document_of_a_hit_is_added_whole_and_once(book: Index) -> None:
    found = retrieved(book, k=2, expand="document")
    assert [passage.document for passage in found] == ["other.md", *["book.md"] * 5]
    starts = [passage.start for passage in found[1:]]
    assert starts == sorted(starts)
    assert len({passage.id for passage in found}) == len(found)


def test_windows_that_meet_are_read_once(index: Index) -> None:
    parts = ("Bonfires in May.", "Rent is due.", "Bonfires in June.")
    index.update(corpus_of({"book.md": "".join(f"## {n}\n\n{part}\n\n" for n, part in enumerate(parts))}))
    found = retrieved(index, k=2, expand=1)
    assert sorted(passage.text for passage in found) == sorted(parts)
    assert len(found.added) == 1


def test_a_budget_drops_the_neighbours_of_the_worst_hit_first_and_no_hit_before_them(book: Index) -> None:
    everything = retrieved(book, k=2, expand="document")
    hits = {passage.id for passage in everything} - set(everything.added)
    sizes: list[int] = []
    for tokens in range(10, 80):
        retrieve = bound(book, lambda text: len(text.split()), k=2, expand="document", max_tokens=tokens)
        found = retrieve("bonfires")
        kept = {passage.id for passage in found}
        assert kept | set(found.dropped) == {passage.id for passage in everything}
        assert not kept - hits or hits <= kept
        sizes.append(len(found))
    assert sizes == sorted(sizes)
    assert sizes[-1] == len(everything)


def test_scores_of_a_hit_are_no_part_of_what_it_is(book: Index) -> None:
    [hit] = book.search("bonfires may", k=1)
    reranked = dataclasses.replace(hit, score=0.1, text_score=None, vector_score=None, rerank_score=0.1)
    assert len(expanded([reranked], 1, book.passages).passages) == 3


def test_a_document_that_changed_since_it_was_found_adds_nothing(book: Index) -> None:
    [hit] = book.search("bonfires may", k=1, alpha=0)
    assert hit.document == "book.md"
    book.update(corpus_of({"book.md": BOOK}, {"team": "board"}))
    assert expanded([hit], "document", book.passages).passages == (hit,)


def test_what_is_bound_cannot_be_widened(index: Index) -> None:
    own = corpus_of({"a.md": "salary of the payroll team"}, {"team": "payroll"})
    others = corpus_of({"b.md": "salary of the board"}, {"team": "board"})
    index.update(type(own)(own.documents + others.documents))
    for filters in (
        None,
        {"team": "board"},
        {"team": {"ne": "payroll"}},
        {"team": {"in": ["payroll", "board"]}},
        {"document": "b.md"},
    ):
        retrieve = Retrieve(filters=filters)
        retrieve.bind(index, filters={"team": "payroll"})
        for question in ("salary of the board", 'team:board OR "board"', "b.md"):
            assert {passage.document for passage in retrieve(question)} <= {"a.md"}


def test_state_cannot_carry_what_is_bound(filled: Index) -> None:
    retrieve = Retrieve()
    retrieve.bind(filled, filters={"team": "nobody"})
    assert retrieve.dump_state()["filters"] is None
    retrieve.load_state({"filters": None})
    retrieve.reset()
    assert copy.deepcopy(retrieve)("leave") == retrieve("leave")
    assert len(retrieve("leave")) == 0


def test_errors_of_a_search_are_ragcs_own(filled: Index) -> None:
    retrieve = Retrieve(filters={"nope": 1})
    retrieve.bind(filled)
    with pytest.raises(RagcError, match="no document of handbook has a field 'nope'"):
        retrieve("leave")
