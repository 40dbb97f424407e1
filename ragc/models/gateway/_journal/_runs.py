"""Runs in the journal: what they are made of, what their steps used, what that cost and what they paid.

Every function works inside the transaction of its caller.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from typing import Any

import apsw

from ragc.models.gateway._amounts import Amounts
from ragc.models.gateway._journal._records import Cost, RunChanges, RunRecord, StepRecord, Use
from ragc.models.gateway._journal._rows import iso, key_bytes, now, price
from ragc.models.gateway._journal._schema import Damaged

_COLUMNS = "id, task, identity, components, caps, generation, state, stop, admitted, artifact, seconds, created"


def begin(connection: apsw.Connection, record: RunRecord, created: int) -> None:
    """Write a new run. Raises apsw.ConstraintError when there is one of this id."""
    connection.execute(
        f"INSERT INTO runs ({_COLUMNS}, changed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?12, ?12)",
        (
            record.id,
            record.task,
            record.identity,
            json.dumps(dict(record.components), ensure_ascii=False),
            json.dumps(dict(record.caps)),
            record.generation,
            record.state,
            record.stop,
            record.admitted,
            record.artifact,
            record.seconds,
            created,
        ),
    )


def find(connection: apsw.Connection, where: str = "TRUE", values: Sequence[Any] = ()) -> list[RunRecord]:
    """Return the runs that fulfil a condition in SQL, the newest first."""
    rows = connection.execute(f"SELECT {_COLUMNS} FROM runs WHERE {where} ORDER BY number DESC", values)
    return [
        RunRecord(
            id=id,
            task=task,
            identity=identity,
            components=_object(components),
            caps=_object(caps),
            generation=generation,
            state=state,
            stop=stop,
            admitted=admitted,
            artifact=artifact,
            seconds=seconds,
            created=iso(created),
        )
        for id, task, identity, components, caps, generation, state, stop, admitted, artifact, seconds, created in rows
    ]


def change(connection: apsw.Connection, run: str, changes: RunChanges) -> None:
    """Change what is given; an artifact that is given is kept with all that it needs. Raises KeyError: no such run."""
    values: dict[str, Any] = {**changes, "changed": now()}
    if "caps" in values:
        values["caps"] = json.dumps(dict(values["caps"]))
    sets = ", ".join(f"{name} = ?" for name in values)
    connection.execute(f"UPDATE runs SET {sets} WHERE id = ?", (*values.values(), run))
    if not connection.changes():
        raise KeyError(f"no run {run}")
    artifact = changes.get("artifact")
    if artifact is not None:
        (record,) = find(connection, "id = ?", (run,))
        used = list(connection.execute("SELECT DISTINCT key FROM uses WHERE run = ?", (run,)))
        keep(connection, artifact, record, (key for (key,) in used))


def keep(connection: apsw.Connection, artifact: str, record: RunRecord, needs: Iterable[bytes]) -> None:
    """Write down which run sealed an artifact, and what that needs to be replayed."""
    connection.execute(
        "INSERT OR REPLACE INTO artifacts VALUES (?, ?, ?)",
        (artifact, record.id, json.dumps(asdict(record), ensure_ascii=False)),
    )
    connection.executemany("INSERT OR IGNORE INTO needs VALUES (?, ?)", ((artifact, key) for key in needs))


def sealed(connection: apsw.Connection, artifact: str) -> list[RunRecord]:
    """Return the runs that sealed an artifact, as they were then."""
    rows = connection.execute("SELECT record FROM artifacts WHERE id = ? ORDER BY run", (artifact,))
    return [record_of(record) for (record,) in rows]


def record_of(record: str) -> RunRecord:
    """Return a run as `keep` wrote it down. Raises Damaged."""
    try:
        return RunRecord(**_object(record))
    except TypeError as error:
        raise Damaged(f"a run is not what was stored ({error})") from error


def _object(text: str) -> dict[str, Any]:
    try:
        value: dict[str, Any] = json.loads(text)
    except ValueError as error:
        raise Damaged(f"a run is not what was stored ({error})") from error
    return value


def record_step(connection: apsw.Connection, run: str, step: StepRecord) -> None:
    """Write a complete step. Where another one stood in its place, that and all after it are gone: the run went on
    differently.
    """
    if steps(connection, run, step.number) == [step]:
        return
    connection.execute("DELETE FROM steps WHERE run = ? AND number >= ?", (run, step.number))
    connection.execute("DELETE FROM uses WHERE run = ? AND step >= ?", (run, step.number))
    connection.execute("INSERT INTO steps VALUES (?, ?, ?)", (run, step.number, step.label))
    connection.executemany(
        "INSERT INTO uses VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            (run, step.number, position, use.example, use.ordinal, key_bytes(use.key), use.error)
            for position, use in enumerate(step.uses)
        ],
    )


def steps(connection: apsw.Connection, run: str, number: int | None = None) -> list[StepRecord]:
    """Return the complete steps of a run in order, or the one of this number. A use of no step is left out."""
    only, values = ("", (run,)) if number is None else (" AND number = ?", (run, number))
    labels = list(connection.execute(f"SELECT number, label FROM steps WHERE run = ?{only} ORDER BY number", values))
    used: dict[int, list[Use]] = {number: [] for number, _ in labels}
    rows = connection.execute(
        "SELECT step, example, ordinal, key, error FROM uses WHERE run = ?"
        f"{only.replace('number', 'step')} ORDER BY step, position",
        values,
    )
    for step, example, ordinal, key, error in rows:
        if step in used:
            used[step].append(Use(example, ordinal, key.hex(), error))
    return [StepRecord(number, label, tuple(used[number])) for number, label in labels]


def cost(connection: apsw.Connection, run: str) -> Cost:
    """Return what the entries took that the complete steps of a run used, each counted once."""
    rows = list(
        connection.execute(
            "SELECT count(*), sum(input_tokens), sum(output_tokens), usd, sum(cached_input_tokens) FROM entries"
            " WHERE key IN (SELECT key FROM uses WHERE run = ?) GROUP BY usd",
            (run,),
        )
    )
    return Cost(
        amounts=_total((number, number, tokens, output, usd) for number, tokens, output, usd, _ in rows),
        cached_input_tokens=sum(cached for *_, cached in rows),
        unpriced=sum(number for number, _, _, usd, _ in rows if usd is None),
    )


def spent(connection: apsw.Connection, run: str, elsewhere: Callable[[str], bool]) -> Amounts:
    """Return what a run has paid: entries, what may have been paid for in vain, and the worst case of what is on its
    way where `elsewhere(owner)`.
    """
    answered = connection.execute(
        "SELECT count(*), count(*), sum(input_tokens), sum(output_tokens), usd FROM entries"
        " WHERE origin IN (SELECT id FROM origins WHERE run = ?) GROUP BY usd",
        (run,),
    )
    unanswered = connection.execute(
        "SELECT 1, calls, input_tokens, output_tokens, usd FROM unanswered WHERE run = ?", (run,)
    )
    flying = list(
        connection.execute("SELECT owner, calls, input_tokens, output_tokens, usd FROM flights WHERE run = ?", (run,))
    )
    return _total(answered) + _total(unanswered) + _total((1, *row) for owner, *row in flying if elsewhere(owner))


def _total(rows: Iterable[tuple[Any, ...]]) -> Amounts:
    """The sum of rows: how many have this price, calls, input tokens, output tokens, price of one."""
    total = Amounts()
    for number, calls, tokens, output, usd in rows:
        total += Amounts(calls, tokens, output, number * price(usd or "0"))
    return total


def take_off(connection: apsw.Connection, flight: tuple[Any, ...]) -> bool:
    """Write a flight down: key, run, owner, and its worst case. False: its key is in flight, or is answered."""
    connection.execute(
        "INSERT INTO flights (key, run, owner, calls, input_tokens, output_tokens, usd) SELECT ?1, ?2, ?3, ?4, ?5, ?6,"
        " ?7 WHERE NOT EXISTS (SELECT 1 FROM entries WHERE key = ?1) ON CONFLICT (key) DO NOTHING",
        flight,
    )
    return connection.changes() > 0


def land(connection: apsw.Connection, key: bytes, owner: str) -> None:
    """End a flight."""
    connection.execute("DELETE FROM flights WHERE key = ? AND owner = ?", (key, owner))


def lose(connection: apsw.Connection, run: str, alive: Callable[[str], bool]) -> int:
    """Turn the flights of a run whose owners are gone into unanswered ones, and return how many those are in all."""
    owners = list(connection.execute("SELECT DISTINCT owner FROM flights WHERE run = ?", (run,)))
    for (owner,) in owners:
        if not alive(owner):
            _lost(connection, "run = ? AND owner = ?", (run, owner))
    count: int = connection.execute("SELECT count(*) FROM unanswered WHERE run = ? AND why = 'lost'", (run,)).get
    return count


def lose_flight(connection: apsw.Connection, key: bytes) -> None:
    """Turn one flight, whose owner is gone, into an unanswered one."""
    _lost(connection, "key = ?", (key,))


def unanswered(connection: apsw.Connection, run: str, key: bytes, why: str, amounts: Amounts) -> None:
    """Count what a request took that brought no response that counts."""
    connection.execute(
        "INSERT INTO unanswered (run, key, why, calls, input_tokens, output_tokens, usd) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (run, key, why, amounts.calls, amounts.input_tokens, amounts.output_tokens, str(amounts.usd)),
    )


def record_failure(connection: apsw.Connection, run: str, key: bytes, kind: str, text: str) -> None:
    """Write down why a call of a run has no answer; the last time counts."""
    connection.execute("INSERT OR REPLACE INTO failures VALUES (?, ?, ?, ?)", (run, key, kind, text))


def _lost(connection: apsw.Connection, where: str, values: tuple[Any, ...]) -> None:
    columns = "calls, input_tokens, output_tokens, usd"
    connection.execute(
        f"INSERT INTO unanswered (run, key, why, {columns})"
        f" SELECT run, key, 'lost', {columns} FROM flights WHERE {where}",
        values,
    )
    connection.execute(f"DELETE FROM flights WHERE {where}", values)
