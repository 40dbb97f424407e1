"""The databases that hold passages: a module or a folder each, behind the protocol of `ragc.retrieval._store`.

What a store's client is called, its connections and its errors, stays in its own module; nothing here is imported
before a URL names it.
"""

import os

from ragc.retrieval.stores._url import SCHEMES, extras, open_store

__all__ = ["SCHEMES", "extras", "open_store"]

# Else a child that forks after a first request by gRPC hangs in its own first one. Read when grpc is first imported,
# which Qdrant's client does too: so it is set before any client is.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "1")
