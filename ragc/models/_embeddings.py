"""An embedding endpoint: one request, from texts to their vectors.

What comes back is read with care, because an endpoint may send its vectors in any order, too few of them, of another
length, or with NaN in them, and each of these is one line and no vector.
"""

from __future__ import annotations

import base64
import math
import sys
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ragc._secrets import redact
from ragc.errors import ConfigError
from ragc.models._embedding_wires import WIRES, EmbeddingWire, Use
from ragc.models._errors import CallFailed, ModelRefused
from ragc.models._kinds import BadReply
from ragc.models._prices import find_price, require_price
from ragc.models._remote import Remote, Reply
from ragc.models._replies import bad_reply

if TYPE_CHECKING:
    from ragc.models.gateway import Gateway
    from ragc.models.gateway._retry import Retry
    from ragc.project import EmbedderSettings


@dataclass(frozen=True)
class Embedded:
    """The vectors of some texts, as the endpoint gave them."""

    vectors: tuple[array[float], ...]
    """Float32, all of one length, in the order of the texts; not normalised."""
    model: str
    """The model that says it answered."""
    input_tokens: int | None
    """None: not reported."""

    @property
    def dimensions(self) -> int:
        """The length of a vector."""
        return len(self.vectors[0]) if self.vectors else 0

    def as_json(self) -> dict[str, Any]:
        """The reply as the journal keeps it: the vectors in one string, and not as decimal text of thrice the size."""
        data = b"".join(_little_endian(vector).tobytes() for vector in self.vectors)
        return {
            "model": self.model,
            "dimensions": self.dimensions,
            "vectors": base64.b64encode(data).decode("ascii"),
            "input_tokens": self.input_tokens,
        }

    @classmethod
    def from_json(cls, reply: Mapping[str, Any]) -> Embedded:
        """What `as_json` wrote."""
        numbers = _numbers(reply["vectors"])
        size = int(reply["dimensions"])
        vectors = tuple(numbers[start : start + size] for start in range(0, len(numbers), size or 1))
        return cls(vectors, str(reply["model"]), reply["input_tokens"])


