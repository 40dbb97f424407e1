"""The HTML page of a study."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import re
from typing import Any

import pytest

from ragc.report import Answer, Arm, Difference, Question, Source, Step, Study, Tried, first_steps, render, usd, write
from ragc.report._html import element
from studies import Page, asked, make_study

HOSTILE = "</pre></script><script>alert(1)</script> <img src=x onerror=alert(1)>"


def page_of(**parts: Any) -> Page:
    return Page(render(make_study(**parts)))


def test_the_first_screen_says_verdict_interval_cost_and_what_to_do() -> None:
    page = page_of()
    first = page.section("plain", "Difference to rag")
    for expected in ("Better", "+11.7 points on 150 questions", "$0.01", "What to do first", "use compiled"):
        assert expected in first
    assert "Difference +11.7 points, 95% interval +6.9 to +16.3" in page.labels


def test_every_arm_has_its_difference_its_figures_and_its_slices() -> None:
    page = page_of()
    differences = page.section("Difference to rag", "Figures")
    assert "compiled+11.7+6.9 to +16.3< .001better" in differences
    assert "closed book-2.0-9.0 to +5.0.500not shown" in differences
    assert "gain of 9 points with 80% power" in differences
    assert "answer_f117.929.616.0its 95% interval–25.0 to 34.0–" in page.section("Figures", "Quality against cost")
    assert "direct217.929.616.0" in page.section("By slice", "The search")


def test_quality_stands_against_cost_with_the_front_joined() -> None:
    page = page_of()
    said = next(label for label in page.labels if label.startswith("Score over"))
    assert said == (
        "Score over USD a question. 1 rag: score 17.9 at 0.002; 2 compiled: score 29.6 at 0.004; "
        "3 closed book: score 16.0 at 0.003"
    )
    drawn = page.html[page.html.index("Quality against cost") : page.html.index("Retrieval and answer")]
    assert drawn.count('class="middle"') == 2
    assert drawn.count('class="other"') == 1
    assert len(re.findall(r'points="([^"]*)" class="front"', drawn)[0].split()) == 2


def test_without_prices_cost_is_counted_in_tokens() -> None:
    arms = tuple(
        Arm(name=name, figures={"score": score, "usd_per_question": 0.0, "input_tokens_per_question": tokens})
        for name, score, tokens in (("rag", 0.2, 300), ("compiled", 0.3, 1000))
    )
    assert any(label.startswith("Score over input tokens a question") for label in page_of(arms=arms).labels)


def test_the_course_of_the_search_follows_the_best_eligible_candidate() -> None:
    page = page_of()
    assert any(label.endswith("baseline 18.0, bootstrap <1> 27.0, bootstrap 2 50.0") for label in page.labels)
    table = page.section("The search, on validation", "Questions, on test")
    assert table.endswith("bootstrap 2: over the limits")
    assert "candidatekscore" in table, "what is the same everywhere is no column"
    assert "<strong>bootstrap &lt;1&gt;</strong>" in page.html
    assert "<strong>bootstrap 2</strong>" not in page.html


def test_retrieval_is_crossed_with_the_answer_and_failures_are_named() -> None:
    page = page_of()
    crossed = page.section("Retrieval and answer", "What went wrong")
    assert "compiledrightwrongevidence found11evidence missed00" in crossed
    wrong = page.section("What went wrong", "By slice")
    assert "misread200" in wrong
    assert "The answer stands in no passage that was given." in wrong


def test_questions_stand_with_both_answers_and_the_passages_they_link_to() -> None:
    page = page_of()
    questions = page.section("Questions, on test", "What the model is told")
    assert "compiled against rag: 1 won, 1 lost, 0 the same, 1 with an error." in questions
    assert questions.index("What of lost?") < questions.index("What of failed?"), "what was lost comes first"
    for expected in ("rag says lost", "compiled says lost", "error: scripted: reset", "100% of the evidence"):
        assert expected in questions
    assert "supports the answer" in questions
    assert "A deposit of five pounds." in questions
    links = {value for name, value in page.attributes if name == "href"}
    ids = {value for name, value in page.attributes if name == "id"}
    assert {str(link).removeprefix("#") for link in links} <= ids


def test_a_filter_finds_outcome_slice_and_failure_in_the_page() -> None:
    attributes = page_of().attributes
    found = {name: {value for one, value in attributes if one == name} for name in ("data-outcome", "data-modes")}
    assert found == {
        "data-outcome": {"won", "lost", "error"},
        "data-modes": {"misread", "unsupported", "error|misread"},
    }


def test_the_page_loads_nothing_and_runs_one_script_that_it_names() -> None:
    page = page_of()
    assert not {"link", "img", "iframe", "object", "base"} & set(page.tags)
    assert not [name for name, _ in page.attributes if name.startswith("on") or name in ("src", "style", "action")]
    assert all(str(value).startswith("#") for name, value in page.attributes if name == "href")
    scripts = re.findall("<script>(.*?)</script>", page.html, re.DOTALL)
    assert len(scripts) == 1
    digest = base64.b64encode(hashlib.sha256(scripts[0].encode()).digest()).decode()
    policy = next(value for name, value in page.attributes if value and value.startswith("default-src"))
    assert policy == f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    for wanted in ("prefers-color-scheme: dark", "@media print", "@media (max-width"):
        assert wanted in page.html
    assert "@import" not in page.html
    assert "url(" not in page.html


def test_no_text_becomes_markup() -> None:
    def hostile(value: Any) -> Any:
        if isinstance(value, str):
            return HOSTILE
        if isinstance(value, dict):
            return {key: hostile(item) for key, item in value.items()}
        if isinstance(value, tuple):
            return tuple(map(hostile, value))
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            kept = (
                {"name", "mode", "given", "id", "slices"}
                if isinstance(value, Arm | Answer | Question | Source)
                else set()
            )
            return dataclasses.replace(
                value,
                **{f.name: hostile(getattr(value, f.name)) for f in dataclasses.fields(value) if f.name not in kept},
            )
        return value

    study = make_study()
    parts = {
        one.name: hostile(getattr(study, one.name))
        for one in dataclasses.fields(study)
        if one.name not in ("baseline", "subject")
    }
    arms = (*parts["arms"], Arm(name=HOSTILE, figures={"score": 0.5}, note=HOSTILE))
    answered = {HOSTILE: Answer(text=HOSTILE, score=0.0, mode=HOSTILE, error=HOSTILE, passages=(HOSTILE,))}
    asked_ = Question(id=HOSTILE, question=HOSTILE, answers=(HOSTILE,), slice=HOSTILE, doubt=HOSTILE, given=answered)
    page = Page(render(Study(**{**parts, "baseline": "rag", "subject": HOSTILE, "arms": arms, "questions": (asked_,)})))
    assert page.tags.count("script") == 1
    assert "img" not in page.tags
    assert page.text.count("<script>alert(1)</script>") >= 15


def test_a_key_in_any_text_is_taken_out(monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "sk-planted-1234567890"
    monkeypatch.setenv("OPENAI_API_KEY", secret)
    html = render(
        make_study(
            questions=(asked("one", {"rag": 0.0}, doubt=f"it is {secret}"),),
            sources=(Source(id="p1", place="a", text=f"the key {secret}"),),
            configuration=((secret, secret),),
            search=(Tried(label=secret, score=0.1), Tried(label="b", score=0.2, settings={"x": secret})),
        )
    )
    assert secret not in html
    assert html.count("***") >= 4


def test_what_to_do_follows_from_what_goes_wrong_most() -> None:
    modes = ["retrieval miss"] * 30 + ["misread"] * 20 + ["error"] * 2
    questions = tuple(
        asked(f"q{n}", {"compiled": 0.0 if n < len(modes) else 1.0}, {"compiled": modes[n]} if n < len(modes) else {})
        for n in range(100)
    )
    steps = first_steps(make_study(questions=questions))
    assert [step.who for step in steps] == ["Whoever deploys it", "Whoever owns retrieval", "Whoever chooses the model"]
    assert "ragc eval plain --retrieval" in steps[1].what
    assert "30 questions of 100" in steps[1].what


def test_a_study_without_a_test_is_a_page_still() -> None:
    page = page_of(arms=(Arm(name="rag"), Arm(name="compiled")), questions=(), sources=(), search=(), word="not tested")
    assert "Not tested" in page.text
    assert "Nothing was measured." in page.text
    assert "Questions, on test" not in page.text


def test_a_difference_without_an_interval_has_no_drawing() -> None:
    few = Difference(verdict="not shown", difference=0.02)
    arms = (Arm(name="rag"), Arm(name="compiled", difference=few))
    page = page_of(arms=arms)
    assert not [label for label in page.labels if label.startswith("Difference")]
    assert "compiled+2.0––not shown" in page.text


def test_figures_are_written_for_people() -> None:
    assert [usd(value) for value in (0, 12.345, 0.0123, 0.00012, 0.0000012)] == [
        "$0.00", "$12.35", "$0.012", "$0.00012", "$1.2e-06",
    ]  # fmt: skip
    assert [write(0.0414, "seconds"), write(12.34, "seconds"), write(None, "points")] == ["41 ms", "12.3 s", "–"]
    assert [write(0.0004, "p"), write(0.0314, "p"), write(1.0, "p")] == ["< .001", ".031", "1.000"]


def test_an_element_escapes_what_is_no_element() -> None:
    assert (
        element("p", "<b>", element("i", "&"), [None, 1], title='"') == '<p title="&quot;">&lt;b&gt;<i>&amp;</i>1</p>'
    )


def test_a_step_shows_its_code() -> None:
    page = page_of(first=(Step(who="Whoever", what="type `ragc <x>` now"),))
    assert "<strong>Whoever: </strong>type <code>ragc &lt;x&gt;</code> now." in page.html
