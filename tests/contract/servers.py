"""What is left on servers by the tests, taken away."""

from __future__ import annotations

from pathlib import Path

from ragc.retrieval.stores._address import Address
from ragc.retrieval.stores.weaviate._connection import Connections
from ragc.retrieval.stores.weaviate._server import Server


def delete_collections(url: str, name: str) -> None:
    """Delete every collection and alias on the Weaviate server whose name begins with `name`."""
    connections = Connections(Server.at(Address(url, Path("/"), "any")))
    client = connections.client
    for alias in client.alias.list_all():
        if alias.startswith(name):
            client.alias.delete(alias_name=alias)
    for collection in client.collections.list_all(simple=True):
        if collection.startswith(name):
            client.collections.delete(collection)
    connections.close()
