"""The index of a run: brought up to date under the run's budget, and no part of what the run decides.

An index outlives the runs that search it. What its embedder takes, where that is not in this process, is paid by the
run that finds documents without a vector; whichever run that is, the artifact is the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

from ragc._messages import counted
from ragc.compiler._events import Finished, OnEvent, Working
from ragc.errors import BudgetError, BudgetExhausted, ModelError
from ragc.models import Amounts, NotInJournal, find_price
from ragc.retrieval import Index, Outstanding, Unembedded, is_local, open_index

if TYPE_CHECKING:
    from ragc.data import Corpus
    from ragc.models import Gateway, Usage
    from ragc.project import Budget, EmbedderSettings, Project, TaskSettings

LABEL = "index"


@dataclass(frozen=True)
class Indexed:
    """An index that can be searched, and what it takes of the budget."""

    index: Index
    taken: Amounts
    """In a run: what was spent for it, by earlier commands as well. In a look: what it would take, about."""


def bring_up_to_date(
    project: Project,
    task: TaskSettings,
    corpus: Corpus,
    gateway: Gateway,
    on_event: OnEvent,
    *,
    collection: str | None = None,
) -> Indexed:
    """The index of `corpus`. In a look that would have to pay for it, passages without an index stand in for it.

    `collection` is its name in the store, the task's by default.

    Raises:
        BudgetError: the budget cannot fund the index.
        BudgetExhausted: it turned out not to, when a part was embedded already.
        ModelError: the embedder refuses, or a replay finds neither index nor vectors.
        StoreError: the store cannot be written.
    """
    settings = project.settings.embedder
    index = open_index(project, task, check=False, gateway=gateway, collection=collection)
    try:
        if is_local(settings) or index.mirrors(corpus):
            index.update(corpus, progress=_telling(on_event))
            return Indexed(index, Amounts())
        if gateway.replay is None:
            return _paid(index, corpus, gateway, settings, on_event)
        if gateway.replay.is_look:
            return _looked_at(index, corpus, settings, on_event)
        try:
            with gateway.aside(LABEL):
                index.update(corpus, progress=_telling(on_event))
        except NotInJournal as error:
            raise ModelError(f"{error}; run `ragc index {task.name}`, then replay") from error
        return Indexed(index, Amounts())
    except BaseException:
        index.close()
        raise


def _paid(index: Index, corpus: Corpus, gateway: Gateway, settings: EmbedderSettings, on_event: OnEvent) -> Indexed:
    outstanding = index.outstanding(corpus)
    _refuse_unfundable(gateway.budget, gateway.account.spent, outstanding, settings, index.name)
    before = gateway.usage
    try:
        with gateway.aside(LABEL):
            report = index.update(corpus, progress=_telling(on_event))
    except BudgetExhausted as error:
        raise BudgetExhausted(f"the index of {index.name}: {error}; {_ways_out(index.name)}") from error
    after = gateway.usage
    if after.calls > before.calls:
        on_event(Finished(LABEL, (_told(report.embedded, before, after),)))
    return Indexed(index, gateway.account.spent if not gateway.admitted else Amounts())


def _looked_at(index: Index, corpus: Corpus, settings: EmbedderSettings, on_event: OnEvent) -> Indexed:
    outstanding = index.outstanding(corpus)
    takes = _takes(outstanding, settings)
    text = f"{counted(outstanding.passages, 'passage')} to be embedded: {_in_words(outstanding, settings)}"
    on_event(Finished(LABEL, (text,)))
    return Indexed(Unembedded(index, corpus), takes)


def _refuse_unfundable(
    budget: Budget, spent: Amounts, outstanding: Outstanding, settings: EmbedderSettings, task: str
) -> None:
    """Raises BudgetError before anything is paid for an index that will not fit."""
    needs = spent + _takes(outstanding, settings)
    caps = {"usd": needs.usd, "calls": needs.calls, "input_tokens": needs.input_tokens}
    for name, needed in caps.items():
        cap = getattr(budget, name)
        if cap is not None and needed > cap:
            shown = f"${Decimal(str(cap)):f}" if name == "usd" else f"{cap:,} {name.replace('_', ' ')}"
            raise BudgetError(
                f"a budget of {shown} cannot fund the index: {counted(outstanding.passages, 'passage')} to be embedded "
                f"take {_in_words(outstanding, settings)}; {_ways_out(task)}"
            )


def _ways_out(task: str) -> str:
    return f"raise the budget, or run `ragc index {task}` first, which has none"


def _takes(outstanding: Outstanding, settings: EmbedderSettings) -> Amounts:
    price = find_price(settings)
    usd = Fraction() if price is None else outstanding.tokens * Fraction(str(price.input)) / 1_000_000
    return Amounts(outstanding.calls, outstanding.tokens, 0, usd)


def _in_words(outstanding: Outstanding, settings: EmbedderSettings) -> str:
    usd = "" if find_price(settings) is None else f", ${float(_takes(outstanding, settings).usd):.2g}"
    return f"about {counted(outstanding.calls, 'call')}, {outstanding.tokens:,} tokens{usd}"


def _told(passages: int, before: Usage, after: Usage) -> str:
    calls, tokens = after.calls - before.calls, after.input_tokens - before.input_tokens
    usd = "" if after.usd is None or before.usd is None else f", ${after.usd - before.usd:.2g}"
    return f"{counted(passages, 'passage')} embedded: {counted(calls, 'call')}, {tokens:,} tokens{usd}"


def _telling(on_event: OnEvent) -> Callable[[int, int], None]:
    def tell(done: int, total: int) -> None:
        on_event(Working(LABEL, done, total, "documents"))

    return tell
