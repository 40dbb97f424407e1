"""`ragc compile --dry-run --exact`: the provider counts the tokens of the first prompts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import ragc
from conftest import RunRagc
from provider import Answer, Provider, always
from ragc.compiler import Warned
from ragc.errors import ConfigError


def test_the_first_five_prompts_are_counted_and_nothing_is_asked(
    hosted_project: Path, hosted_model: Provider, run_ragc: RunRagc
) -> None:
    done = run_ragc("compile", "--dry-run", "--exact", "--json", cwd=hosted_project)
    assert done.returncode == 0, done.stderr
    assert [asked.endpoint for asked in hosted_model.requests] == ["count"] * 5
    estimate = json.loads(done.stdout)["estimate"]
    assert estimate["exact"] and not estimate["observed"]
    inputs = sum(asked.tokens for asked in hosted_model.requests) / 5
    assert estimate["tokens"][0] == pytest.approx(estimate["runs"] * (inputs + 256), abs=estimate["runs"])
    assert "their tokens counted exactly" in done.stderr


def test_where_nothing_is_counted_the_estimate_stays_and_says_so(hosted_project: Path, hosted_model: Provider) -> None:
    hosted_model.faults = always(lambda asked, answer: Answer(status=404))
    warned: list[str] = []
    result = ragc.compile(
        project=hosted_project,
        dry_run=True,
        exact=True,
        on_event=lambda event: warned.append(event.text) if isinstance(event, Warned) else None,
    )
    assert not result.estimate.exact
    assert any("counts no tokens" in text and text.endswith("four bytes to a token") for text in warned)
    assert result.estimate.tokens == ragc.compile(project=hosted_project, dry_run=True).estimate.tokens


def test_exact_without_a_dry_run_is_refused(hosted_project: Path, hosted_model: Provider) -> None:
    with pytest.raises(ConfigError, match="--dry-run --exact"):
        ragc.compile(project=hosted_project, exact=True)
    assert hosted_model.requests == []


def test_a_dry_run_sends_nothing_for_a_model_that_the_program_chose_itself(
    hosted_project: Path, hosted_model: Provider
) -> None:
    file = hosted_project / "programs" / "grounded.py"
    own = f'dspy.LM("openai/own", api_key="none", api_base="{hosted_model.base_url}", cache=False)'
    text = file.read_text("utf-8").replace(
        "        passages = self.retrieve(question)\n",
        "        passages = self.retrieve(question)\n"
        f"        with dspy.context(lm={own}):\n"
        "            dspy.Predict('question -> answer')(question=question)\n",
        1,
    )
    file.write_text(text, "utf-8")
    before = ragc.compile(project=hosted_project, dry_run=True).estimate
    assert hosted_model.requests == []
    assert before.tokens[0] > 0
