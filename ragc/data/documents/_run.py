"""Many files: from the cache, or converted in processes side by side."""

from __future__ import annotations

import hashlib
import os
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ragc.data.documents._cache import ConversionCache
from ragc.data.documents._conversion import Conversion
from ragc.data.documents._process import Worker

MOST_WORKERS = 4
"""Processes at once, however many cores there are: each takes 100 to 250 MB."""
_FILES_A_WORKER = 4
"""From how many files on another process pays for its start."""

Report = Callable[[int, int], None]
"""Told how many of how many files are read."""


@dataclass(frozen=True)
class Source:
    """A file to be converted."""

    name: str
    """Its name in the corpus."""
    path: Path
    suffix: str
    """In lower case, one of `FORMATS`."""


def convert_files(sources: Sequence[Source], report: Report | None = None) -> dict[str, Conversion]:
    """Return what became of each of `sources`, by name. Reads the cache first and writes what is new to it.

    Nothing is raised for a file: one that hangs, crashes its parser or takes too much memory is a failure of its own.
    """
    cache = ConversionCache()
    done: dict[str, Conversion] = {}
    waiting: list[Source] = []
    for source in sources:
        found = _kept(source, cache)
        if found is None:
            waiting.append(source)
        else:
            done[source.name] = found
    if report is not None and waiting:
        report(len(done), len(sources))
    for source, digest, conversion in _converted(waiting):
        done[source.name] = conversion
        if digest:
            cache.put(digest, source.suffix, conversion)
        if report is not None:
            report(len(done), len(sources))
    if waiting:
        cache.prune()
    return done


def workers_for(files: int) -> int:
    """Return how many processes read so many files."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # macOS
        cores = os.cpu_count() or 1
    given = os.environ.get("RAGC_READERS", "")
    most = int(given) if given.isdecimal() and int(given) else min(cores, MOST_WORKERS)
    return max(1, min(most, -(-files // _FILES_A_WORKER)))


def _kept(source: Source, cache: ConversionCache) -> Conversion | None:
    try:
        with source.path.open("rb") as file:
            return cache.get(hashlib.file_digest(file, "sha256").hexdigest(), source.suffix)
    except OSError as error:
        return Conversion(failure=(error.strerror or str(error)).lower(), passing=True)


def _converted(sources: Sequence[Source]) -> Iterator[tuple[Source, str, Conversion]]:
    """Yield the sources as they are done, each with the digest of what was read (empty: not to be kept)."""
    if not sources:
        return
    jobs: queue.SimpleQueue[Source] = queue.SimpleQueue()
    for source in sources:
        jobs.put(source)
    answers: queue.SimpleQueue[tuple[Source, str, Conversion] | BaseException] = queue.SimpleQueue()
    workers = [Worker() for _ in range(workers_for(len(sources)))]
    threads = [threading.Thread(target=_work, args=(worker, jobs, answers), daemon=True) for worker in workers]
    try:
        for thread in threads:
            thread.start()
        for _ in sources:
            answer = answers.get()
            if isinstance(answer, BaseException):
                raise answer
            yield answer
    finally:
        for worker in workers:
            worker.stop()
        for thread in threads:
            thread.join()


def _work(
    worker: Worker,
    jobs: queue.SimpleQueue[Source],
    answers: queue.SimpleQueue[tuple[Source, str, Conversion] | BaseException],
) -> None:
    try:
        while not worker.stopped:
            source = jobs.get_nowait()
            answers.put((source, *worker.convert(source.path, source.suffix)))
    except queue.Empty:
        pass
    except BaseException as error:  # noqa: BLE001 - raised again where the answers are read
        answers.put(error)
    finally:
        worker.close()
