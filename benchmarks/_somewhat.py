"""A scripted model that knows some of the handbook's answers, and more of them with demonstrations."""

from __future__ import annotations

import functools
import json
import random
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from provider import Asked

EXAMPLES = Path(__file__).resolve().parent.parent / "data" / "handbook" / "examples.jsonl"
KNOWN, SHOWN = 0.3, 0.6
"""Share of the answers that it knows, without demonstrations and with them."""


def answer(asked: Asked) -> str:
    """What it says to the question in the last message."""
    question = asked.text.rpartition("[[ ## question ## ]]")[2].strip().partition("\n")[0]
    share = SHOWN if any(message["role"] == "assistant" for message in asked.messages) else KNOWN
    known = random.Random(question).random() < share
    text = _answers().get(question, "a guess") if known else "a guess"
    return f"[[ ## answer ## ]]\n{text}\n\n[[ ## completed ## ]]"


@functools.cache
def _answers() -> dict[str, str]:
    lines = [json.loads(line) for line in EXAMPLES.read_text("utf-8").splitlines() if line.strip()]
    return {line["question"]: (line["answers"] or ["The documents do not say."])[0] for line in lines}
