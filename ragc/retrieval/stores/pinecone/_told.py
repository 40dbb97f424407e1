"""What Pinecone, its client and the network object to, as one line."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

from pinecone.errors import exceptions as theirs

from ragc._secrets import redact
from ragc.errors import StoreError
from ragc.retrieval.stores._entries import half_a_character
from ragc.retrieval.stores.pinecone._server import Server

MOST = 300
"""Characters of a server's own words that are shown."""


@contextlib.contextmanager
def told(server: Server) -> Iterator[None]:
    """Turn whatever is raised about the server into a StoreError; what is one already passes."""
    try:
        yield
    except (UnicodeEncodeError, UnicodeDecodeError) as error:
        raise half_a_character(server.shown) from error
    except theirs.PineconeError as error:
        raise _error(server, error) from error


def _error(server: Server, error: theirs.PineconeError) -> StoreError:
    said = redact(re.sub(r"\s+", " ", str(error)).strip(), [server.key_env])[:MOST]
    shown = server.shown
    if isinstance(error, (theirs.UnauthorizedError, theirs.ForbiddenError)):
        return StoreError(f"{shown} refuses the key in {server.key_env}; export the right one")
    if isinstance(error, (theirs.PineconeConnectionError, theirs.PineconeTimeoutError)):
        return StoreError(f"{shown} cannot be reached ({said}); see to the network, or correct `store`")
    if isinstance(error, (theirs.PaymentRequiredError, theirs.PayloadTooLargeError, theirs.RateLimitError)):
        return StoreError(f"{shown} takes no more: {said}")
    if re.search(r"dimension", said, re.I):
        return StoreError(f"{shown}: vectors of another length than the index's: {said}")
    return StoreError(f"{shown}: {said}")
