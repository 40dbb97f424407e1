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


def _error(server: Server, error: Exception) -> StoreError:
    from weaviate import exceptions as theirs

    said = redact(re.sub(r"\s+", " ", str(error)), [server.key_env])
    # What the client wraps around the server's own words.
    if inner := re.search(r"""'message': (['"])(.+?)\1\}""", said):
        said = inner[2]
    status = getattr(error, "status_code", None)
    if re.search(r"meta endpoint", said, re.I) and status in (None, 200, 404):
        return _stranger(server)
    if status in (502, 503, 504):
        return StoreError(f"{server.shown} is not ready (status {status}); try again when it is")
    if old := re.search(r"version (\S+) is not supported", said):
        return outdated(server, old[1])
    if status in (401, 403, 7, 16) or re.search(r"\b401\b|unauthorized|unauthenticated|invalid api key", said, re.I):
        return StoreError(f"{server.shown} refuses the key in {server.key_env}, or there is none; export the right one")
    if re.search(r"could not find class|class .{0,200}not found|does not exist in schema|tenant not found", said, re.I):
        return Missing(f"{server.shown}: {said[:MOST]}")
    if re.search(r"no such prop with name '(?!f_)", said):
        return StoreError(
            f"{server.shown}: the schema of a collection does not match what ragc makes; delete it, or add "
            f"?collection=NAME to `store` ({said[-MOST:]})"
        )
    if isinstance(error, theirs.WeaviateGRPCUnavailableError):
        return StoreError(
            f"{server.shown} answers, but not by gRPC at {server.grpc_host}:{server.grpc_port}; "
            "correct grpc_port in `store`"
        )
    if isinstance(error, (Unreachable, theirs.WeaviateStartUpError, theirs.WeaviateConnectionError, OSError)) or (
        type(error).__module__.startswith("httpx")
    ):
        return StoreError(f"{server.shown} cannot be reached; start the server, or correct `store`")
    if re.search(r"read-?only|no space|disk|memory usage|not enough memory|resource pressure", said, re.I):
        return StoreError(f"{server.shown} takes no more: {said[:MOST]}; give it room, then run the command again")
    if re.search(r"vector lengths? |dimensions?", said, re.I):
        return StoreError(f"{server.shown}: vectors of another length than the collection's: {said[:MOST]}")
    if isinstance(error, NotWritten):
        return StoreError(f"{server.shown}: {said[:MOST]}; run the command again")
    return StoreError(f"{server.shown}: {said[:MOST]}")


def _stranger(server: Server) -> StoreError:
    return StoreError(f"{server.shown} answers, but not as a Weaviate server does; correct `store`")
