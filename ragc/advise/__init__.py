"""RAG, compile or fine-tune: the rules of the field, the own measurements, and what each way costs in a month.

Names are loaded on first use. Nothing here calls a model; a learning curve is drawn from compiles that others run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragc._lazy import on_first_use

if TYPE_CHECKING:
    from ragc.advise._advice import Advice, Change, Outcome, advise
    from ragc.advise._amounts import count, dollars
    from ragc.advise._costs import Arm, BreakEven, Costs, Item, Load, Own, queries_to_pay, reckon
    from ragc.advise._curve import SHARES, Compiled, Curve, Point, draw_curve
    from ragc.advise._facts import QUESTIONS, Facts, Question
    from ragc.advise._measured import Measured, measure
    from ragc.advise._prices import Price, Prices, load_prices, model_price, parted_prices
    from ragc.advise._rules import Rule, load_rules

_HOME = {
    "Advice": "_advice",
    "Arm": "_costs",
    "BreakEven": "_costs",
    "Change": "_advice",
    "Compiled": "_curve",
    "Costs": "_costs",
    "Curve": "_curve",
    "Facts": "_facts",
    "Item": "_costs",
    "Load": "_costs",
    "Measured": "_measured",
    "Outcome": "_advice",
    "Own": "_costs",
    "Point": "_curve",
    "Price": "_prices",
    "Prices": "_prices",
    "QUESTIONS": "_facts",
    "Question": "_facts",
    "Rule": "_rules",
    "SHARES": "_curve",
    "advise": "_advice",
    "count": "_amounts",
    "dollars": "_amounts",
    "draw_curve": "_curve",
    "load_prices": "_prices",
    "load_rules": "_rules",
    "measure": "_measured",
    "model_price": "_prices",
    "parted_prices": "_prices",
    "queries_to_pay": "_costs",
    "reckon": "_costs",
}

__all__ = [
    "Advice",
    "Arm",
    "BreakEven",
    "Change",
    "Compiled",
    "Costs",
    "Curve",
    "Facts",
    "Item",
    "Load",
    "Measured",
    "Outcome",
    "Own",
    "Point",
    "Price",
    "Prices",
    "QUESTIONS",
    "Question",
    "Rule",
    "SHARES",
    "advise",
    "count",
    "dollars",
    "draw_curve",
    "load_prices",
    "load_rules",
    "measure",
    "model_price",
    "parted_prices",
    "queries_to_pay",
    "reckon",
]


__getattr__, __dir__ = on_first_use(__name__, _HOME)
