"""The collections of one task on a server: one for each embedder and chunking, and the alias that names the latest.

An index that is made anew, with other settings, grows beside the one that is searched; when it is whole, the alias is
moved and the old collection deleted. A search goes to the collection that its own settings name, so that it can never
meet vectors of others.
"""

from __future__ import annotations

import functools
import hashlib
import re
from typing import Any

from ragc.errors import StoreError
from ragc.retrieval._store import MadeWith
from ragc.retrieval.stores._address import Address
from ragc.retrieval.stores.weaviate._connection import Connections
from ragc.retrieval.stores.weaviate._schema import check_schema, create, physical_name
from ragc.retrieval.stores.weaviate._state import STATE_ID, State
from ragc.retrieval.stores.weaviate._told import Missing, told


class Collections:
    """Finds, makes and deletes them. Raises StoreError on whatever goes wrong, also `Missing`."""

    def __init__(self, connections: Connections, address: Address) -> None:
        self._connections = connections
        self._server = connections.server
        self._address = address
        self._used: dict[str, tuple[Any, Any]] = {}

    @functools.cached_property
    def _base(self) -> str:
        name = self._address.name_on_server(self._server.collection)
        return name[0].upper() + name[1:]

    @functools.cached_property
    def alias(self) -> str:
        """What the current collection is called; a tenant's own."""
        tenant = self._server.tenant
        return self._base if tenant is None else f"{self._base}_{hashlib.sha256(tenant.encode()).hexdigest()[:8]}"

    @property
    def _stem(self) -> str:
        return self._base if self._server.tenant is None else f"{self._base}_tenants"

    def physical(self, made_with: MadeWith) -> str:
        """The name of the collection that holds what is made with `made_with`."""
        return physical_name(self._stem, made_with)

    def use(self, name: str, client: Any = None) -> Any:
        """The collection, or the tenant's part of it, as the client has it; of this process's client, or `client`."""
        client = client or self._connections.client
        held = self._used.get(name)
        if held is None or held[0] is not client:
            handle = client.collections.use(name)
            if self._server.tenant is not None:
                handle = handle.with_tenant(self._server.tenant)
            if (self._server.replicas or 1) > 1:
                from weaviate.classes.config import ConsistencyLevel

                handle = handle.with_consistency_level(ConsistencyLevel.QUORUM)
            held = self._used[name] = (client, handle)
        return held[1]

    def read(self, name: str) -> State | None:
        """The state of a collection; None where there is no such collection, tenant or state."""
        try:
            with told(self._server):
                return state_in(self.use(name).query.fetch_object_by_id(**STATE))
        except Missing:
            return None

    def current(self) -> tuple[str, State] | None:
        """Name and state of the collection that the alias names; else of one that is being built; else None."""
        with told(self._server):
            alias = self._connections.client.alias.get(alias_name=self.alias)
        if alias is not None:
            state = self.read(alias.collection)
            if state is None:
                raise self._somebody_elses(self.alias)
            return alias.collection, state
        found = [(name, state) for name in self._built() if (state := self.read(name)) is not None]
        return max(found, key=lambda each: (each[1].complete, each[1].passages), default=None)

    def ensure(self, name: str) -> None:
        """Make the collection, and the tenant in it, unless they are there. Raises StoreError on somebody else's."""
        client = self._connections.client
        with told(self._server):
            if client.collections.exists(self.alias) and client.alias.get(alias_name=self.alias) is None:
                raise self._somebody_elses(self.alias)
            if client.collections.exists(name):
                check_schema(client.collections.use(name).config.get(), self._server, name)
            else:
                create(client, self._server, name)
            tenant = self._server.tenant
            if tenant is not None and not client.collections.use(name).tenants.exists(tenant):
                client.collections.use(name).tenants.create([tenant])

    def properties(self, name: str) -> set[str]:
        """The names of the collection's properties. Raises StoreError when the schema is not what ragc makes."""
        with told(self._server):
            config = self._connections.client.collections.use(name).config.get()
        return check_schema(config, self._server, name)

    def name(self, name: str) -> None:
        """Have the alias name this collection, where there is no alias yet."""
        client = self._connections.client
        with told(self._server):
            if client.alias.get(alias_name=self.alias) is None:
                client.alias.create(alias_name=self.alias, target_collection=name)

    def switch(self, name: str) -> None:
        """Have the alias name this collection, and delete what was built for it before."""
        client = self._connections.client
        with told(self._server):
            alias = client.alias.get(alias_name=self.alias)
            if alias is None:
                client.alias.create(alias_name=self.alias, target_collection=name)
            elif alias.collection != name:
                client.alias.update(alias_name=self.alias, new_target_collection=name)
            for other in self._built():
                if other != name:
                    self._delete(client, other)

    def _delete(self, client: Any, name: str) -> None:
        tenant = self._server.tenant
        if tenant is not None:
            tenants = client.collections.use(name).tenants
            if tenants.exists(tenant):
                tenants.remove([tenant])
            if tenants.get():
                return
        client.collections.delete(name)

    def _built(self) -> list[str]:
        with told(self._server):
            names = self._connections.client.collections.list_all(simple=True)
        return sorted(name for name in names if re.fullmatch(rf"{re.escape(self._stem)}_[0-9a-f]{{12}}", name))

    def _somebody_elses(self, name: str) -> StoreError:
        return StoreError(
            f"{self._server.shown}: {name} is a collection of somebody else's; add ?collection=NAME to `store`"
        )


STATE: dict[str, Any] = {"uuid": STATE_ID, "return_properties": ["state"]}
"""How the object with the state is asked for."""


def state_in(found: Any) -> State | None:
    """Return the state that the object holds, if it is there."""
    return None if found is None or not found.properties.get("state") else State.read(found.properties["state"])
