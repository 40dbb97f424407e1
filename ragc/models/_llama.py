"""GGUF models in memory: llama.cpp servers, one thread each for a small model, shared by the process.

A small model gains little from threads that work on one call together and loses a lot when the machine is busy, because
they wait for one another at every step: measured on 2 cores with other work, 17 s a call with two threads, 3.2 s with
one. So each worker has one thread, and calls run side by side. A worker decodes one call at a time: calls decoded
together change the last bits of each other's probabilities, and an answer now and then.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import http.client
import json
import math
import os
import secrets
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ragc.models._errors import ModelRefused

SMALL = 500_000_000
"""Bytes of a file up to which several workers are loaded; a larger model has one, with all cores."""
MOST_WORKERS = 8

Pools = dict[tuple[Path, int, int | None], "Pool"]


class Worker:
    """One llama.cpp server object. Not for two threads at once."""

    def __init__(self, path: Path, context: int, threads: int) -> None:
        """Loads the file. Raises ModelError when llama.cpp cannot."""
        import xllamacpp

        self.last = ""
        """The prompt that was seen last; what a new one has in common with it at the beginning is not read again."""
        self._key = secrets.token_urlsafe(24)
        params = xllamacpp.CommonParams()
        params.model.path = str(path)
        params.n_parallel = 1
        params.n_ctx = context
        for cores in (params.cpuparams, params.cpuparams_batch):
            cores.n_threads = threads
            cores.poll = 0
        # Flash attention groups its sums by how much of the prompt is new: measured, 4 answers of 12 changed with
        # what was asked before. Without it none does, for 4% more time on prompts that share a beginning.
        params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
        params.cache_ram_mib = 0
        params.verbosity = -1
        params.warmup = False
        params.ui = False
        params.offline = True
        params.api_keys = [self._key]  # the server also listens on loopback: for nobody else
        try:
            self._server: Any = xllamacpp.Server(params)
        except Exception as error:  # whatever the binding raises, the file is what can be changed
            raise ModelRefused(f"{path}: llama.cpp cannot load it ({error}): is it a GGUF model?") from error
        # Never freed: its threads are not there in a forked child, and freeing it would wait for them for ever.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._server))
        if _inherited:
            _end_without_exit_handlers()

    def complete(self, asked: dict[str, Any]) -> dict[str, Any]:
        """llama.cpp's answer to a raw prompt (`prompt`) or a conversation (`messages`)."""
        # The very same prompt is read anew: of one in memory the last token alone is computed, which rounds otherwise.
        asked = {**asked, "cache_prompt": self.last != beginning(asked)}
        self.last = beginning(asked)
        handle = self._server.handle_completions if "prompt" in asked else self._server.handle_chat_completions
        answer: dict[str, Any] = handle(asked)
        return answer

    def count_tokens(self, text: str) -> int:
        """Tokens of `text`; may be called beside a completion."""
        address = urlsplit(str(self._server.listening_address))
        connection = http.client.HTTPConnection(address.hostname or "127.0.0.1", address.port, timeout=60)
        with contextlib.closing(connection):
            body = json.dumps({"content": text, "add_special": False})
            headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self._key}"}
            connection.request("POST", "/tokenize", body, headers)
            return len(json.loads(connection.getresponse().read())["tokens"])


class Pool:
    """The workers of one file. They are loaded as calls come in side by side; further calls wait for their turn."""

    def __init__(self, path: Path, context: int, size: int | None) -> None:
        small = path.stat().st_size <= SMALL
        cores = available_cores()
        self._path, self._context = path, context
        self._size = size or (min(cores, MOST_WORKERS) if small else 1)
        self._threads = 1 if small else max(1, cores // self._size)
        self._idle: list[Worker] = []
        self._loaded: list[Worker] = []
        self._loading = 0
        self._changed = threading.Condition()
        self.count_tokens = functools.lru_cache(maxsize=20_000)(self._count_tokens)

    @contextlib.contextmanager
    def worker(self, prompt: str) -> Iterator[Worker]:
        """A worker of one's own, the one that has most of `prompt` in memory among those that are free."""
        found = self._take(prompt)
        try:
            yield found
        finally:
            with self._changed:
                self._idle.append(found)
                self._changed.notify()

    def _take(self, prompt: str) -> Worker:
        with self._changed:
            while not self._idle and len(self._loaded) + self._loading >= self._size:
                self._changed.wait()
            if self._idle:
                best = max(self._idle, key=lambda worker: _in_common(worker.last, prompt))
                self._idle.remove(best)
                return best
            self._loading += 1
        try:
            made = Worker(self._path, self._context, self._threads)
        finally:
            with self._changed:
                self._loading -= 1
                self._changed.notify()
        with self._changed:
            self._loaded.append(made)
        return made

    def _count_tokens(self, text: str) -> int:
        if not self._loaded:
            with self.worker(""):
                pass
        return self._loaded[0].count_tokens(text)


def beginning(asked: dict[str, Any]) -> str:
    """What of a request the model reads first, as one text."""
    return str(asked["prompt"]) if "prompt" in asked else json.dumps(asked["messages"], ensure_ascii=False)


def _in_common(one: str, other: str) -> int:
    """Characters that two texts have in common at the beginning."""
    return len(os.path.commonprefix([one, other]))  # noqa: RUF071 texts, not paths


def pool(path: Path, context: int, size: int | None) -> Pool:
    """The pool of a file, one a process. Nothing is loaded yet."""
    with _lock:
        found = _pools.get((path, context, size))
        if found is None:
            found = _pools[path, context, size] = Pool(path, context, size)
        return found


def available_cores() -> int:
    """Cores that this process may use, by its affinity and its container's quota."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with contextlib.suppress(OSError, ValueError):
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
        if quota != "max":
            cores = min(cores, max(1, math.ceil(int(quota) / int(period))))
    return cores


_pools: Pools = {}
_lock = threading.Lock()


_inherited = False
"""Whether this process was forked from one that had a model in memory."""


def _forget_models() -> None:
    """A forked child has none of the threads of the models in memory: it loads its own."""
    global _inherited, _lock
    _lock = threading.Lock()
    if _pools:
        _inherited = True
        _pools.clear()
        _end_without_exit_handlers()


def _end_without_exit_handlers() -> None:
    """Have a forked child end with its exit status once Python has finalized, before the C++ library is taken down.

    llama.cpp's global objects wait there for threads that the child never had (a web server's worker would hang).
    """
    libc = ctypes.CDLL(None)
    on_exit = getattr(libc, "on_exit", None)  # glibc; what is registered last runs first, and gets the status
    if on_exit is not None:
        on_exit(ctypes.cast(libc._exit, ctypes.c_void_p), None)


os.register_at_fork(after_in_child=_forget_models)
