"""What Weaviate, its client and the network object to, as one line."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

from ragc._secrets import redact
from ragc.errors import StoreError
from ragc.retrieval.stores.weaviate._server import OLDEST, Server

MOST = 300
"""Characters of a server's own words that are shown."""


class Unreachable(Exception):
    """A request that did not reach the server."""


class NotWritten(Exception):
    """Objects that the server did not take, however often they were sent; its text names them and ends in why."""


class Missing(StoreError):
    """The server knows no such collection, or no such tenant in it."""


@contextlib.contextmanager
def told(server: Server) -> Iterator[None]:
    """Turn whatever is raised about the server into a StoreError; what is one already passes."""
    import httpx
    from weaviate.exceptions import WeaviateBaseError

    try:
        yield
    except (WeaviateBaseError, Unreachable, NotWritten, httpx.HTTPError, OSError) as error:
        raise _error(server, error) from error
    except (UnicodeEncodeError, UnicodeDecodeError) as error:
        raise StoreError(
            f"{server.shown}: a text holds half a character (a lone surrogate); mend the document"
        ) from error


@contextlib.contextmanager
def met(server: Server) -> Iterator[None]:
    """Unlike `told`: for the first words with a server, which may be none of Weaviate's at all."""
    try:
        with told(server):
            yield
    except (KeyError, TypeError, ValueError) as error:  # the client takes for granted that there is a version
        raise _stranger(server) from error


def outdated(server: Server, version: str) -> StoreError:
    """Return what there is to say about a server that is older than OLDEST."""
    return StoreError(
        f"{server.shown} is Weaviate {version or 'of an unknown version'}; "
        f"{'.'.join(map(str, OLDEST))} or newer is needed"
    )


_STRANGER = "answers, but not as a Weaviate server does; correct `store`"
_OBJECTIONS = [
    (
        r"\b401\b|unauthorized|unauthenticated|invalid api key",
        "refuses the key in {key_env}, or there is none; export the right one",
    ),
    (r"meta endpoint", _STRANGER),
    (
        r"no such prop with name '(?!f_)",
        "does not have the schema that ragc makes: {said}; delete that collection, or add ?collection=NAME to `store`",
    ),
    (r"tenant not active", "has put that tenant to sleep: {said}; make it active"),
    (
        r"read-?only|no space|disk|memory usage|not enough memory|resource pressure",
        "takes no more: {said}; give it room, then run the command again",
    ),
    (r"vector lengths? |dimensions?", "has vectors of another length in that collection: {said}"),
    (r"", "objects: {said}"),
]
"""What a server's words look for, and what it means: `weaviate://host … `."""


def _error(server: Server, error: Exception) -> StoreError:
    from weaviate import exceptions as theirs

    said, status = _said(server, error), getattr(error, "status_code", None)
    if old := re.search(r"version (\S+) is not supported", said):
        return outdated(server, old[1])
    if isinstance(error, theirs.WeaviateGRPCUnavailableError):
        there = f"{server.grpc_host}:{server.grpc_port}"
        return StoreError(f"{server.shown} answers, but not by gRPC at {there}; correct grpc_port in `store`")
    ours = (Unreachable, theirs.WeaviateStartUpError, theirs.WeaviateConnectionError, OSError)
    if isinstance(error, ours) or type(error).__module__.startswith("httpx"):
        return StoreError(f"{server.shown} cannot be reached; start the server, or correct `store`")
    if status in (502, 503, 504):
        return StoreError(f"{server.shown} is not ready (status {status}); try again when it is")
    if status in (401, 403, 7, 16):
        said = "unauthorized"
    elif re.search(
        r"could not find class|class .{0,200}not found|does not exist in schema|tenant not found", said, re.I
    ):
        return Missing(f"{server.shown}: {said[:MOST]}")
    meant = next(meant for pattern, meant in _OBJECTIONS if re.search(pattern, said, re.I))
    return StoreError(f"{server.shown} {meant.format(said=said[:MOST], key_env=server.key_env)}")


def _said(server: Server, error: Exception) -> str:
    """The server's own words in one line, without what the client and the route of a request add, and without a key."""
    said = redact(re.sub(r"\s+", " ", str(error)), [server.key_env])
    if inner := re.search(r"""'message': (['"])(.+?)\1\}""", said):
        said = inner[2]
    return re.sub(r"^.*?call with protocol GRPC \w+ failed with message |^explorer: |\.$", "", said)


def _stranger(server: Server) -> StoreError:
    return StoreError(f"{server.shown} {_STRANGER}")
