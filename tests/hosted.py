"""A scripted chat model behind the OpenAI wire on loopback: what a hosted endpoint is to ragc, without one.

Subprocesses reach it too, through `base_url`; it needs a key variable with any value.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Script = Callable[[list[dict[str, Any]]], str]
"""From the messages of a request to the text of the response."""


def fields(**values: str) -> str:
    """The text that DSPy's ChatAdapter reads these output fields from."""
    return "\n\n".join([*(f"[[ ## {name} ## ]]\n{value}" for name, value in values.items()), "[[ ## completed ## ]]"])


def knows(answers: dict[str, str], otherwise: str = "I do not know.") -> Script:
    """A script that answers a question it finds in the last message, in the fields that are asked for."""

    def script(messages: list[dict[str, Any]]) -> str:
        last = text_of(messages[-1])
        found = [answer for question, answer in answers.items() if question in last]
        asked = {"reasoning": "It is written there."} if "[[ ## reasoning ## ]]" in last else {}
        return fields(**asked, answer=found[-1] if found else otherwise)

    return script


def text_of(message: dict[str, Any]) -> str:
    """The text of a message, whether its content is a string or a list of parts."""
    content = message["content"]
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


class HostedModel:
    """Serves `POST …/chat/completions` from a script, in threads. A context manager.

    `requests` holds every request's body. A script that raises, or `status` set to something other than 200, makes the
    response an error of that status (500 for a script that raises).
    """

    def __init__(self, script: Script | None = None) -> None:
        self.script: Script = script or knows({})
        self.status = 200
        self.requests: list[dict[str, Any]] = []
        model = self

        class Endpoint(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._send(200, {"object": "list", "data": [{"id": "scripted", "object": "model"}]})

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                self._send(*model._respond(self.path, body))

            def _send(self, status: int, answer: dict[str, Any]) -> None:
                data = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    def __enter__(self) -> HostedModel:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _respond(self, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        self.requests.append(body)
        if not path.endswith("/chat/completions"):
            return 404, {"error": {"message": f"no such path: {path}", "type": "invalid_request_error"}}
        if self.status != 200:
            return self.status, {"error": {"message": "scripted failure", "type": "scripted", "code": "scripted"}}
        try:
            text = self.script(body["messages"])
        except Exception as error:  # noqa: BLE001 a script plays a broken endpoint by raising whatever it likes
            return 500, {"error": {"message": str(error), "type": "server_error"}}
        prompt = sum(len(text_of(message)) for message in body["messages"]) // 4
        completion = len(text) // 4 + 1
        return 200, {
            "id": f"chatcmpl-{len(self.requests)}",
            "object": "chat.completion",
            "created": 0,
            "model": body["model"],
            "choices": [
                {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}},
            ],
            "usage": {
                "prompt_tokens": prompt,
                "completion_tokens": completion,
                "total_tokens": prompt + completion,
            },
        }
