"""Stand-ins for a server at the level of the wire: one that can be cut off, one that says what it is told to say."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Line:
    """A TCP proxy in front of a port of this machine. `cut` closes it and every connection, `mend` opens it again."""

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self._far = (host, port)
        self._near: socket.socket | None = None
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self.port = 0
        self.mend()

    def mend(self) -> None:
        """Take connections, on the same port as before."""
        near = socket.create_server(("127.0.0.1", self.port), reuse_port=False)
        self._near, self.port = near, near.getsockname()[1]
        threading.Thread(target=self._accept, args=(near,), daemon=True).start()

    def cut(self) -> None:
        """Refuse new connections and reset those that there are."""
        with self._lock:
            near, self._near = self._near, None
            held, self._open = self._open, set()
        for one in [near, *held] if near else held:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self, near: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                one, _ = near.accept()
                other = socket.create_connection(self._far)
                for end in (one, other):
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                with self._lock:
                    if self._near is not near:
                        one.close()
                        other.close()
                        return
                    self._open |= {one, other}
                for pair in ((one, other), (other, one)):
                    threading.Thread(target=self._pass_on, args=pair, daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        for one in (source, sink):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        with self._lock:
            self._open -= {source, sink}


@contextlib.contextmanager
def lines_to(url: str) -> Iterator[tuple[str, list[Line]]]:
    """The URL of a store with proxies before its ports (`host:port`, `grpc_port=`), and those proxies."""
    lines: list[Line] = []

    def through(port: str) -> str:
        lines.append(Line(int(port)))
        return str(lines[-1].port)

    url = re.sub(r"(127\.0\.0\.1|localhost):(\d+)", lambda found: f"127.0.0.1:{through(found[2])}", url, count=1)
    url = re.sub(r"(?<=grpc_port=)\d+", lambda found: through(found[0]), url)
    try:
        yield url, lines
    finally:
        for line in lines:
            line.cut()


@contextlib.contextmanager
def answering(answers: Mapping[str, tuple[int, Any]], otherwise: tuple[int, Any] = (404, {})) -> Iterator[int]:
    """A web server that answers a path with a status and JSON; yields its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, body = answers.get(self.path.partition("?")[0], otherwise)
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()
