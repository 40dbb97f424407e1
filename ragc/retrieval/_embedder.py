"""What an embedder is, and how a name in the configuration becomes one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from ragc.errors import ConfigError
from ragc.retrieval._query import Vector

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ragc.project import EmbedderSettings

KNOWN = ("local/wordllama-256",)
"""The embedders there are, for messages."""


class Embedder(Protocol):
    """Turns texts into vectors of unit length, so that their dot product is their cosine similarity.

    Vectors are float32. A text in which the embedder knows nothing gets a vector of zeros. Order is kept. Every
    method may be called from many threads at once, and after a fork.
    """

    @property
    def name(self) -> str:
        """The name in the configuration."""

    @property
    def fingerprint(self) -> str:
        """A digest of everything that the vectors depend on; two embedders that share it give the same vectors."""

    @property
    def dimensions(self) -> int:
        """The length of a vector."""

    def embed_documents(self, texts: list[str]) -> NDArray[np.float32]:
        """Return an array of shape (len(texts), dimensions)."""

    def embed_query(self, text: str) -> Vector:
        """Return `dimensions` numbers; they may differ from a document's of the same text by float32 rounding."""

    def count_tokens(self, text: str) -> int:
        """Return how many tokens the embedder sees in `text`: the unit of `chunk = { by = "tokens" }`."""


def make_embedder(settings: EmbedderSettings) -> Embedder:
    """Return the embedder; its weights are loaded at first use. Raises ConfigError on an unknown one."""
    if settings.model == "local/wordllama-256":
        from ragc.retrieval._wordllama import WordLlama

        given = [key for key in ("base_url", "api_key_env") if getattr(settings, key) is not None]
        if given:
            raise ConfigError(f"embedder {settings.model} runs in this process and takes no {given[0]}; take it out")
        if settings.dimensions not in (None, WordLlama.dimensions):
            raise ConfigError(f"embedder {settings.model} has 256 dimensions, not {settings.dimensions}")
        return WordLlama()
    raise ConfigError(f"unknown embedder {settings.model!r}; known: {', '.join(KNOWN)}")


def is_local(settings: EmbedderSettings) -> bool:
    """Return whether the embedder runs in this process, without a call that costs or can fail."""
    return settings.model.startswith("local/")
