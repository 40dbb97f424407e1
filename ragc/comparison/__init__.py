"""A comparison experiment: arms that answer the same test questions under one budget, and what is proven of them."""

from __future__ import annotations

from ragc.comparison._compare import compare, power
from ragc.comparison._power import PowerResult
from ragc.comparison._result import ArmResult, CompareResult, SealedArm
from ragc.comparison._verdict import Verdict

__all__ = ["ArmResult", "CompareResult", "PowerResult", "SealedArm", "Verdict", "compare", "power"]
