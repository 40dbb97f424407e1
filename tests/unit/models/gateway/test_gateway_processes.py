"""What other processes see of a gateway's calls, and when; with them, too, the same prompt is one request."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from journals import ended, heard, run, started
from provider import Asked, Provider
from ragc.models import Gateway, Journal
from unit.models.conftest import MakeLM

ASKS = """
import os
from concurrent.futures import ThreadPoolExecutor
from ragc.models import Gateway, make_lm
from ragc.project import ModelSettings
url, run = sys.argv[2:]
os.environ["OUR_KEY"] = "sk-test-0123456789abcdefghij"
gateway = Gateway(journal=Journal.open(path), run=run)
lm = make_lm(ModelSettings(model="openai/our-model", base_url=url, api_key_env="OUR_KEY"), gateway=gateway)
say("ready")
sys.stdin.readline()
with ThreadPoolExecutor(4) as pool:
    said = list(pool.map(lm, [f"question {number}" for number in range(8)]))
say(gateway.usage.calls, gateway.status().hits, said == [[f"to question {number}"] for number in range(8)])
gateway.close()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


def rows(path: Path, table: str) -> int:
    """How many there are for others to see."""
    # Not by sqlite3: a second SQLite in one process undoes the locks of the first.
    with closing(apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)) as connection:
        count: int = connection.execute(f"SELECT count(*) FROM {table}").get
    return count


def until(holds: Callable[[], bool]) -> None:
    begun = time.monotonic()
    while not holds():
        assert time.monotonic() - begun < 30, "it never came to that"
        time.sleep(0.002)


def test_two_processes_ask_the_same_once(provider: Provider, path: Path) -> None:
    provider.script, provider.latency = (lambda asked: f"to {asked.text}"), 0.05
    processes = [started(ASKS, path, provider.base_url, name) for name in ("r1", "r2")]
    for process in processes:
        assert heard(process) == "ready"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [ended(process) for process in processes]
    assert [err for _, err in said] == ["", ""]
    paid, hits, right = zip(*(out.split() for out, _ in said), strict=True)
    assert sum(map(int, paid)) == sum(map(int, hits)) == 8
    assert right == ("True", "True")
    assert Counter(asked.text for asked in provider.requests) == {f"question {number}": 1 for number in range(8)}
    assert (rows(path, "entries"), rows(path, "flights")) == (8, 0)


def test_a_request_is_written_down_before_it_is_sent_and_its_response_before_it_is_handed_on(
    hosted: MakeLM, provider: Provider, path: Path
) -> None:
    seen: list[tuple[int, int]] = []
    may_write = threading.Event()

    def script(asked: Asked) -> str:
        seen.append((rows(path, "entries"), rows(path, "flights")))
        return "five"

    provider.script = script
    journal = Journal.open(path)
    journal.begin_run(run())
    settle = journal.settle

    def waiting(*given: object) -> None:
        assert may_write.wait(30)
        settle(*given)  # type: ignore[arg-type]

    journal.settle = waiting  # type: ignore[method-assign,assignment]
    with closing(Gateway(journal=journal, run="r1")) as gateway, ThreadPoolExecutor(1) as pool:
        asked = pool.submit(hosted(gateway), "hello")
        until(lambda: gateway.usage.calls == 1)
        time.sleep(0.05)
        seen.append((rows(path, "entries"), rows(path, "flights")))
        assert not asked.done()
        may_write.set()
        assert asked.result(30) == ["five"]
        seen.append((rows(path, "entries"), rows(path, "flights")))
    assert seen == [(0, 1), (0, 1), (1, 0)]
