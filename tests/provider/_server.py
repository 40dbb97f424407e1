"""The server: uvicorn and Starlette in a thread, with a record of everything that was asked and sent."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from . import _anthropic, _openai
from ._delivery import deliver
from ._faults import FAULTS, Plan, rate_limited
from ._thread import ThreadedServer
from ._values import Answer, Asked, Endpoint, Script, Wire, content_of
from ._wires import content_type, pieces

HOST = "127.0.0.1"
MOST_SCRIPTS = 256
"""Scripts that may block at a time."""


@dataclass(frozen=True)
class Served:
    """What became of a request."""

    number: int
    content: str
    status: int
    fault: str | None
    delivered: bool
    """A whole response that is no error was handed to a client that was still there."""
    seconds: float


class Provider:
    """A provider on loopback. A context manager; while it is open, every attribute may be changed.

    `script` is the function that answers (an answer or its text to begin with does for all), `faults` the plan of the
    provider's misbehaviour, `latency` in seconds, fixed or by request; errors come without it. Beyond `limit` requests
    at a time it answers 429. `requests` and `served` hold what was asked, in order of arrival, and what became of it,
    in order of leaving.
    """

    def __init__(
        self,
        script: Script | Answer | str = "a scripted answer",
        *,
        faults: Plan | None = None,
        latency: float | Callable[[Asked], float] = 0.0,
        limit: int | None = None,
        models: tuple[str, ...] = ("scripted",),
        port: int = 0,
    ) -> None:
        self.script: Script = script if callable(script) else lambda asked: script
        self.faults = faults
        self.latency = latency
        self.limit = limit
        self.models = models
        self.requests: list[Asked] = []
        self.served: list[Served] = []
        self.timeline: list[tuple[float, int]] = []
        """When the number of requests in flight changed (`time.monotonic`), and to what; refused ones left out."""
        self._asked: Counter[str] = Counter()
        self._number = self._at_once = 0
        self._pool = ThreadPoolExecutor(MOST_SCRIPTS, thread_name_prefix="script")
        self._server = ThreadedServer(socket.create_server((HOST, port), backlog=1024), self._application())

    @property
    def port(self) -> int:
        return self._server.port

    @property
    def url(self) -> str:
        """What Anthropic's own SDK takes as its base_url."""
        return f"http://{HOST}:{self.port}"

    @property
    def base_url(self) -> str:
        """What everything else takes, for `openai/…` and for `anthropic/…` models."""
        return f"{self.url}/v1"

    @property
    def cohere_url(self) -> str:
        """What `cohere/…` embedders and rerankers take as their base_url."""
        return f"{self.url}/v2"

    @property
    def voyage_url(self) -> str:
        """What `voyage/…` embedders and rerankers take as their base_url."""
        return f"{self.url}/voyage/v1"

    def __enter__(self) -> Provider:
        self._server.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.stop()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def counts(self, *, delivered: bool = False) -> Counter[str]:
        """How often each content was asked, or how often a whole response to it was sent (see `Served.delivered`)."""
        if delivered:
            return Counter(one.content for one in list(self.served) if one.delivered)
        return Counter(asked.content for asked in list(self.requests))

    @property
    def most_at_once(self) -> int:
        return max((number for _, number in list(self.timeline)), default=0)

    def in_flight(self, since: float | None = None, until: float | None = None) -> float:
        """The mean number of requests in flight, from the first that arrived to the last that left unless told."""
        marks = list(self.timeline)
        if not marks:
            return 0.0
        since = marks[0][0] if since is None else since
        until = marks[-1][0] if until is None else until
        ends = [when for when, _ in marks[1:]] + [max(until, marks[-1][0])]
        total = sum(
            number * max(0.0, min(end, until) - max(start, since))
            for (start, number), end in zip(marks, ends, strict=True)
        )
        return total / (until - since) if until > since else 0.0

    def reset(self) -> None:
        """Forget what was asked; numbers begin at 1 again. Not while a request is in flight."""
        for kept in (self.requests, self.served, self.timeline):
            kept.clear()
        self._asked.clear()
        self._number = 0

    async def _serve(self, wire: Wire, endpoint: Endpoint, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        body = await _body(request)
        if body is None:
            await JSONResponse({"error": {"message": "the body is no JSON object"}}, 400)(scope, receive, send)
            return
        asked = self._arrived(wire, endpoint, request, body)
        refused = self.limit is not None and self._at_once >= self.limit
        if not refused:
            self._changed(1)
        left = contextlib.ExitStack()
        fault, status, whole = None, 0, False

        def leave() -> None:
            if not refused:
                self._changed(-1)
            seconds = time.monotonic() - asked.at
            self.served.append(Served(asked.number, asked.content, status, fault, whole, seconds))

        def done(delivered: bool) -> None:
            nonlocal whole
            whole = delivered and answer.status < 400 and answer.raw is None
            left.close()

        left.callback(leave)
        with left:
            fault, answer = ("limit", rate_limited()(asked, Answer())) if refused else await self._answer(asked)
            status = answer.status
            await deliver(
                scope,
                receive,
                send,
                pieces(asked, answer),
                status=status,
                headers={"content-type": content_type(asked, answer), **answer.headers},
                delivery=answer.delivery,
                seconds=answer.seconds,
                done=done,
            )

    def _arrived(self, wire: Wire, endpoint: Endpoint, request: Request, body: dict[str, Any]) -> Asked:
        content = content_of(endpoint, body)
        self._asked[content] += 1
        self._number += 1
        headers = {name.lower(): value for name, value in request.headers.items()}
        asked = Asked(wire, endpoint, headers, body, content, self._number, self._asked[content], time.monotonic())
        self.requests.append(asked)
        return asked

    def _changed(self, by: int) -> None:
        self._at_once += by
        self.timeline.append((time.monotonic(), self._at_once))

    async def _answer(self, asked: Asked) -> tuple[str | None, Answer]:
        """The answer that is sent, and the name of the fault in it."""
        answer = await self._scripted(asked)
        fault = self.faults(asked) if self.faults else None
        if fault is not None:
            answer = (FAULTS[fault] if isinstance(fault, str) else fault)(asked, answer)
        latency = self.latency(asked) if callable(self.latency) else self.latency
        wait = answer.delay + (latency if answer.status < 400 else 0.0)
        if wait > 0:
            await asyncio.sleep(wait)
        name = fault if isinstance(fault, str | None) else getattr(fault, "__name__", "fault")
        return name, answer

    async def _scripted(self, asked: Asked) -> Answer:
        if asked.endpoint in ("embeddings", "rerank", "count"):
            return Answer()
        try:
            said = await asyncio.get_running_loop().run_in_executor(self._pool, self.script, asked)
        except Exception as error:  # noqa: BLE001 a script plays a broken endpoint by raising whatever it likes
            return Answer(status=500, code="server_error", message=str(error))
        return Answer(said) if isinstance(said, str) else said

    def _application(self) -> Starlette:
        def posted(path: str, wire: Wire, endpoint: Endpoint) -> Route:
            return Route(path, _Application(self, wire, endpoint), methods=["POST"])

        async def models(request: Request) -> Response:
            wire = _anthropic if "anthropic-version" in request.headers else _openai
            name = request.path_params.get("name")
            if name is None:
                return JSONResponse(wire.models(self.models))
            if name not in self.models:
                refused = FAULTS["unknown model"](Asked("openai", "chat", {}, {"model": name}), Answer())
                return JSONResponse(wire.error(refused, refused.message or ""), 404)
            return JSONResponse(wire.model(name))

        async def record(request: Request) -> Response:
            return JSONResponse(self.record())

        async def reset(request: Request) -> Response:
            self.reset()
            return JSONResponse({})

        async def unknown(request: Request, error: Exception) -> Response:
            message = f"no such path: {request.method} {request.url.path}"
            return JSONResponse({"error": {"message": message, "type": "invalid_request_error"}}, 404)

        return Starlette(
            routes=[
                posted("/v1/chat/completions", "openai", "chat"),
                posted("/v1/responses", "openai", "responses"),
                posted("/v1/responses/input_tokens", "openai", "count"),
                posted("/v1/embeddings", "openai", "embeddings"),
                posted("/v1/messages", "anthropic", "messages"),
                posted("/v1/messages/count_tokens", "anthropic", "count"),
                posted("/v2/embed", "cohere", "embeddings"),
                posted("/v2/rerank", "cohere", "rerank"),
                posted("/voyage/v1/embeddings", "voyage", "embeddings"),
                posted("/voyage/v1/rerank", "voyage", "rerank"),
                Route("/v1/models", models),
                Route("/v1/models/{name:path}", models),
                Route("/record", record),
                Route("/record", reset, methods=["DELETE"]),
            ],
            exception_handlers={404: unknown, 405: unknown},
        )

    def record(self) -> dict[str, Any]:
        """What `GET /record` shows: counts by content, the requests' bodies, what became of them, the timeline."""
        return {
            "asked": self.counts(),
            "delivered": self.counts(delivered=True),
            "requests": [{"number": one.number, "content": one.content, "body": one.body} for one in self.requests],
            "served": [asdict(one) for one in self.served],
            "timeline": self.timeline,
            "most_at_once": self.most_at_once,
        }


class _Application:
    """One endpoint as an ASGI application of its own: what breaks a connection is no Starlette response."""

    def __init__(self, provider: Provider, wire: Wire, endpoint: Endpoint) -> None:
        self.provider, self.wire, self.endpoint = provider, wire, endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.provider._serve(self.wire, self.endpoint, scope, receive, send)


async def _body(request: Request) -> dict[str, Any] | None:
    try:
        found = json.loads(await request.body())
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