class Embeddings(Remote):
    """An endpoint of `openai/…`, `cohere/…` or `voyage/…`, or one that speaks the wire of one of these."""

    def __init__(
        self, settings: EmbedderSettings, *, gateway: Gateway | None = None, retry: Retry | None = None
    ) -> None:
        """See Remote. Raises ConfigError as well, for a number of dimensions that the model does not have."""
        provider, _, model = settings.model.partition("/")
        if provider not in WIRES:
            raise ConfigError(f"embedder {settings.model}: no such wire; known: {', '.join(WIRES)}")
        self.wire: EmbeddingWire = WIRES[provider]
        self.wire.check_dimensions(settings.model, model, settings.dimensions)
        self.settings = settings
        super().__init__(settings, self.wire, gateway=gateway, retry=retry)

    def require_price(self) -> None:
        """See Remote."""
        require_price(self.settings, find_price(self.settings))

    @property
    def most_texts(self) -> int:
        """Texts that one request may hold."""
        return self.wire.most_texts

    @property
    def most_tokens(self) -> int:
        """Tokens that one request may hold."""
        return self.wire.most_tokens(self.route.model)

    def request(self, texts: Sequence[str], shorten_to: int | None = None, use: Use = "document") -> dict[str, Any]:
        """What is asked; `shorten_to` is the number of dimensions that the model is asked for."""
        return self.wire.request(self.route.model, texts, use, shorten_to)

    def texts_of(self, request: Mapping[str, Any]) -> list[str]:
        """The texts of a request."""
        texts: list[str] = request[self.wire.texts]
        return texts

    def embed(self, request: Mapping[str, Any], dimensions: int | None = None) -> Embedded:
        """The vectors for the texts of `request`. Raises as `check` does, and what a failure means after the retries.

        In a run they come through its gateway; otherwise they leave no trace.
        """
        if self.gateway is not None:
            return self.gateway.embed(self, request, dimensions)
        embedded = self._tried(lambda: self.send(request))
        self.check(embedded, dimensions)
        return embedded

    def held(self, texts: Mapping[int, str], shorten_to: int | None, use: Use) -> Iterator[tuple[int, array[float]]]:
        """Yield the vectors that the run's journal has of these texts, by their numbers. Nothing is sent."""
        if self.gateway is not None and texts:
            yield from self.gateway.vectors(self, self._alone(texts, shorten_to, use))

    def are_held(self, texts: Mapping[int, str], shorten_to: int | None, use: Use) -> set[int]:
        """The numbers of the texts that `held` would yield, for estimates: no vector is read."""
        if self.gateway is None or not texts:
            return set()
        return self.gateway.embedded(self, self._alone(texts, shorten_to, use))

    def _alone(self, texts: Mapping[int, str], shorten_to: int | None, use: Use) -> dict[int, dict[str, Any]]:
        return {number: self.request([text], shorten_to, use) for number, text in texts.items()}

    def send(self, request: Mapping[str, Any]) -> Embedded:
        """One attempt, within `timeout` seconds in all. Raises lm15's errors (see `ragc.models._kinds`)."""
        reply = self._post(self.wire.path, {**request, **self.wire.always})
        return _read(reply, self.wire, len(self.texts_of(request)))

    def check(self, embedded: Embedded, dimensions: int | None) -> None:
        """Raises where the vectors are none that can be searched with.

        ModelError: they have another length than `dimensions`, as all others will. ExampleError: of one, nothing can be
        said (NaN, infinity, zero).
        """
        model, found = self.settings.model, embedded.dimensions
        if dimensions is not None and found != dimensions:
            raise ModelRefused(
                f"{model}: the endpoint answers with vectors of {found} dimensions, not {dimensions}: set dimensions "
                "in the embedder's table to what it has, or base_url to where the model is"
            )
        lengths = [math.hypot(*vector) for vector in embedded.vectors]
        if all(math.isfinite(length) and length > 0 for length in lengths):
            return
        zero = any(length == 0 for length in lengths)
        failed = CallFailed(f"{model}: the endpoint answered with a vector {'of zeros' if zero else 'that holds NaN'}")
        failed.transient = False
        raise failed


def _read(reply: Reply, wire: EmbeddingWire, count: int) -> Embedded:
    """The reply to a request for `count` texts. Raises BadReply for what is none."""
    body, status = reply.read(), reply.status
    given = wire.given(body)
    if given is None:
        raise bad_reply(body, status)
    places = [one.get("index", place) for place, one in enumerate(given)]
    if len(given) != count or {place for place in places if isinstance(place, int)} != set(range(count)):
        raise BadReply(f"the reply holds {len(given)} vectors for {count} texts", status=status)
    try:
        placed = {place: _numbers(one["embedding"]) for place, one in zip(places, given, strict=True)}
    except (TypeError, ValueError, OverflowError):
        raise BadReply("the reply holds a vector that is no list of numbers", status=status) from None
    vectors = tuple(placed[place] for place in range(count))
    if not vectors[0] or any(len(vector) != len(vectors[0]) for vector in vectors):
        raise BadReply("the reply holds vectors of different lengths", status=status)
    return Embedded(vectors, redact(str(body.get("model") or "")), wire.tokens(body))


def _numbers(embedding: Any) -> array[float]:
    """A vector as float32, from base64 or a list of numbers. Raises TypeError or ValueError for anything else."""
    if isinstance(embedding, str):
        return _little_endian(array("f", base64.b64decode(embedding, validate=True)))
    if isinstance(embedding, list):
        return array("f", embedding)
    raise TypeError(type(embedding).__name__)


def _little_endian(vector: array[float]) -> array[float]:
    """The numbers from, or for, the wire, whose bytes are in this order on every machine."""
    if sys.byteorder == "big":
        vector = vector[:]
        vector.byteswap()
    return vector
