"""The databases that hold passages: a module or a folder each, behind the protocol of `ragc.retrieval._store`.

What a store's client is called, its connections and its errors, stays in its own module; nothing here is imported
before a URL names it.
"""

from ragc.retrieval.stores._url import SCHEMES, extras, open_store

__all__ = ["SCHEMES", "extras", "open_store"]
