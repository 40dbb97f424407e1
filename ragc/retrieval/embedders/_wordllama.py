"""`local/wordllama-256`: the static embedding model that the wordllama package carries.

A text's vector is the mean of its tokens' vectors, normalised. The weights and the tokenizer are read from the
package's folder and its code is not imported: the vectors are the same to the last bit, five times as fast (it pads
every batch to its longest text), and its import would configure the root logger and can reach for the network.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import math
import mmap
import os
import struct
from array import array
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from ragc.errors import ModelError
from ragc.retrieval._query import Vector

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from tokenizers import Tokenizer

_WEIGHTS = Path("weights", "l2_supercat_256.safetensors")
_TOKENIZER = Path("tokenizers", "l2_supercat_tokenizer_config.json")
_TENSOR = "embedding.weight"
_BATCH = 256
_LONG = 512
"""Tokens from which numpy is faster, its import included."""


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
        import numpy as np

        table, tokenizer = _table(), _tokenizer()
        vectors = np.zeros((len(texts), self.dimensions), dtype=np.float32)
        for begin in range(0, len(texts), _BATCH):
            batch = [_encodable(text) for text in texts[begin : begin + _BATCH]]
            for row, encoding in enumerate(tokenizer.encode_batch_fast(batch, add_special_tokens=False), begin):
                vectors[row] = _pooled(table, encoding.ids)
        return vectors

    def embed_query(self, text: str) -> Vector:
        """See Embedder. Unlike documents, without numpy and without reading the whole table."""
        ids = _tokenizer().encode(_encodable(text), add_special_tokens=False).ids
        if len(ids) > _LONG:
            return _pooled(_table(), ids)
        rows = _Rows.opened()
        sums = [sum(column) for column in zip(*map(rows.row, ids), strict=True)] or [0.0] * self.dimensions
        length = math.hypot(*sums)
        return array("f", [number / length for number in sums] if length > 0 else sums)

    def count_tokens(self, text: str) -> int:
        """See Embedder."""
        return len(_tokenizer().encode(_encodable(text), add_special_tokens=False).ids)

    def calls(self, texts: list[str]) -> int:
        """See Embedder. None: it runs in this process."""
        return 0

    def close(self) -> None:
        """See Embedder. There are none."""


class _Rows:
    """The vectors of single tokens, read from the file where they stand."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            self._mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        # A safetensors file: the length of the header, the header as JSON, the numbers.
        start = 8 + int.from_bytes(self._mapped[:8], "little")
        tensor = json.loads(self._mapped[8:start])[_TENSOR]
        if tensor["dtype"] != "F16":
            raise ValueError(f"{tensor['dtype']} numbers, expected F16")
        self._start = start + int(tensor["data_offsets"][0])
        self._row = struct.Struct(f"<{tensor['shape'][1]}e")

    @staticmethod
    @lru_cache(maxsize=1)
    def opened() -> _Rows:
        """Raises ModelError when the file is missing or damaged."""
        try:
            return _Rows(_found(_WEIGHTS))
        except (OSError, ValueError, KeyError) as error:
            raise _damaged(error) from error

    def row(self, token: int) -> tuple[float, ...]:
        """Return a token's vector."""
        return self._row.unpack_from(self._mapped, self._start + token * self._row.size)


def _pooled(table: NDArray[np.float32], ids: list[int]) -> NDArray[np.float32]:
    import numpy as np

    if not ids:
        return np.zeros(table.shape[1], dtype=np.float32)
    mean: NDArray[np.float32] = table[ids].mean(axis=0)
    length = np.linalg.norm(mean)
    return mean / length if length > 0 else mean


def _encodable(text: str) -> str:
    # The tokenizer refuses half a surrogate pair, which JSON can spell.
    return text.encode("utf-8", "replace").decode("utf-8")


@lru_cache(maxsize=1)
def _table() -> NDArray[np.float32]:
    import numpy as np
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(_found(_WEIGHTS), framework="numpy") as weights:
            return np.ascontiguousarray(weights.get_tensor(_TENSOR).astype(np.float32))
    except (OSError, SafetensorError) as error:
        raise _damaged(error) from error


@lru_cache(maxsize=1)
def _tokenizer() -> Tokenizer:
    # Parallel tokenizing gains nothing here and makes every later fork print a warning.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(_found(_TOKENIZER)))
    except OSError as error:
        raise _damaged(error) from error
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def _damaged(error: Exception) -> ModelError:
    return ModelError(f"the wordllama package is damaged ({error}); install it anew")


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
