"""A project whose answers a scripted model judges: enough questions outside the test split to calibrate it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from provider import Asked, Provider, fields

KEY = "sk-scripted-0123456789abcdef"


def examples_of(root: Path) -> list[dict[str, Any]]:
    lines = (root / "data" / "allotments" / "examples.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]


def answers_and_judges(root: Path) -> Any:
    """A script that answers every question with its label and a little more, and judges half of the answers right."""
    examples = examples_of(root)

    def script(asked: Asked) -> str:
        if "references" in asked.text:
            value = "all" if sum(map(ord, asked.text.partition("## answer ## ]]")[2][:40])) % 2 else "some"
            return fields(reasoning="it says more", recall=value, precision=value)
        for example in examples:
            if example["question"] in asked.text:
                return fields(answer=f"{(example['answers'] or ['It is'])[0]} or thereabouts")
        return fields(answer="a guess")

    return script


@pytest.fixture
def judged_project(project: Path, hosted_model: Provider, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The small project with a hosted model and a judge, semantic F1, and 4 test questions of 40."""
    hosted_model.script = answers_and_judges(project)
    monkeypatch.setenv("OUR_KEY", KEY)

    def table(key: str, model: str) -> str:
        place = f'base_url = "{hosted_model.base_url}", api_key_env = "OUR_KEY", max_tokens = 256'
        return f'{key} = {{ model = "openai/{model}", {place}, price = {{ input = 1.0, output = 2.0 }} }}'

    file = project / "pyproject.toml"
    text = file.read_text("utf-8").replace(
        'lm = "local/smollm2-135m-instruct"', f"{table('lm', 'scripted')}\n{table('judge', 'gpt-judge')}"
    )
    file.write_text(text.replace('"answer_f1"', '"semantic_f1"'), "utf-8")
    lines = examples_of(project)
    for number, line in enumerate(lines):
        line["split"] = "test" if number % 10 == 0 else "train" if number % 2 else "validation"
    (project / "data" / "allotments" / "examples.jsonl").write_text(
        "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), "utf-8"
    )
    return project
