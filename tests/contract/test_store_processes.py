"""What every store must do when several threads and processes use it, and when one of them is killed."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from contract.conftest import OpenStore
from contract.stores import MADE_WITH, WordVectors, corpus_of, ids, indexed
from ragc.project import ChunkSettings
from ragc.retrieval import Index, Query, Store, open_store

TESTS = Path(__file__).resolve().parent.parent
DOCUMENTS = 40

# Searches until the state is that of the last generation; every search must see one generation and all documents.
READER = """
import sys
from pathlib import Path
from contract.stores import MADE_WITH
from ragc.retrieval import Query, open_store

url, last, documents = sys.argv[1], sys.argv[2], int(sys.argv[3])
store = open_store(url, root=Path("/"), collection="handbook", read_only=True)
print("ready", flush=True)
seen = set()
while last not in seen:
    found = store.search(Query("generation", None, 1000, 0), MADE_WITH)
    generations = {passage.text for passage in found}
    assert len(generations) == 1 and len(found) == documents, (len(found), generations)
    seen |= generations
print(len(seen))
"""

# Brings an index of 40 documents up to date, one a batch, and says so after each.
SLOW_WRITER = """
import sys, time
from pathlib import Path
from contract import stores
from ragc.project import ChunkSettings
from ragc.retrieval import Index, open_store
import ragc.retrieval._index as module

module.BATCH = 1
corpus = stores.corpus_of({f"d{number:02}": f"words {number}" for number in range(40)})
store = open_store(sys.argv[1], root=Path("/"), collection="handbook")
index = Index(store, stores.WordVectors(), ChunkSettings(), name="handbook")

def progress(done, total):
    print(done, flush=True)
    time.sleep(0.02)

index.update(corpus, progress)
"""


def start(script: str, *arguments: object) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), str(TESTS.parent)])}
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def write_generation(store: Store, generation: int) -> None:
    text = f"generation {generation}"
    store.write([indexed(f"d{number}", text, digest=text, at=generation) for number in range(DOCUMENTS)], (), text)


def test_processes_read_while_one_writes_and_never_see_half_of_it(url: str, store: Store) -> None:
    last = 25
    write_generation(store, 0)
    readers = [start(READER, url, f"generation {last}", DOCUMENTS) for _ in range(3)]
    for reader in readers:
        assert line(reader) == "ready"
    for generation in range(1, last + 1):
        write_generation(store, generation)
    for reader in readers:
        output, errors = reader.communicate(timeout=60)
        assert reader.returncode == 0, errors
        assert int(output) >= 1


def test_killed_update_is_completed_by_the_next(url: str, open_: OpenStore) -> None:
    writer = start(SLOW_WRITER, url)
    while (done := line(writer)) != "5":
        assert done, writer.communicate()[1]
    writer.send_signal(signal.SIGKILL)
    writer.communicate()
    store = open_()
    state = store.state()
    assert state is not None
    assert state.corpus_version is None
    assert not state.complete
    assert 5 <= state.documents < 40

    words = WordVectors()
    index = Index(store, words, ChunkSettings(), name="handbook")
    assert index.missing
    corpus = corpus_of({f"d{number:02}": f"words {number}" for number in range(40)})
    report = index.update(corpus)
    assert report.unchanged == state.documents
    assert words.embedded == 40 - state.documents
    assert index.corpus_version == corpus.fingerprint
    assert sorted(ids(index.search("words", k=100))) == [f"d{number:02}" for number in range(40)]


def test_updates_of_one_collection_wait_for_each_other(url: str, open_: OpenStore) -> None:
    writer = start(SLOW_WRITER, url)
    assert line(writer), writer.communicate()[1]
    waiting = open_()
    with waiting.updating():
        state = waiting.state()
    assert state is not None
    assert state.complete, "the lock was to be had before the other update was done"
    assert writer.wait(timeout=30) == 0
    writer.communicate()


def test_store_can_be_used_in_a_forked_process(store: Store) -> None:
    write_generation(store, 0)

    def search() -> list[str]:
        return ids(store.search(Query("generation", None, 5, 0), MADE_WITH))

    expected = search()
    child_end, parent_end = multiprocessing.Pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # threads that other tests left
        child = os.fork()
    if child == 0:
        try:
            parent_end.send(search())
        finally:
            os._exit(0)
    assert child_end.poll(20)
    assert child_end.recv() == expected
    os.waitpid(child, 0)
    assert search() == expected


def test_many_threads_search_while_one_writes(store: Store) -> None:
    write_generation(store, 0)
    stop = threading.Event()

    def search() -> int:
        searches = 0
        while not stop.is_set():
            found = store.search(Query("generation", None, 1000, 0), MADE_WITH)
            assert len({passage.text for passage in found}) == 1
            assert len(found) == DOCUMENTS
            searches += 1
        return searches

    with ThreadPoolExecutor(8) as pool:
        running = [pool.submit(search) for _ in range(8)]
        began = time.monotonic()
        for generation in range(1, 11):
            write_generation(store, generation)
        while time.monotonic() < began + 0.3:
            time.sleep(0.01)
        stop.set()
        assert all(future.result(timeout=30) > 0 for future in running)


def test_threads_may_write_at_once(url: str, store: Store, tmp_path: Path) -> None:
    def write(number: int) -> None:
        own = open_store(url, root=tmp_path, collection="handbook")
        own.write([indexed(f"d{number}", f"text {number}")])
        own.close()

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(write, range(12)))
    assert set(store.documents()) == {f"d{number}" for number in range(12)}
