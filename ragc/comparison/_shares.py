"""How a budget is shared: what the tests need is set aside, and what is left goes to the searches evenly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING

from ragc.models import Amounts

if TYPE_CHECKING:
    from ragc.comparison._side import Contestant
    from ragc.evaluation import Evaluation
    from ragc.models import SharedGateway
    from ragc.project import Budget


@dataclass
class Shares:
    """Sets aside, while one arm is searched, the tests of all and the later searches' share."""

    sides: Sequence[Contestant]
    gateway: SharedGateway
    budget: Budget
    _needs: dict[str, Amounts] = field(default_factory=dict)
    _current: Contestant | None = None
    _later: Amounts = field(default_factory=Amounts)
    _later_seconds: float = 0.0

    def __post_init__(self) -> None:
        for side in self.sides:
            self._needs[side.party] = Amounts() if side.error is not None else side.forecast.needs(side.pilot, None)

    def begin(self, side: Contestant, *, later: int) -> None:
        """A search begins, and so many are still to come."""
        self._current = side
        account = self.gateway.account
        left = self._caps() - account.spent - self._tests()
        share = Fraction(later, later + 1)
        self._later = Amounts(
            max(0, int(left.calls * share)),
            max(0, int(left.input_tokens * share)),
            max(0, int(left.output_tokens * share)),
            max(Fraction(), left.usd * share),
        )
        if self.budget.seconds is not None:
            seconds = self.budget.seconds - account.seconds - self._seconds()
            self._later_seconds = max(0.0, float(seconds * share))
        self._set()

    def update(self, baseline: Evaluation | None, dearest: Evaluation | None) -> None:
        """The current search knows better what its test will take."""
        if self._current is None:
            return
        self._needs[self._current.party] = self._current.forecast.needs(baseline, dearest)
        self._set()

    def _set(self) -> None:
        seconds = 0.0 if self.budget.seconds is None else self._seconds() + self._later_seconds
        self.gateway.set_aside(self._tests() + self._later, seconds)

    def _tests(self) -> Amounts:
        return sum(self._needs.values(), Amounts())

    def _seconds(self) -> float:
        return sum(side.forecast.seconds(side.pilot) for side in self.sides if side.error is None)

    def _caps(self) -> Amounts:
        """The budget; without a cap, what is spent and set aside: nothing is left to be shared."""
        none = self.gateway.account.spent + self._tests()
        given = self.budget
        return Amounts(
            none.calls if given.calls is None else given.calls,
            none.input_tokens if given.input_tokens is None else given.input_tokens,
            none.output_tokens if given.output_tokens is None else given.output_tokens,
            none.usd if given.usd is None else Fraction(str(given.usd)),
        )
