"""A scripted model server on loopback that speaks OpenAI's chat completions and Anthropic's messages.

Unlike `hosted.HostedModel`, which plays one working endpoint: it plays a provider with its statuses, headers, delays
and broken connections, and shows what was sent to it, keys included.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal


@dataclass(frozen=True)
class Asked:
    """One request as it arrived."""

    wire: Literal["openai", "anthropic"]
    headers: Mapping[str, str]
    """Names in lower case."""
    body: Mapping[str, Any]

    @property
    def key(self) -> str:
        """The API key that came with it."""
        return self.headers.get("x-api-key") or self.headers.get("authorization", "").removeprefix("Bearer ")

    @property
    def text(self) -> str:
        """The text of the last message."""
        content = self.body["messages"][-1]["content"]
        return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


@dataclass(frozen=True)
class Answer:
    """What to send back."""

    text: str = "a scripted answer"
    status: int = 200
    code: str = "scripted"
    """The error's own code, when `status` is one."""
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    """Seconds to wait before the response."""
    hang_up: bool = False
    """Close the connection without a response."""
    finish: str = "stop"
    """OpenAI's `finish_reason`."""
    usage: tuple[int, int, int] | None = (100, 10, 0)
    """Input tokens (cached ones included), output tokens, cached input tokens; None: not reported."""
    model: str | None = None
    """The model that says it answered; None: the one that was asked."""


Script = Callable[[Asked], Answer | str]


class Wire:
    """Serves a script in threads. A context manager; `requests` holds what was asked, in order of arrival."""

    def __init__(self, script: Script | Answer | str = Answer()) -> None:
        self.script: Script = script if callable(script) else lambda asked: script
        self.requests: list[Asked] = []
        self.most_at_once = 0
        self._at_once = 0
        self._lock = threading.Lock()
        wire = self

        class Endpoint(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                wire._serve(self)

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

        self._server = _Server(("127.0.0.1", 0), Endpoint)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def openai_url(self) -> str:
        """The base_url for an `openai/…` model."""
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    @property
    def anthropic_url(self) -> str:
        """The base_url for an `anthropic/…` model."""
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    def __enter__(self) -> Wire:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _serve(self, endpoint: BaseHTTPRequestHandler) -> None:
        body = json.loads(endpoint.rfile.read(int(endpoint.headers["Content-Length"])))
        headers = {name.lower(): value for name, value in endpoint.headers.items()}
        asked = Asked("anthropic" if endpoint.path.endswith("/messages") else "openai", headers, body)
        with self._lock:
            self.requests.append(asked)
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            said = self.script(asked)
            answer = Answer(said) if isinstance(said, str) else said
            time.sleep(answer.delay)
        finally:
            with self._lock:
                self._at_once -= 1
        if answer.hang_up:
            endpoint.close_connection = True
            return
        data = json.dumps(_response(asked, answer)).encode()
        with contextlib.suppress(ConnectionError):  # a caller that gave up is part of the play
            _send(endpoint, answer, data)


def _send(endpoint: BaseHTTPRequestHandler, answer: Answer, data: bytes) -> None:
    given = {"Content-Type": "application/json", "Content-Length": str(len(data)), **answer.headers}
    endpoint.send_response(answer.status)
    for name, value in given.items():
        endpoint.send_header(name, value)
    endpoint.end_headers()
    endpoint.wfile.write(data)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


def _response(asked: Asked, answer: Answer) -> dict[str, Any]:
    if answer.status != 200:
        # With the key in it, as a careless endpoint would: it must not reach anyone.
        error = {"message": f"refused for {asked.key}", "type": answer.code, "code": answer.code}
        return {"type": "error", "error": error} if asked.wire == "anthropic" else {"error": error}
    model = answer.model or asked.body["model"]
    if asked.wire == "anthropic":
        inputs, outputs, cached = answer.usage or (0, 0, 0)
        return {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": model,
            "content": [{"type": "text", "text": answer.text}],
            "stop_reason": "end_turn",
            "usage": {
                "input_tokens": inputs - cached,
                "output_tokens": outputs,
                "cache_read_input_tokens": cached,
                "cache_creation_input_tokens": 0,
            },
        }
    message = {"role": "assistant", "content": answer.text}
    response: dict[str, Any] = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 0,
        "model": model,
        "choices": [{"index": 0, "finish_reason": answer.finish, "message": message}],
    }
    if answer.usage is not None:
        inputs, outputs, cached = answer.usage
        response["usage"] = {
            "prompt_tokens": inputs,
            "completion_tokens": outputs,
            "total_tokens": inputs + outputs,
            "prompt_tokens_details": {"cached_tokens": cached},
        }
    return response
