"""What a run's page says about the questions that its program still answers wrongly."""

from __future__ import annotations

from pathlib import Path

import ragc
from provider import Provider
from studies import Page


def test_the_report_says_what_wrong_answers_were_made_from(hosted_project: Path, hosted_model: Provider) -> None:
    result = ragc.compile(project=hosted_project)
    assert result.compiled_test is not None
    outcomes = result.compiled_test.outcomes
    wrong = [one for one in outcomes if one.score is None or one.score < 1]
    assert wrong
    folder = hosted_project / "compiled" / "allotments"
    page = Page((folder / "report.html").read_text("utf-8"))
    listed = page.section("Questions, on test", "Passages")
    for outcome in outcomes:
        assert outcome.example in listed
    assert "100% of the evidence" in listed
    links = {str(value).removeprefix("#") for name, value in page.attributes if name == "href"}
    assert {f"passage-{one}" for outcome in outcomes for one in outcome.passages} <= links
    for passage in wrong[0].given:
        assert passage.text in page.text
    said = f"{len(wrong)} of {len(outcomes)} test questions are not fully right"
    assert said in (folder / "card.md").read_text("utf-8")
