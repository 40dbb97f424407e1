"""`local/wordllama-256`: the static embedding model that the wordllama package carries.

A text's vector is the mean of its tokens' vectors, normalised. The weights and the tokenizer are read from the
package's folder and its code is not imported: the vectors are the same to the last bit, five times as fast (it pads
every batch to its longest text), and its import would configure the root logger and can reach for the network.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ragc.errors import ModelError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from tokenizers import Tokenizer

_WEIGHTS = Path("weights", "l2_supercat_256.safetensors")
_TOKENIZER = Path("tokenizers", "l2_supercat_tokenizer_config.json")
_BATCH = 256


@dataclass(frozen=True, eq=False)
class _Model:
    table: NDArray[np.float32]
    tokenizer: Tokenizer


class WordLlama:
    """The embedder; see `Embedder` for the contract."""

    name = "local/wordllama-256"
    dimensions = 256

    @cached_property
    def fingerprint(self) -> str:
        """A digest of name, dimensions, weights and tokenizer."""
        parts = [self.name, str(self.dimensions), _file_digest(_WEIGHTS), _file_digest(_TOKENIZER)]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()

    def embed_documents(self, texts: list[str]) -> NDArray[np.float32]:
        """See Embedder."""
        model = _model()
        vectors = np.zeros((len(texts), self.dimensions), dtype=np.float32)
        for begin in range(0, len(texts), _BATCH):
            batch = [_encodable(text) for text in texts[begin : begin + _BATCH]]
            for row, encoding in enumerate(model.tokenizer.encode_batch_fast(batch, add_special_tokens=False), begin):
                vectors[row] = _pooled(model.table, encoding.ids)
        return vectors

    def embed_query(self, text: str) -> NDArray[np.float32]:
        """See Embedder."""
        model = _model()
        return _pooled(model.table, model.tokenizer.encode(_encodable(text), add_special_tokens=False).ids)

    def count_tokens(self, text: str) -> int:
        """See Embedder."""
        return len(_model().tokenizer.encode(_encodable(text), add_special_tokens=False).ids)


def _pooled(table: NDArray[np.float32], ids: list[int]) -> NDArray[np.float32]:
    if not ids:
        return np.zeros(table.shape[1], dtype=np.float32)
    mean: NDArray[np.float32] = table[ids].mean(axis=0)
    length = np.linalg.norm(mean)
    return mean / length if length > 0 else mean


def _encodable(text: str) -> str:
    # The tokenizer refuses half a surrogate pair, which JSON can spell.
    return text.encode("utf-8", "replace").decode("utf-8")


@lru_cache(maxsize=1)
def _model() -> _Model:
    # Parallel tokenizing gains nothing here and makes every later fork print a warning.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    from safetensors import SafetensorError, safe_open
    from tokenizers import Tokenizer

    try:
        with safe_open(_found(_WEIGHTS), framework="numpy") as weights:
            table = np.ascontiguousarray(weights.get_tensor("embedding.weight").astype(np.float32))
        tokenizer = Tokenizer.from_file(str(_found(_TOKENIZER)))
    except (OSError, SafetensorError) as error:
        raise ModelError(f"the wordllama package is damaged ({error}); install it anew") from error
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return _Model(table, tokenizer)


@lru_cache(maxsize=2)
def _file_digest(name: Path) -> str:
    with _found(name).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _found(name: Path) -> Path:
    package = importlib.util.find_spec("wordllama")
    for folder in (package.submodule_search_locations or ()) if package else ():
        if (path := Path(folder) / name).is_file():
            return path
    raise ModelError(f"local/wordllama-256: {name} of the wordllama package is missing; pip install wordllama")
