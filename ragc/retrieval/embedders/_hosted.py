"""`openai/…`, `cohere/…`, `voyage/…`: an embedder behind a provider's endpoint, or any that speaks such a wire.

Texts are sent many at a time, within the limits of the provider, and vectors are normalised. A text whose vector the
run's journal has is sent to nobody, whatever it was sent with then. A request that is refused
for what is in it is halved until one text is left, so that the text that does not fit can be named, and so that an
endpoint may have smaller limits of its own. Documents and questions are embedded each in its own way where the provider
has one for each.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from ragc._files import digest
from ragc.errors import ExampleError
from ragc.retrieval._query import Vector
from ragc.retrieval.embedders._embedder import NotEmbedded

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ragc.models import Embedded, Embeddings, Use
    from ragc.retrieval._store import MadeWith

_PROBE = "dimensions"


class Hosted:
    """The embedder; see `Embedder` for the contract. Raises ModelError where it is refused for good."""

    def __init__(self, endpoint: Embeddings, *, held: Callable[[], MadeWith | None] | None = None) -> None:
        """`held` tells what the index was made with, for a model whose number of dimensions nobody else knows."""
        settings = endpoint.settings
        self.name = settings.model
        self._endpoint = endpoint
        self._held = held
        own = endpoint.wire.own_dimensions(endpoint.route.model)
        self._stated = settings.dimensions or own
        self._shorten_to = settings.dimensions if settings.dimensions != own else None
        self._found: int | None = None

    @property
    def fingerprint(self) -> str:
        """A digest of model, dimensions and input types; where it is reached is no part of it."""
        parts = [self.name, str(self._stated or "its own"), *self._endpoint.wire.uses.values()]
        return digest("\0".join(parts).encode())

    @property
    def dimensions(self) -> int:
        """The length of a vector. Where neither table nor index tell, the endpoint is asked with one word."""
        return self._known() or len(self.embed_query(_PROBE))

    def embed_documents(self, texts: list[str]) -> NDArray[np.float32]:
        """See Embedder. Raises NotEmbedded for a text that the endpoint refuses."""
        import numpy as np

        clean = [_encodable(text) for text in texts]
        vectors = np.zeros((len(texts), self.dimensions), dtype=np.float32)

        def place(number: int, vector: array[float]) -> None:
            exact = np.asarray(vector, dtype=np.float64)
            vectors[number] = exact / np.linalg.norm(exact)

        missing = {number: text for number, text in enumerate(clean) if text.strip()}
        for number, vector in self._endpoint.held(dict(missing), self._shorten_to, "document"):
            if len(vector) == vectors.shape[1]:
                place(number, vector)
                del missing[number]
        for batch in self._batches(missing):
            for number, vector in self._embedded(clean, batch):
                place(number, vector)
        return vectors

    def embed_query(self, text: str) -> Vector:
        """See Embedder. Raises ExampleError for a question that the endpoint refuses."""
        clean = _encodable(text)
        if not clean.strip():
            return array("f", bytes(4 * self.dimensions))
        (vector,) = self._asked([clean], "query").vectors
        length = math.hypot(*vector)
        return array("f", [number / length for number in vector])

    def count_tokens(self, text: str) -> int:
        """See Embedder. An estimate, four bytes to a token: the tokenizer is the endpoint's."""
        return -(-len(_encodable(text).encode()) // 4)

    def calls(self, texts: list[str]) -> int:
        """See Embedder."""
        clean = (_encodable(text) for text in texts)
        return sum(1 for _ in self._batches({number: text for number, text in enumerate(clean) if text.strip()}))

    def unpaid(self, texts: list[str]) -> list[str]:
        """Return the texts whose vectors the run's journal lacks, of those that anybody would be asked for."""
        asked = {number: clean for number, text in enumerate(texts) if (clean := _encodable(text)).strip()}
        held = self._endpoint.are_held(asked, self._shorten_to, "document")
        return [texts[number] for number in asked if number not in held]

    def close(self) -> None:
        """See Embedder."""
        self._endpoint.close()

    def _embedded(self, texts: Sequence[str], batch: Sequence[int]) -> Iterator[tuple[int, array[float]]]:
        """The vectors of the texts with these numbers."""
        try:
            yield from zip(batch, self._asked([texts[number] for number in batch], "document").vectors, strict=True)
        except ExampleError as error:
            if error.transient:
                raise
            if len(batch) == 1:
                raise NotEmbedded(str(error), batch[0]) from error
            half = len(batch) // 2
            yield from self._embedded(texts, batch[:half])
            yield from self._embedded(texts, batch[half:])

    def _asked(self, texts: list[str], use: Use) -> Embedded:
        known = self._known()
        embedded = self._endpoint.embed(self._endpoint.request(texts, self._shorten_to, use), known)
        self._found = embedded.dimensions
        return embedded

    def _known(self) -> int | None:
        """The length of a vector, as far as it is known without asking for one."""
        if self._stated is None and self._found is None and self._held is not None:
            held = self._held()
            if held is not None and held.fingerprint == self.fingerprint:
                self._found = held.dimensions
        return self._stated or self._found

    def _batches(self, texts: Mapping[int, str]) -> Iterator[list[int]]:
        """Numbers of the texts, none of them blank, that go into one request each."""
        most_texts, most_bytes = self._endpoint.most_texts, self._endpoint.most_tokens
        batch: list[int] = []
        size = 0
        for number, text in texts.items():
            bytes_ = len(text.encode())
            if batch and (len(batch) == most_texts or size + bytes_ > most_bytes):
                yield batch
                batch, size = [], 0
            batch.append(number)
            size += bytes_
        if batch:
            yield batch


def _encodable(text: str) -> str:
    # JSON can spell half a surrogate pair, the wire cannot.
    return text.encode("utf-8", "replace").decode("utf-8")
