"""card.md, report.html and the glance of `ragc show`."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ragc.artifact import Candidate, Content, Sealed, glance, is_tested, replaces, seal, tried_settings
from ragc.report import Answer, Question
from studies import Page

MakeContent = Callable[..., Content]

HOSTILE = "</pre></script><script>alert(1)</script>\n```\n# heading\n| a | <img src=x onerror=alert(1)>"


def page_of(sealed: Sealed) -> Page:
    return Page((sealed.path / "report.html").read_text("utf-8"))


def test_the_report_says_verdict_figures_and_questions(sealed: Sealed) -> None:
    text = page_of(sealed).text
    for expected in (
        "Better",
        "+11.7 points",
        "17.9",
        "29.6",
        "bootstrap <2>",
        "latency_p95 2.1 s > 1 s",
        "$0.012",
        "What is <script>",
    ):
        assert expected in text
    assert text.index("Better") < text.index("Figures") < text.index("1 won, 0 lost") < text.index("Configuration")


def test_card_and_report_say_how_much_of_the_input_was_cached(root: Path, content: MakeContent) -> None:
    def shown(cost: dict[str, Any]) -> list[str]:
        sealed = seal(content(cost=cost), root / "compiled" / "plain")
        return [page_of(sealed).text, (sealed.path / "card.md").read_text("utf-8")]

    cost = {"usd": 0.01, "calls": 64, "input_tokens": 1000, "output_tokens": 20}
    assert not any("cached" in page for page in shown({**cost, "cached_input_tokens": 0}))
    for page in shown({**cost, "cached_input_tokens": 610}):
        assert "1,000 input and 20 output tokens (61% of the input cached)" in page


def test_card_and_glance_count_what_is_still_wrong(root: Path, content: MakeContent) -> None:
    scores = {"q1": 1.0, "q2": 0.4, "q3": None}
    sealed = seal(
        content(
            scores={"test": {"baseline": scores, "compiled": scores}},
            results={**content().results, "modes": {"compiled": {"retrieval miss": 1, "error": 1}, "baseline": {}}},
        ),
        root / "compiled" / "plain",
    )
    assert "2 of 3 test questions are not fully right; report.html lists them" in (sealed.path / "card.md").read_text(
        "utf-8"
    )
    rows = {row[0]: row[1:] for row in glance(sealed.path).rows}
    assert rows["report"][1] == "lists the 2 of 3 test questions not fully right"
    assert rows["wrong"] == ("   1  retrieval miss", "   1  error")


def test_where_the_baseline_is_sealed_the_page_is_about_it(root: Path, content: MakeContent) -> None:
    given = {"baseline": Answer(text="six", score=0.0, mode="misread"), "compiled": Answer(text="five", score=1.0)}
    questions = tuple(Question(id=f"q{n}", question="?", answers=("five",), given=given) for n in range(3))
    texts = [
        page_of(seal(content(questions=questions, sealed=sealed), root / "compiled" / "plain")).text
        for sealed in ("baseline", "candidate")
    ]
    assert ["misread, 3 questions of 3" in text for text in texts] == [True, False]
    assert "compiled against baseline: 3 won" in texts[1]


def test_candidates_stand_beside_the_baseline_with_what_differs(root: Path, content: MakeContent) -> None:
    tried = [
        Candidate(label=f"bootstrap {number}", score=0.2, n=3, settings={"k": k, "alpha": 0.5, "demonstrations": demos})
        for number, (k, demos) in enumerate([(1, 4), (3, 4)], 1)
    ]
    baseline = {"k": 3, "alpha": 0.5, "demonstrations": 0}

    def table(**parts: Any) -> str:
        text = page_of(seal(content(candidates=tuple(tried), **parts), root / "compiled" / "plain")).text
        return text[text.index("candidatek") : text.index("Questions, on test")]

    assert table(baseline_settings=baseline).startswith(
        "candidatekdemonstrationsscorequestionserrorsUSD a questionlatency p95"
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
            metric=HOSTILE,
            model={"model": HOSTILE, "provider": None, "revision": None},
        ),
        root / "compiled" / "plain",
    )


def test_a_text_cannot_become_markup_in_the_report(hostile: Sealed) -> None:
    page = page_of(hostile)
    assert page.tags.count("script") == 1, "the page's own"
    assert "img" not in page.tags
    assert page.text.count("<script>alert(1)</script>") >= 5


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
