"""A scripted model in this process, behind a real gateway, and an evaluator on it: no wire, no index."""

from __future__ import annotations

import re
from collections.abc import Callable

import dspy
from dspy.lm15 import Message, Request, Response, TextPart, Usage

from ragc.evaluation import Evaluator, load_metric
from ragc.evaluation.judge import SHARES, AnswerJudge, Judge, StyleJudge, SupportJudge
from ragc.models import AsyncEngine, Engine, Gateway, PlainAdapter
from ragc.project import ModelSettings

Script = Callable[[str], str]
"""From the text of a prompt to the text of the response; it may raise."""


class Scripted:
    """An inner engine that answers from a script; a response takes 10 tokens in and 2 out."""

    def __init__(self, script: Script) -> None:
        self.script = script

    def complete(self, request: Request) -> Response:
        """Answer from the script."""
        text = self.script("".join(message.text or "" for message in request.messages))
        return Response(
            id=None,
            model=request.model,
            message=Message.assistant([TextPart(text)]),
            finish_reason="stop",
            usage=Usage(input_tokens=10, output_tokens=2, total_tokens=12),
        )


def scripted_lm(script: Script, gateway: Gateway) -> dspy.LM:
    """An LM that answers from a script, through `gateway`; a call costs $0.001."""
    settings = ModelSettings.model_validate(
        {"model": "openai/scripted", "max_tokens": 100, "price": {"input": 80.0, "output": 100.0}, "threads": 64}
    )
    engine = Engine(settings, gateway=gateway, inner=Scripted(script))
    return dspy.LM(
        settings.model,
        engine=engine,
        async_engine=AsyncEngine(engine),
        cache=False,
        num_retries=0,
    )


def make_evaluator(script: Script, *, gateway: Gateway | None = None, **fields: object) -> Evaluator:
    """An evaluator whose model answers from a script: `make_evaluator(script, threads=4)`."""
    through = gateway or Gateway()
    metric = load_metric(None, "answer_f1")  # type: ignore[arg-type]  # a built-in metric needs no project
    return Evaluator(metric, scripted_lm(script, through), PlainAdapter(), through, **fields)  # type: ignore[arg-type]


def scripted_judge(script: Script, gateway: Gateway | None = None) -> Judge:
    """A judge, `openai/gpt-judge`, whose model answers from a script; see `graded` for what it may write."""
    through = gateway or Gateway()
    programs = {"semantic_f1": AnswerJudge(), "faithfulness": SupportJudge(), "tone": StyleJudge()}
    settings = ModelSettings(model="openai/gpt-judge")
    return Judge(settings, scripted_lm(script, through), PlainAdapter(), through, programs)


def graded(recall: object, precision: object, reasoning: str = "so it is") -> str:
    """What a judge of answers writes; a share of none, a quarter, half, three quarters or all as its word."""
    said = [next((word for word, share in SHARES.items() if share == one), one) for one in (recall, precision)]
    return f" {reasoning}\nRecall: {said[0]}\nPrecision: {said[1]}"


def number_in(prompt: str) -> int:
    """The number that a prompt's last question is about ("What is number 7?")."""
    return int(re.findall(r"number (\d+)", prompt)[-1])
