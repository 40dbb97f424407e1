"""card.md, report.html and the glance of `ragc show`."""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from ragc.artifact import Candidate, Content, Question, Sealed, glance, is_tested, replaces, seal, tried_settings
from ragc.artifact._figures import usd, write
from ragc.artifact._html import element

MakeContent = Callable[..., Content]

HOSTILE = "</pre></script><script>alert(1)</script>\n```\n# heading\n| a | <img src=x onerror=alert(1)>"


class Page(HTMLParser):
    """Tags, attributes and text of a page, and whether every element is closed."""

    VOID = frozenset({"meta"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def page_of(sealed: Sealed) -> Page:
    return Page((sealed.path / "report.html").read_text("utf-8"))


def test_the_report_says_verdict_figures_and_questions(sealed: Sealed) -> None:
    text = page_of(sealed).text
    for expected in ("Better", "+11.7 points", "17.9", "29.6", "bootstrap <2>", "over the limits", "$0.012", "Won (1)"):
        assert expected in text
    assert text.index("Better") < text.index("Figures") < text.index("Won (1)") < text.index("Configuration")


def test_card_and_report_say_how_much_of_the_input_was_cached(root: Path, content: MakeContent) -> None:
    def shown(cost: dict[str, Any]) -> list[str]:
        sealed = seal(content(cost=cost), root / "compiled" / "plain")
        return [page_of(sealed).text, (sealed.path / "card.md").read_text("utf-8")]

    cost = {"usd": 0.01, "calls": 64, "input_tokens": 1000, "output_tokens": 20}
    assert not any("cached" in page for page in shown({**cost, "cached_input_tokens": 0}))
    for page in shown({**cost, "cached_input_tokens": 610}):
        assert "1,000 input and 20 output tokens (61% of the input cached)" in page


def test_the_report_is_self_contained_and_runs_nothing(sealed: Sealed) -> None:
    page = page_of(sealed)
    assert not {"script", "link", "img", "iframe", "object", "form", "base"} & set(page.tags)
    assert not [name for name, _ in page.attributes if name.startswith("on") or name in ("src", "href", "style")]
    html = (sealed.path / "report.html").read_text("utf-8")
    assert "default-src 'none'" in html
    assert "@import" not in html
    assert "url(" not in html
    assert "prefers-color-scheme: dark" in html
    assert "@media print" in html


def answered(id: str, score: float | None, *, answers: tuple[str, ...] = ("five",), **more: Any) -> Question:
    """A test question that the sealed program answered."""
    return Question(
        id=id,
        question=f"What of {id}?",
        answers=answers,
        baseline="six",
        baseline_score=0.0,
        compiled=None if score is None else f"answer {id}",
        compiled_score=score,
        **more,
    )


def test_the_report_lists_what_is_still_wrong_by_what_is_at_fault(root: Path, content: MakeContent) -> None:
    questions = (
        answered("right", 1.0),
        answered("unretrieved", 0.0, recall=0.0, sources=("fees.md: Fees > Deposits", "keys.md: Keys")),
        answered("half", 0.4, recall=0.5, sources=("fees.md: Fees",)),
        answered("misread", 0.0, recall=1.0, sources=("rent.md: Rent",)),
        answered("unanswerable", 0.0, answers=(), sources=("rent.md: Rent",)),
        answered("unlabelled", 0.0),
        answered("stale", 0.0, recall=0.0, doubt='"five" stands in no document'),
        answered("failed", None, error="scripted: too long"),
    )
    scores = {question.id: question.compiled_score for question in questions}
    sealed = seal(
        content(questions=questions, scores={"test": {"baseline": scores, "compiled": scores}}),
        root / "compiled" / "plain",
    )
    text = page_of(sealed).text
    wrong = text[text.index("Still wrong, on test") : text.index("Won and lost, on test")]
    assert (
        "answers 7 of 8 questions below 100 points; 1 of them has a label that the documents no longer support, and the"
        " program is not at fault."
    ) in wrong
    assert "What of right?" not in wrong
    for title, texts in {
        "Retrieval: evidence was not among the passages (2)": ("fees.md: Fees > Deposits", "0% of the evidence", "50%"),
        "Model: it was given the evidence (1)": ("What of misread?", "answer misread", "100% of the evidence"),
        "Answered what the corpus does not know (1)": ("What of unanswerable?", "should say so"),
        "Label in doubt": ("What of stale?", '"five" stands in no document'),
        "Either may be at fault": ("What of unlabelled?",),
        "Errors (1)": ("What of failed?", "scripted: too long"),
    }.items():
        position = wrong.index(title)
        assert all(wrong.index(one, position) for one in texts)
    said = "7 of 8 test questions are not fully right; report.html lists them"
    assert said in (sealed.path / "card.md").read_text("utf-8")
    rows = {row[0]: row[1:] for row in glance(sealed.path).rows}
    assert rows["report"][1] == "lists the 7 of 8 test questions not fully right"


def test_where_the_baseline_is_sealed_its_answers_are_what_is_wrong(root: Path, content: MakeContent) -> None:
    questions = (answered("one", 1.0),)
    sealed = seal(content(questions=questions, sealed="baseline"), root / "compiled" / "plain")
    text = page_of(sealed).text
    assert "answers 1 of 1 questions below" in text
    assert text.index("six") < text.index("Won and lost")


def test_candidates_stand_beside_the_baseline_with_what_differs(root: Path, content: MakeContent) -> None:
    tried = [
        Candidate(label=f"bootstrap {number}", score=0.2, n=3, settings={"k": k, "alpha": 0.5, "demonstrations": demos})
        for number, (k, demos) in enumerate([(1, 4), (3, 4)], 1)
    ]
    baseline = {"k": 3, "alpha": 0.5, "demonstrations": 0}

    def table(**parts: Any) -> str:
        text = page_of(seal(content(candidates=tuple(tried), **parts), root / "compiled" / "plain")).text
        return text[text.index("Candidates, on validation") : text.index("What the model is told")]

    assert table(baseline_settings=baseline).startswith(
        "Candidates, on validationcandidatekdemonstrationsscorequestionserrorsUSD a questionlatency p95"
        "baseline3018.431–128 ms" "bootstrap 114" "20.030––" "bootstrap 234" "20.030––"
    )  # fmt: skip
    assert "candidatekscore" in table(), "without the baseline's settings, what differs between candidates"


def test_what_an_optimizer_varied_is_read_from_the_state() -> None:
    signature: dict[str, Any] = {"signature": {"instructions": ""}}
    retrieve = {"k": 3, "alpha": 0.5}
    assert tried_settings({"retrieve": retrieve, "respond": {**signature, "demos": [{}, {}]}}) == {
        "k": 3,
        "alpha": 0.5,
        "demonstrations": 2,
    }
    hops = {
        "first": retrieve,
        "second": {**retrieve, "k": 1},
        "ask": signature,
        "respond": {**signature, "demos": [{}]},
    }
    assert tried_settings(hops) == {
        **{"first.k": 3, "first.alpha": 0.5, "second.k": 1, "second.alpha": 0.5},
        **{"ask.demonstrations": 0, "respond.demonstrations": 1},
    }


@pytest.fixture
def hostile(root: Path, content: MakeContent) -> Sealed:
    """An artifact in which every text that comes from data or a model tries to be markup."""
    state = content().state["answer"]
    signature = {**state["signature"], "instructions": HOSTILE}
    return seal(
        content(
            state={"answer": {**state, "signature": signature, "demos": [{"question": HOSTILE, HOSTILE: HOSTILE}]}},
            questions=(
                Question(
                    id=HOSTILE,
                    question=HOSTILE,
                    answers=(HOSTILE,),
                    slice=HOSTILE,
                    baseline=HOSTILE,
                    compiled=HOSTILE,
                    baseline_score=0.0,
                    compiled_score=0.5,
                    sources=(HOSTILE,),
                    recall=0.5,
                ),
            ),
            metric=HOSTILE,
            model={"model": HOSTILE, "provider": None, "revision": None},
        ),
        root / "compiled" / "plain",
    )


def test_a_text_cannot_become_markup_in_the_report(hostile: Sealed) -> None:
    page = page_of(hostile)
    assert "script" not in page.tags
    assert "img" not in page.tags
    assert page.text.count("<script>alert(1)</script>") >= 10


def test_a_text_cannot_become_markup_in_the_card(hostile: Sealed) -> None:
    card = (hostile.path / "card.md").read_text("utf-8")
    fence = ""
    outside = []
    for line in card.splitlines():
        mark = re.match(r"`{3,}", line)
        if mark and not fence:
            fence = mark[0]
        elif line == fence:
            fence = ""
        elif not fence:
            outside.append(line)
    assert fence == ""
    assert not [line for line in outside if re.search(r"(?<!\\)<", line)]
    assert "# heading" not in outside


def test_the_card_says_how_to_use_it(sealed: Sealed) -> None:
    card = (sealed.path / "card.md").read_text("utf-8")
    assert f"# plain {sealed.id[:8]}" in card
    assert "from compiled import plain" in card
    assert "| score | 17.9 | 29.6 |" in card
    assert "question: What is <b>1 + 1</b>?" in card


def test_a_run_that_was_not_tested_says_so(root: Path, content: MakeContent) -> None:
    nothing: dict[str, Any] = {"baseline": None, "compiled": None}
    sealed = seal(
        content(
            verdict={"word": "not tested", "sentence": ""},
            sealed="baseline",
            results={"validation": nothing, "test": nothing, "detectable_gain": None},
            candidates=(),
            questions=(),
            optimizer=None,
            built={"stopped": "budget"},
        ),
        root / "compiled" / "plain",
    )
    text = page_of(sealed).text
    assert "Not tested" in text
    assert "The run ended early: the budget ran out" in text
    rows = {row[0]: row[1:] for row in glance(sealed.path).rows}
    assert rows["verdict"][0] == "Not tested: the test split was not opened."
    assert "This artifact is the program before compiling" in rows["verdict"][1]
    assert "figures" not in rows


def test_a_glance_has_the_figures(sealed: Sealed) -> None:
    seen = glance(sealed.path)
    rows = {row[0]: row[1:] for row in seen.rows}
    assert rows["figures"] == (
        "baseline → compiled             test       validation",
        "answer_f1                17.9 → 29.6      18.4 → 31.0",
        "questions                      3 → 3            3 → 3",
        "errors                         1 → 1            1 → 1",
        "latency p95          128 ms → 128 ms  128 ms → 128 ms",
    )
    assert rows["slices"][0] == "direct   17.9 →  29.6   of 2"
    assert seen.details["id"] == sealed.id
    assert seen.details["state"]["answer"]["demos"]


def test_a_seal_can_say_what_it_will_replace(root: Path, content: MakeContent, sealed: Sealed) -> None:
    assert replaces(sealed.path) == f"replaces {sealed.id[:8]} (better, +11.7)"
    assert is_tested(sealed.path)

    untested = seal(content(verdict={"word": "not tested", "sentence": ""}), sealed.path)
    assert replaces(sealed.path) == f"replaces {untested.id[:8]} (not tested)"
    assert not is_tested(sealed.path)

    (sealed.path / "state.json").write_text("{}")
    assert replaces(sealed.path) == "replaces an artifact that was touched"
    assert not is_tested(sealed.path)

    assert replaces(root / "compiled" / "other") is None
    assert not is_tested(root / "compiled" / "other")


def test_figures_are_written_for_people() -> None:
    assert [usd(value) for value in (0, 12.345, 0.0123, 0.00012, 0.0000012)] == [
        "$0.00", "$12.35", "$0.012", "$0.00012", "$1.2e-06",
    ]  # fmt: skip
    assert [write(0.0414, "seconds"), write(12.34, "seconds"), write(None, "points")] == ["41 ms", "12.3 s", "–"]


def test_an_element_escapes_what_is_no_element() -> None:
    assert (
        element("p", "<b>", element("i", "&"), [None, 1], title='"') == '<p title="&quot;">&lt;b&gt;<i>&amp;</i>1</p>'
    )
