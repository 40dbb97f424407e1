"""How much of a run's input came from the provider's prompt cache."""

from __future__ import annotations

import json
from pathlib import Path

from conftest import RunRagc
from provider import Answer, Asked, Provider, Tokens


def test_the_share_of_cached_input_is_told(hosted_project: Path, hosted_model: Provider, run_ragc: RunRagc) -> None:
    script = hosted_model.script

    def cached(asked: Asked) -> Answer:
        said = script(asked)
        return Answer(said if isinstance(said, str) else said.text, usage=Tokens(1000, 10, cached=800))

    hosted_model.script = cached
    done = run_ragc("compile", "--json", cwd=hosted_project)
    assert done.returncode == 0, done.stderr
    cost = json.loads(done.stdout)["cost"]
    assert cost["cached_input_tokens"] == 0.8 * cost["input_tokens"] == 800 * cost["calls"]
    assert "(80% of the input cached)" in done.stderr
    manifest = json.loads((hosted_project / "compiled" / "allotments" / "manifest.json").read_text("utf-8"))
    assert manifest["identity"]["cost"]["cached_input_tokens"] == cost["cached_input_tokens"]
