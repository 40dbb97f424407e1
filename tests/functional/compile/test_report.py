"""What a run says about the questions that its program still answers wrongly."""

from __future__ import annotations

import re
from pathlib import Path

import ragc
from provider import Provider


def test_the_report_says_what_wrong_answers_were_made_from(hosted_project: Path, hosted_model: Provider) -> None:
    result = ragc.compile(project=hosted_project)
    assert result.compiled_test is not None
    wrong = [one for one in result.compiled_test.outcomes if one.score is None or one.score < 1]
    assert wrong
    page = (hosted_project / "compiled" / "allotments" / "report.html").read_text("utf-8")
    listed = page[page.index("Still wrong, on test") : page.index("Won and lost, on test")]
    assert f"answers {len(wrong)} of {len(result.compiled_test.outcomes)} questions" in listed
    for outcome in wrong:
        assert f"<code>{outcome.example}</code>" in listed
    assert "Model: it was given the evidence" in listed
    assert "100% of the evidence" in listed
    assert re.search(r"<li>[\w-]+\.md: \w", listed)
    assert f"{len(wrong)} of {len(result.compiled_test.outcomes)} test questions are not fully right" in (
        hosted_project / "compiled" / "allotments" / "card.md"
    ).read_text("utf-8")
