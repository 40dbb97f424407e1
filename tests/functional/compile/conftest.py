"""A project whose model is the scripted hosted one: it knows some answers, and more once demonstrations are shown."""

from __future__ import annotations

import json
import random
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from provider import Asked, Provider, Script, fields

KEY = "sk-scripted-0123456789abcdef"


def examples_of(root: Path) -> list[dict[str, Any]]:
    """The small project's labelled questions."""
    lines = (root / "data" / "allotments" / "examples.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]


def learner(root: Path, *, plain: float = 0.3, shown: float = 0.8) -> Script:
    """A script that knows a share `plain` of the answers, and a share `shown` of them with demonstrations."""
    examples = examples_of(root)

    def script(asked: Asked) -> str:
        last = asked.text
        for example in examples:
            if example["question"] in last:
                luck = random.Random(example["id"]).random()
                if luck < (shown if len(asked.messages) > 2 else plain):
                    return fields(answer=(example["answers"] or ["The documents do not say."])[0])
        return fields(answer="a guess of no use")

    return script


def use_model(root: Path, model: Provider, *, tracking: str = "off", price: bool = True) -> None:
    """Make the project's configuration name the hosted model, with its key in OUR_KEY."""
    file = root / "pyproject.toml"
    more = ", max_tokens = 256" + (", price = { input = 1.0, output = 2.0 }" if price else "")
    table = f'lm = {{ model = "openai/scripted", base_url = "{model.base_url}", api_key_env = "OUR_KEY"{more} }}'
    text = file.read_text("utf-8").replace('lm = "local/smollm2-135m-instruct"', table)
    file.write_text(text.replace('tracking = "off"', f'tracking = "{tracking}"'), "utf-8")


def configure(root: Path, before: str, after: str) -> None:
    """Change one thing in the project's configuration."""
    file = root / "pyproject.toml"
    text = file.read_text("utf-8")
    if before not in text:
        raise LookupError(before)
    file.write_text(text.replace(before, after), "utf-8")


def heed_interrupts() -> None:
    """Let SIGINT interrupt again: what a shell starts in its background, and what that starts, ignores it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def interruptible() -> Iterator[None]:
    """A test process that Ctrl-C interrupts, wherever the tests were started."""
    before = signal.getsignal(signal.SIGINT)
    heed_interrupts()
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def hosted_project(project: Path, hosted_model: Provider, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The small project with the hosted model, which learns from demonstrations."""
    hosted_model.script = learner(project)
    use_model(project, hosted_model)
    monkeypatch.setenv("OUR_KEY", KEY)
    return project
