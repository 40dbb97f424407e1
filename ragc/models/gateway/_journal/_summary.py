"""What was paid for what: the journal summed up by task, model and run."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import NamedTuple

from ragc.models.gateway._journal import _runs
from ragc.models.gateway._journal._database import Database
from ragc.models.gateway._journal._records import Share, Summary
from ragc.models.gateway._journal._rows import price


class _Group(NamedTuple):
    """Entries of one origin and one price."""

    task: str
    model: str
    run: str
    newest: int
    entries: int
    input_tokens: int
    output_tokens: int
    usd: str | None


def summary(database: Database) -> Summary:
    """Read the sums from one state of the journal."""
    with database.reading() as connection, connection:
        rows = connection.execute(
            "SELECT o.task, o.model, o.run, max(e.id), count(*), sum(e.input_tokens), sum(e.output_tokens), e.usd"
            " FROM entries AS e JOIN origins AS o ON o.id = e.origin GROUP BY e.origin, e.usd"
        )
        groups = [_Group(*row) for row in rows]
        runs = {record.id: record for record in _runs.find(connection)}
        unanswered: int = connection.execute("SELECT count(*) FROM unanswered").get
    newest = {group.run: group.newest for group in sorted(groups, key=lambda group: group.newest)}
    by_run = sorted(_shares(groups, lambda group: group.run), key=lambda share: newest[share.name], reverse=True)
    return Summary(
        path=database.path,
        bytes=database.bytes,
        total=_sum("", groups),
        by_task=_shares(groups, lambda group: group.task),
        by_model=_shares(groups, lambda group: group.model),
        by_run=[(share, runs.get(share.name)) for share in by_run],
        unanswered=unanswered,
    )


def _shares(groups: Iterable[_Group], name: Callable[[_Group], str]) -> list[Share]:
    """The sums by name, the dearest and then the largest first."""
    parts: dict[str, list[_Group]] = {}
    for group in groups:
        parts.setdefault(name(group), []).append(group)
    shares = [_sum(each, part) for each, part in parts.items()]
    return sorted(shares, key=lambda share: (-share.usd, -share.entries, share.name))


def _sum(name: str, groups: Iterable[_Group]) -> Share:
    part = list(groups)
    return Share(
        name=name,
        entries=sum(group.entries for group in part),
        input_tokens=sum(group.input_tokens for group in part),
        output_tokens=sum(group.output_tokens for group in part),
        usd=sum((group.entries * price(group.usd) for group in part if group.usd is not None), Fraction()),
        unpriced=sum(group.entries for group in part if group.usd is None),
    )
