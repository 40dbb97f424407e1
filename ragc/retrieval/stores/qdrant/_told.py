"""What Qdrant, its client and the network object to, as one line."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator

from qdrant_client.http.exceptions import ApiException, UnexpectedResponse

from ragc._secrets import redact
from ragc.errors import StoreError
from ragc.retrieval.stores._entries import half_a_character
from ragc.retrieval.stores.qdrant._server import Server

MOST = 300
"""Characters of a server's own words that are shown."""


class Missing(StoreError):
    """There is no such collection."""


@contextlib.contextmanager
def told(server: Server) -> Iterator[None]:
    """Turn whatever is raised about the server into a StoreError; what is one already passes."""
    try:
        yield
    except (UnicodeEncodeError, UnicodeDecodeError) as error:
        raise half_a_character(server.shown) from error
    except (ApiException, ValueError, RuntimeError, OSError) as error:  # the local mode raises the second and third
        raise _error(server, error) from error


def _error(server: Server, error: Exception) -> StoreError:
    said, status = _said(error), getattr(error, "status_code", None)
    said = redact(re.sub(r"\s+", " ", said), [server.key_env])[:MOST]
    shown = server.shown
    if status in (401, 403):
        return StoreError(f"{shown} refuses the key in {server.key_env}, or there is none; export the right one")
    if status == 404 or re.search(r"not found|doesn't exist", said, re.I):
        return Missing(f"{shown}: {said}")
    if "already accessed" in said:
        return StoreError(f"{shown} is in use by another program than ragc; end it, or use a server (qdrant://)")
    if isinstance(error, OSError):
        return StoreError(f"{shown} cannot be read or written ({said}); see to the folder, or correct `store`")
    if isinstance(error, ApiException) and not isinstance(error, UnexpectedResponse):
        return StoreError(f"{shown} cannot be reached ({said}); start the server, or correct `store`")
    if re.search(r"no space|disk|out of memory|read.only|storage.*limit", said, re.I):
        return StoreError(f"{shown} takes no more: {said}; give it room, then run the command again")
    if re.search(r"dimension", said, re.I):
        return StoreError(f"{shown}: vectors of another length than the collection's: {said}")
    return StoreError(f"{shown}: {said}")


def _said(error: Exception) -> str:
    if isinstance(error, UnexpectedResponse):
        try:
            return str(json.loads(error.content)["status"]["error"])
        except (ValueError, KeyError, TypeError):
            return f"{error.status_code} {error.reason_phrase}"
    return str(error) or type(error).__name__
