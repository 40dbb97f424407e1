"""Weights of an embedder that runs in this process: loaded once in each, and checked in what they say."""

from __future__ import annotations

import hashlib
import os
import threading
import weakref
from array import array
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ragc._extras import Extra
from ragc.errors import ModelError
from ragc.retrieval._query import Vector
from ragc.retrieval.embedders._embedder import NotEmbedded

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Model = TypeVar("Model")

_MARKS = 32
"""Tokens that a model puts around a text, at most."""


class Loaded(Generic[Model]):
    """A model that is loaded at its first use: a forked process loads its own, whose threads are alive."""

    def __init__(self, load: Callable[[], Model]) -> None:
        self._load = load
        self.forget()
        _LOADED.add(self)

    def forget(self) -> None:
        """Lets the weights go."""
        self._lock = threading.Lock()
        self._model: Model | None = None

    def __call__(self) -> Model:
        """Raises what `load` does."""
        if self._model is None:
            with self._lock:
                if self._model is None:
                    # Parallel tokenizing gains nothing here and makes every later fork print a warning.
                    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
                    self._model = self._load()
        return self._model


_LOADED: weakref.WeakSet[Loaded[Any]] = weakref.WeakSet()


def _after_fork() -> None:
    for loaded in list(_LOADED):
        loaded.forget()


os.register_at_fork(after_in_child=_after_fork)


FASTEMBED = Extra("fastembed", ("fastembed",), "embedders fastembed/NAME")
SENTENCE_TRANSFORMERS = Extra(
    "sentence-transformers", ("sentence_transformers",), "embedders sentence-transformers/NAME"
)
EXTRAS = (FASTEMBED, SENTENCE_TRANSFORMERS)
"""What embedders in this process need and ragc does not bring along."""


def require_extra(name: str, extra: Extra) -> None:
    """Raises ModelError, with the command to type, where the library of an extra is not installed."""
    if extra.lacking:
        raise ModelError(f"{name} needs the library {extra.name}: {extra.install}")


def digest_of(name: str, dimensions: int, files: Iterable[Path]) -> str:
    """A digest of what vectors depend on. Raises ModelError for a file that cannot be read."""
    parts = [name, str(dimensions)]
    for file in files:
        try:
            about = file.stat()
            parts.append(f"{file.name} {_file_digest(file, about.st_size, about.st_mtime_ns)}")
        except OSError as error:
            raise ModelError(f"{name}: {file} cannot be read ({error.strerror})") from error
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def unit(name: str, vectors: NDArray[np.float32], dimensions: int) -> NDArray[np.float32]:
    """`vectors` at unit length. Raises NotEmbedded for one that says nothing, ModelError for another number."""
    import numpy as np

    if vectors.ndim != 2 or vectors.shape[1] != dimensions:
        raise ModelError(f"{name} gives vectors of {vectors.shape[-1]} dimensions, not {dimensions}: set dimensions")
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1)
    for number, length in enumerate(lengths):
        if not np.isfinite(length):
            raise NotEmbedded(f"{name}: the vector of a text holds NaN", number)
        if length == 0:
            raise NotEmbedded(f"{name}: the vector of a text is zeros", number)
    unit_vectors: NDArray[np.float32] = (vectors / lengths[:, None]).astype(np.float32)
    return unit_vectors


def embedded(
    name: str,
    texts: Sequence[str],
    dimensions: int,
    *,
    embed: Callable[[list[str]], NDArray[np.float32]],
    tokens: Callable[[str], int],
    longest: int | None,
) -> NDArray[np.float32]:
    """The vectors of `texts`; one with nothing in it gets zeros.

    Raises NotEmbedded for a text of more than `longest` tokens: the model would read its beginning alone.
    """
    import numpy as np

    vectors = np.zeros((len(texts), dimensions), dtype=np.float32)
    asked = [number for number, text in enumerate(texts) if text.strip()]
    clean = [encodable(texts[number]) for number in asked]
    for number, text in zip(asked, clean, strict=True):
        # A token has at least a byte, marks around the text apart: only what may be too long is counted.
        if longest is not None and len(text.encode()) + _MARKS > longest and (count := tokens(text)) > longest:
            raise NotEmbedded(f"{name}: a text has {count:,} tokens, more than the {longest:,} that it reads", number)
    if clean:
        try:
            vectors[asked] = unit(name, embed(clean), dimensions)
        except NotEmbedded as error:
            raise NotEmbedded(str(error), asked[error.number]) from None
    return vectors


def no_vector(dimensions: int) -> Vector:
    """What a question with nothing in it gets."""
    return array("f", bytes(4 * dimensions))


def encodable(text: str) -> str:
    """`text` without halves of surrogate pairs, which JSON can spell and tokenizers refuse."""
    return text.encode("utf-8", "replace").decode("utf-8")


@lru_cache(maxsize=64)
def _file_digest(path: Path, size: int, changed: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
