"""Which database, and how it is reached: the URL's parts and parameters, checked."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, urlencode

from ragc.errors import ConfigError
from ragc.retrieval.stores._address import Address

_OURS = ("schema", "collection")


@dataclass(frozen=True)
class Server:
    """A PostgreSQL database. Makes no connection."""

    shown: str
    """Its address for messages."""
    conninfo: str
    """For libpq; may hold a password. What it leaves out is libpq's to find: PGPASSWORD, ~/.pgpass, PGHOST …"""
    schema: str
    """The schema that holds ragc's tables and nothing else."""
    owner: str | None
    """What stands in place of the project's name."""

    @classmethod
    def at(cls, address: Address) -> Server:
        """Read the address. Raises ConfigError, naming the part that is wrong."""
        import psycopg
        from psycopg.conninfo import conninfo_to_dict

        place, _, parameters = address.rest.partition("?")
        given = parse_qsl(parameters, keep_blank_values=True)
        ours: dict[str, str] = {}
        for name, value in given:
            if name in _OURS and (name in ours or not value):
                raise ConfigError(f"store {address.shown}: {name} takes one value")
            if name in _OURS:
                ours[name] = value
        schema = ours.get("schema", "ragc")
        if not re.fullmatch(r"[a-z_][a-z0-9_]{0,50}", schema):
            raise ConfigError(
                f"store {address.shown}: schema is a name of small letters, digits and underscores, not {schema!r}"
            )
        rest = urlencode([pair for pair in given if pair[0] not in _OURS], quote_via=quote)
        conninfo = f"postgresql://{place}{'?' if rest else ''}{rest}"
        try:
            conninfo_to_dict(conninfo)
        except psycopg.ProgrammingError as error:
            said = re.sub(r"\s+", " ", str(error)).strip()
            # libpq quotes the whole address where it cannot take it apart.
            reason = said if "URI query parameter" in said else "host, port, database or a parameter cannot be read"
            raise ConfigError(
                f"store {address.shown}: {reason}; write postgresql://user@host:5432/database?schema=NAME"
            ) from error
        return cls(address.shown, conninfo, schema, ours.get("collection"))
