"""`local/…`: a GGUF model in this process, through xllamacpp, behind DSPy's engine interface."""

from __future__ import annotations

import functools
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dspy.lm15 import Message, Request, Response, TextPart, Usage

from ragc.models._errors import CallFailed, PromptTooLong
from ragc.models._llama import Pool, beginning, pool
from ragc.models._raw import raw_grammar
from ragc.models._weights import require_weights

if TYPE_CHECKING:
    from ragc.project import ModelSettings

CONTEXT = 4096
"""Tokens of prompt and response together, unless `context` says otherwise."""
MAX_TOKENS = 512
"""The longest response, unless `max_tokens` or the adapter says otherwise."""

_CONTROL = re.compile(r"<\|(?=[^|<>]*\|>)")


class LocalEngine:
    """One attempt at one call of a GGUF model. Safe in threads and in forked children; calls queue for the model.

    Greedy (temperature 0) unless asked otherwise; with a temperature the seed is fixed. The same request has the same
    answer, whatever was asked before it and beside it.

    `Response.provider_data["seconds"]` is the model's time, waiting for a turn left out.
    """

    def __init__(self, settings: ModelSettings) -> None:
        self.settings = settings
        self._model = settings.model.removeprefix("local/")

    def complete(self, request: Request) -> Response:
        """Raises ModelError when there are no weights, ExampleError when the prompt does not fit the context."""
        asked = self._asked(request)
        with self._pool().worker(beginning(asked)) as worker:
            began = time.monotonic()
            answer = worker.complete(asked)
            seconds = time.monotonic() - began
        if "error" in answer:
            raise self._refused(answer["error"])
        return _response(answer, request.model, seconds)

    def count_tokens(self, text: str) -> int:
        """Tokens of `text` as the model counts them, without those that begin or end a prompt."""
        return self._pool().count_tokens(_without_control_tokens(text))

    @functools.cached_property
    def weights(self) -> Path:
        """The GGUF file, fetched when it is not on this machine."""
        return require_weights(self._model)

    def _pool(self) -> Pool:
        return pool(self.weights, self.settings.context or CONTEXT, self.settings.threads)

    def _asked(self, request: Request) -> dict[str, Any]:
        config = request.config
        asked: dict[str, Any] = {
            "max_tokens": config.max_tokens or MAX_TOKENS,
            "temperature": config.temperature or 0.0,
            "seed": config.seed or 0,
            "top_p": config.top_p,
            "top_k": config.top_k,
            "stop": list(config.stop) or None,
            "frequency_penalty": config.frequency_penalty,
            "presence_penalty": config.presence_penalty,
            "response_format": config.response_format,
            "t_max_predict_ms": int(self.settings.timeout * 1000),
        }
        grammar = raw_grammar(request)
        if grammar is None:
            asked["messages"] = _messages(request)
        else:
            prompt = "".join(message.text or "" for message in request.messages)
            asked |= {"prompt": _without_control_tokens(prompt), "grammar": grammar}
        return {name: value for name, value in asked.items() if value is not None}

    def _refused(self, error: dict[str, Any]) -> PromptTooLong | CallFailed:
        model = self.settings.model
        if error.get("type") == "exceed_context_size_error":
            return PromptTooLong(
                f"{model}: a prompt of {error.get('n_prompt_tokens')} tokens does not fit the context of "
                f"{error.get('n_ctx')}: lower max_tokens of Retrieve, use fewer demonstrations or raise context"
            )
        return CallFailed(f"{model}: {str(error.get('message', error)).splitlines()[0]}")


def _messages(request: Request) -> list[dict[str, str]]:
    messages = []
    if request.system is not None:
        system = request.system if isinstance(request.system, str) else "".join(part.text for part in request.system)
        messages.append({"role": "system", "content": _without_control_tokens(system)})
    for message in request.messages:
        messages.append({"role": message.role, "content": _without_control_tokens(message.text or "")})
    return messages


def _without_control_tokens(text: str) -> str:
    # llama.cpp reads `<|im_end|>` in a prompt as the token itself: a passage could end its own turn and begin another.
    return _CONTROL.sub("< |", text)


def _response(answer: dict[str, Any], model: str, seconds: float) -> Response:
    choice, usage = answer["choices"][0], answer["usage"]
    text = choice["text"] if "text" in choice else choice["message"].get("content")
    return Response(
        id=answer.get("id"),
        model=model,
        message=Message.assistant([TextPart(text or "")]),
        finish_reason="length" if choice.get("finish_reason") == "length" else "stop",
        usage=Usage(
            input_tokens=usage["prompt_tokens"],
            output_tokens=usage["completion_tokens"],
            cache_read_tokens=(usage.get("prompt_tokens_details") or {}).get("cached_tokens", 0),
        ),
        provider_data={"seconds": seconds},
    )
