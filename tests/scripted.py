"""A scripted model behind DSPy's engine interface, and an evaluator on it: no wire, no index."""

from __future__ import annotations

import re
from collections.abc import Callable

import dspy
from dspy.lm15 import Message, Request, Response, TextPart, Usage

from ragc.evaluation import Evaluator, load_metric
from ragc.models import Call, Meter, PlainAdapter

Script = Callable[[str], str]
"""From the text of a prompt to the text of the response; it may raise."""


class Scripted:
    """An engine that answers from a script, and counts its calls with a meter."""

    def __init__(self, script: Script, meter: Meter) -> None:
        self.script = script
        self.meter = meter

    def __deepcopy__(self, memo: object) -> Scripted:
        return self

    def complete(self, request: Request) -> Response:
        """Answer from the script."""
        self.meter.begin()
        call = None
        try:
            text = self.script("".join(message.text or "" for message in request.messages))
            call = Call(request.model, 10, 2, 0, 0.001, 0.5)
        finally:
            self.meter.finish(call)
        usage = Usage(input_tokens=10, output_tokens=2, total_tokens=12)
        message = Message.assistant([TextPart(text)])
        return Response(id=None, model=request.model, message=message, finish_reason="stop", usage=usage)


def make_evaluator(script: Script, *, meter: Meter | None = None, **fields: object) -> Evaluator:
    """An evaluator whose model answers from a script: `make_evaluator(script, threads=4)`."""
    counted = meter or Meter()
    lm = dspy.LM("scripted/model", engine=Scripted(script, counted), cache=False, num_retries=0)
    metric = load_metric(None, "answer_f1")  # type: ignore[arg-type]  # a built-in metric needs no project
    return Evaluator(metric, lm, PlainAdapter(), counted, **fields)  # type: ignore[arg-type]


def number_in(prompt: str) -> int:
    """The number that a prompt's last question is about ("What is number 7?")."""
    return int(re.findall(r"number (\d+)", prompt)[-1])
