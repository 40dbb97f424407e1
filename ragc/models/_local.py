"""`local/…`: a GGUF model in this process, through xllamacpp, behind DSPy's engine interface."""

from __future__ import annotations

import ctypes
import functools
import http.client
import json
import os
import re
import secrets
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from dspy.lm15 import Message, Request, Response, TextPart, Usage

from ragc.models._errors import CallFailed, ModelRefused, PromptTooLong
from ragc.models._raw import is_raw
from ragc.models._weights import require_weights

if TYPE_CHECKING:
    from ragc.project import ModelSettings

CONTEXT = 4096
"""Tokens of prompt and response together, unless `context` says otherwise."""
MAX_TOKENS = 512
"""The longest response, unless `max_tokens` or the adapter says otherwise."""

# Two slots were measured to be slower than one (0.45 against 0.37 s a call on 2 cores) and not repeatable: what is
# decoded together changes the last bits of a probability, and with them an answer now and then.
SLOTS = 1

_CONTROL = re.compile(r"<\|(?=[^|<>]*\|>)")


class LocalEngine:
    """One attempt at one call of a GGUF model. Safe in threads and in forked children; calls queue for the model.

    Greedy (temperature 0) unless asked otherwise; with a temperature the seed is fixed, so that the same request has
    the same answer. `Response.provider_data["seconds"]` is the model's time, waiting for a turn left out.
    """

    def __init__(self, settings: ModelSettings) -> None:
        self.settings = settings
        self._model = settings.model.removeprefix("local/")

    def complete(self, request: Request) -> Response:
        """Raises ModelError when there are no weights, ExampleError when the prompt does not fit the context."""
        loaded = self._loaded()
        asked = self._asked(request)
        with loaded.turn:
            began = time.monotonic()
            if is_raw(request):
                prompt = "".join(message.text or "" for message in request.messages)
                answer = loaded.server.handle_completions({**asked, "prompt": _without_control_tokens(prompt)})
            else:
                answer = loaded.server.handle_chat_completions({**asked, "messages": _messages(request)})
            seconds = time.monotonic() - began
        if "error" in answer:
            raise self._refused(answer["error"])
        return _response(answer, request.model, seconds)

    def count_tokens(self, text: str) -> int:
        """Tokens of `text` as the model counts them, without those that begin or end a prompt."""
        return int(self._loaded().count_tokens(text))

    @functools.cached_property
    def weights(self) -> Path:
        """The GGUF file, fetched when it is not on this machine."""
        return require_weights(self._model)

    def _loaded(self) -> _Loaded:
        return _load(self.weights, self.settings.threads or SLOTS, self.settings.context or CONTEXT)

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
            "cache_prompt": True,
            "t_max_predict_ms": int(self.settings.timeout * 1000),
        }
        return {name: value for name, value in asked.items() if value is not None}

    def _refused(self, error: dict[str, Any]) -> PromptTooLong | CallFailed:
        model = self.settings.model
        if error.get("type") == "exceed_context_size_error":
            return PromptTooLong(
                f"{model}: a prompt of {error.get('n_prompt_tokens')} tokens does not fit the context of "
                f"{error.get('n_ctx')}: lower max_tokens of Retrieve, use fewer demonstrations or raise context"
            )
        return CallFailed(f"{model}: {str(error.get('message', error)).splitlines()[0]}")


@dataclass
class _Loaded:
    """A model in memory: llama.cpp's server object, which also answers on loopback for whoever holds its key."""

    server: Any
    turn: threading.Semaphore
    key: str
    count_tokens: Any = field(init=False)

    def __post_init__(self) -> None:
        self.count_tokens = functools.lru_cache(maxsize=20_000)(self._count_tokens)

    def _count_tokens(self, text: str) -> int:
        address = urlsplit(str(self.server.listening_address))
        connection = http.client.HTTPConnection(address.hostname or "127.0.0.1", address.port, timeout=60)
        try:
            body = json.dumps({"content": _without_control_tokens(text), "add_special": False})
            headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self.key}"}
            connection.request("POST", "/tokenize", body, headers)
            return len(json.loads(connection.getresponse().read())["tokens"])
        finally:
            connection.close()


_models: dict[tuple[Path, int, int], _Loaded] = {}
_lock = threading.Lock()


def _load(path: Path, slots: int, context: int) -> _Loaded:
    """The model in memory, loaded at first use, once a process."""
    with _lock:
        loaded = _models.get((path, slots, context))
        if loaded is None:
            loaded = _models[path, slots, context] = _start(path, slots, context)
        return loaded


def _start(path: Path, slots: int, context: int) -> _Loaded:
    import xllamacpp

    key = secrets.token_urlsafe(24)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.n_parallel = slots
    params.n_ctx = context * slots
    params.cpuparams.n_threads = cores
    params.cpuparams_batch.n_threads = cores
    params.cache_ram_mib = 0  # a slot keeps the prompt it saw last, which is what demonstrations share
    params.verbosity = -1
    params.warmup = False
    params.ui = False
    params.offline = True
    params.api_keys = [key]
    try:
        server = xllamacpp.Server(params)
    except Exception as error:  # whatever the binding raises, the file is what can be changed
        raise ModelRefused(f"{path}: llama.cpp cannot load it ({error}): is it a GGUF model?") from error
    # Never freed: its threads are not there in a forked child, and freeing it would wait for them for ever.
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(server))
    return _Loaded(server, threading.Semaphore(slots), key)


def _forget_models() -> None:
    """A forked child has none of the threads of the models in memory: it loads its own."""
    global _lock
    _lock = threading.Lock()
    _models.clear()


os.register_at_fork(after_in_child=_forget_models)


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
