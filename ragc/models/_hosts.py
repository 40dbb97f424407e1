"""The providers that ragc asks by itself, without an SDK: where they listen and which variable holds their key."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Host:
    """A provider's public endpoint."""

    provider: str
    """What its model strings begin with."""
    url: str
    """Where it listens, where no `base_url` is given."""
    variables: tuple[str, ...]
    """The environment variables that may hold its key."""


OPENAI = Host("openai", "https://api.openai.com/v1", ("OPENAI_API_KEY",))
COHERE = Host("cohere", "https://api.cohere.com/v2", ("COHERE_API_KEY", "CO_API_KEY"))
VOYAGE = Host("voyage", "https://api.voyageai.com/v1", ("VOYAGE_API_KEY",))
