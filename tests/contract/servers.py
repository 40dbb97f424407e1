"""What is left on servers by the tests, taken away."""

from __future__ import annotations

from pathlib import Path

from ragc.retrieval.stores._address import Address
from ragc.retrieval.stores.qdrant._connection import Connection
from ragc.retrieval.stores.qdrant._server import Server as QdrantServer
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


def delete_qdrant_collections(url: str, name: str) -> None:
    """Delete every collection on the Qdrant server whose name begins with `name`."""
    connection = Connection(QdrantServer.at(Address(url, Path("/"), "any")))
    with connection.lent() as client:
        for collection in client.get_collections().collections:
            if collection.name.startswith(name):
                client.delete_collection(collection.name)
    connection.close()
