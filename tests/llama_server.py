"""llama.cpp's own server with the embedded model behind it: what tests ask that nobody here wrote."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from ragc.models import prepare_model
from ragc.models._weights import find_weights
from ragc.project import ModelSettings

MODEL = "smollm2-135m-instruct"
_SERVE = """
import sys, xllamacpp
params = xllamacpp.CommonParams()
params.model.path, params.model_alias = sys.argv[1], {sys.argv[2]}
params.n_parallel, params.n_ctx = 1, 2048
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
params.verbosity, params.ui, params.offline = -1, False, True
params.api_keys = [sys.argv[3]]
if sys.argv[4] == "embeddings":
    params.embedding, params.pooling_type = True, xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
server = xllamacpp.Server(params)
print(server.listening_address, flush=True)
sys.stdin.read()
"""


@contextmanager
def llama_server(key: str, *, embeddings: bool = False) -> Iterator[str]:
    """The address of the server, in a process of its own; it takes this key alone."""
    prepare_model(ModelSettings(model=f"local/{MODEL}"))
    weights = find_weights(MODEL)
    assert weights is not None
    with subprocess.Popen(
        [sys.executable, "-c", _SERVE, os.fspath(weights), MODEL, key, "embeddings" if embeddings else "answers"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdout is not None
        try:
            yield server.stdout.readline().strip()
        finally:
            server.kill()
