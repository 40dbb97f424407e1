"""The sum of calls: the same whatever the order in which they end."""

from __future__ import annotations

import itertools

from ragc.models import Call, Usage
from ragc.models.gateway._calls import Tally, total

PRICES = [0.1, 0.2, 0.3, 1e-9, 0.7, 1e-7]


def call(usd: float | None = 0.0) -> Call:
    return Call("m", 100, 10, 40, usd, 0.5)


def test_the_sum_does_not_depend_on_the_order_in_which_calls_finish() -> None:
    sums, totals = set(), set()
    for order in itertools.permutations(PRICES):
        tally = Tally()
        for usd in order:
            tally.add(call(usd))
        sums.add(tally.usage.usd)
        totals.add(total(map(call, order)).usd)
    assert len(sums) == len(totals) == 1


def test_tokens_are_added_and_cached_ones_are_part_of_the_input() -> None:
    assert total([call(0.1), call(0.2)]) == Usage(2, 200, 20, 80, 0.1 + 0.2)


def test_one_unknown_price_makes_the_sum_unknown() -> None:
    tally = Tally()
    for usd in (0.1, None, 0.1):
        tally.add(call(usd))
    assert tally.usage == total([call(0.1), call(None), call(0.1)]) == Usage(3, 300, 30, 120, None)


def test_nothing_costs_nothing() -> None:
    assert Tally().usage == total([]) == Usage(0, 0, 0, 0, 0.0)
