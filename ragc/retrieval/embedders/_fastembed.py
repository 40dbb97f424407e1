"""`fastembed/NAME`: the ONNX models that the fastembed library knows, run in this process.

The library would fetch weights by itself; here it is shown the folder where they are and told to stay offline.
"""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragc.errors import ConfigError, ExampleError, ModelError
from ragc.retrieval._query import Vector
from ragc.retrieval.embedders._embedder import NotEmbedded
from ragc.retrieval.embedders._weights import (
    FASTEMBED,
    Loaded,
    digest_of,
    embedded,
    encodable,
    no_vector,
    require_extra,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ragc.project import EmbedderSettings

PREFIX = "fastembed/"
_BATCH = 64
"""Texts that are run at once: a batch is padded to its longest."""
_TOKENIZERS = ("config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")


class FastEmbed:
    """The embedder; see `Embedder` for the contract."""

    def __init__(self, settings: EmbedderSettings) -> None:
        self.name = settings.model
        self._model_name = settings.model.removeprefix(PREFIX)
        self._asked = settings.dimensions
        self._model: Loaded[Any] = Loaded(self._load)

    def check(self) -> None:
        """Raises ModelError where library or weights are missing, ConfigError on a model or dimensions it has not."""
        require_extra(self.name, FASTEMBED)
        if self._asked not in (None, self.dimensions):
            raise ConfigError(f"embedder {self.name} has {self.dimensions} dimensions, not {self._asked}")
        _ = self._folder

    @cached_property
    def fingerprint(self) -> str:
        """A digest of name, dimensions, weights and tokenizer."""
        files = [self._folder / name for name in (self._about["model_file"], *_TOKENIZERS)]
        return digest_of(self.name, self.dimensions, [file for file in files if file.is_file()])

    @property
    def dimensions(self) -> int:
        """See Embedder."""
        return int(self._about["dim"])

    def embed_documents(self, texts: list[str]) -> NDArray[np.float32]:
        """See Embedder. Raises NotEmbedded for a text that is longer than the model reads."""
        import numpy as np

        def embed(clean: list[str]) -> NDArray[np.float32]:
            return np.stack(list(self._model().passage_embed(clean, batch_size=_BATCH)))

        return embedded(self.name, texts, self.dimensions, embed=embed, tokens=self.count_tokens, longest=self._longest)

    def embed_query(self, text: str) -> Vector:
        """See Embedder. Raises ExampleError for a question that is longer than the model reads."""
        import numpy as np

        if not text.strip():
            return no_vector(self.dimensions)

        def embed(clean: list[str]) -> NDArray[np.float32]:
            return np.stack(list(self._model().query_embed(clean)))

        try:
            vectors = embedded(
                self.name, [text], self.dimensions, embed=embed, tokens=self.count_tokens, longest=self._longest
            )
        except NotEmbedded as error:
            raise ExampleError(str(error)) from error
        question: NDArray[np.float32] = vectors[0]
        return question

    def count_tokens(self, text: str) -> int:
        """See Embedder. Its own marks around a text are counted as well."""
        encoding = self._tokenizer.encode(encodable(text))
        more = (part.special_tokens_mask.count(0) for part in encoding.overflowing)  # each has marks of its own
        return int(len(encoding.ids) + sum(more))

    def calls(self, texts: list[str]) -> int:
        """See Embedder. None: it runs in this process."""
        return 0

    def close(self) -> None:
        """See Embedder. There are no connections."""

    @cached_property
    def _about(self) -> dict[str, Any]:
        """What the library says about the model."""
        require_extra(self.name, FASTEMBED)
        from fastembed import TextEmbedding

        known = {str(one["model"]).lower(): one for one in TextEmbedding.list_supported_models()}
        found = known.get(self._model_name.lower())
        if found is None:
            near = [one["model"] for name, one in known.items() if self._model_name.lower().split("/")[-1] in name]
            some = near or [one["model"] for one in known.values() if str(one["model"]).endswith("-v1.5")]
            raise ConfigError(
                f"unknown embedder {self.name!r}: fastembed knows {', '.join(map(str, some[:5]))} and others"
            )
        return dict(found)

    @cached_property
    def _folder(self) -> Path:
        """Where the weights are. Raises ModelError, with the command to fetch them, where they are not."""
        return Path(self._open(lazy=True).model._model_dir)

    @property
    def _longest(self) -> int | None:
        truncation = self._tokenizer.truncation
        return int(truncation["max_length"]) if truncation else None

    @property
    def _tokenizer(self) -> Any:
        return self._model().model.tokenizer

    def _load(self) -> Any:
        return self._open(lazy=False)

    def _open(self, *, lazy: bool) -> Any:
        about = self._about
        from fastembed import TextEmbedding
        from loguru import logger

        logger.disable("fastembed")  # what it says goes to stderr, and is said here in one line
        try:
            return TextEmbedding(about["model"], cache_dir=_cache(), local_files_only=True, lazy_load=lazy)
        except Exception as error:  # the library raises anything for weights that it does not find
            source = about["sources"]["hf"] or about["model"]
            raise ModelError(
                f"{self.name}: its weights are not in {_cache()}: fetch them once with `hf download {source}`, or set "
                "FASTEMBED_CACHE_PATH to where they are"
            ) from error
        finally:
            logger.enable("fastembed")


def _cache() -> str:
    from huggingface_hub.constants import HF_HUB_CACHE

    return os.environ.get("FASTEMBED_CACHE_PATH") or str(HF_HUB_CACHE)
