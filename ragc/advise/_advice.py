"""RAG, compile or fine-tune: what the rules say about the facts, what was measured, and what would change it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from ragc.advise._costs import Costs
from ragc.advise._curve import Curve
from ragc.advise._facts import Facts
from ragc.advise._measured import Measured
from ragc.advise._rules import Rule, load_rules

Outcome = Literal["rag", "compile", "both", "fine-tune"]
HEADLINES: dict[Outcome, str] = {
    "rag": "RAG as it is: keep the program uncompiled for now.",
    "compile": "Compile: keep retrieval and let `ragc compile` find the prompt.",
    "both": "Both: fine-tune a smaller model, and let it retrieve.",
    "fine-tune": "Fine-tune: the rules name no reason for retrieval here.",
}
NEXT: dict[Outcome, str] = {
    "rag": "label some hundred questions, then ragc compile",
    "compile": "ragc compile, then ragc compare against the uncompiled program",
    "both": "ragc compile first: what it keeps right is also what a fine-tuned model is trained on and measured by",
    "fine-tune": "ragc compile first: without its score nobody can say what fine-tuning gained",
}

PROVEN = "it is compiled and proven: label where its weakest slice is, and let ragc status --check say when it is due"


@dataclass(frozen=True)
class Change:
    """Something that would change the advice."""

    fact: str
    value: Any
    """What the fact would have to be, at least."""
    outcome: Outcome
    known: bool
    """Whether the fact is known to be otherwise; False: nobody said."""

    def as_json(self) -> dict[str, Any]:
        """The change for a program to read."""
        return {**vars(self)}


@dataclass(frozen=True)
class Advice:
    """One recommendation, with everything that it rests on."""

    outcome: Outcome
    facts: Facts
    reasons: tuple[Rule, ...]
    """Rules that fired and speak for it."""
    against: tuple[Rule, ...]
    """Rules that fired and do not."""
    changes: tuple[Change, ...]
    measured: Measured | None = None
    own: str | None = None
    """What the own measurement says where it overrules or backs the rules."""
    costs: Costs | None = None
    curve: Curve | None = None

    @property
    def headline(self) -> str:
        """The recommendation in one sentence."""
        return HEADLINES[self.outcome]

    @property
    def next(self) -> str:
        """What to do first."""
        if self.outcome == "compile" and self.measured is not None and self.measured.verdict == "better":
            return PROVEN
        return NEXT[self.outcome]

    def as_json(self) -> dict[str, Any]:
        """What `ragc advise --json` prints."""
        return {
            "advice": self.outcome,
            "headline": self.headline,
            "next": self.next,
            "reasons": [rule.as_json() for rule in self.reasons],
            "against": [rule.as_json() for rule in self.against],
            "own": self.own,
            "changes": [change.as_json() for change in self.changes],
            "facts": self.facts.as_json(),
            "unknown": list(self.facts.unknown),
            "measured": None if self.measured is None else self.measured.as_json(),
            "costs": None if self.costs is None else self.costs.as_json(),
            "curve": None if self.curve is None else self.curve.as_json(),
        }


def advise(
    facts: Facts,
    *,
    measured: Measured | None = None,
    rules: Sequence[Rule] | None = None,
    costs: Costs | None = None,
    curve: Curve | None = None,
) -> Advice:
    """Return the recommendation for `facts`; what they do not say is taken from `measured` and the load of `costs`.

    Deterministic, and nothing is asked. Under as many labels as the rules ask for, a reason to fine-tune waits; with
    reasons for retrieval and for fine-tuning it is both. A verdict `worse` on the own test split overrules compiling.
    """
    chosen = load_rules() if rules is None else tuple(rules)
    if measured is not None:
        facts = measured.facts.over(facts)
    if costs is not None and facts.tokens_a_month is None:
        facts = replace(facts, tokens_a_month=costs.load.tokens)
    outcome, fired = decide(facts, chosen)
    own = None if measured is None else measured.says
    if outcome == "compile" and measured is not None and measured.verdict == "worse":
        outcome = "rag"
    reasons = [rule for rule in fired if rule.says in _FOR[outcome]]
    if outcome == "both":
        reasons += [rule for rule in chosen if rule.fact == "both"]
    return Advice(
        outcome,
        facts,
        tuple(reasons),
        tuple(rule for rule in fired if rule not in reasons),
        tuple(_changes(facts, chosen, outcome)),
        measured,
        own,
        costs,
        curve,
    )


_FOR: dict[Outcome, tuple[str, ...]] = {
    "rag": ("label", "rag"),
    "compile": ("compile", "mixed", "rag"),
    "both": ("rag", "fine-tune", "mixed"),
    "fine-tune": ("fine-tune", "mixed"),
}


def decide(facts: Facts, rules: Sequence[Rule]) -> tuple[Outcome, list[Rule]]:
    """Return what the rules that fire come to, and those rules in their order."""
    fired = [rule for rule in rules if rule.fact != "both" and rule.fires(getattr(facts, rule.fact))]
    said = {rule.says for rule in fired}
    if "label" in said:
        return "rag", fired
    if "compile" in said or "fine-tune" not in said:
        return "compile", fired
    return ("both" if "rag" in said else "fine-tune"), fired


def _changes(facts: Facts, rules: Sequence[Rule], outcome: Outcome) -> list[Change]:
    """Each fact that alone, at the edge of a rule, would lead elsewhere; one a fact and outcome.

    Labels only grow: fewer of them than there are is no way to another advice.
    """
    found: list[Change] = []
    for rule in rules:
        if rule.fact == "both":
            continue
        now = getattr(facts, rule.fact)
        value = rule.outside if rule.fires(now) else rule.edge
        if value is None or (rule.fact == "labels" and now is not None and value < now):
            continue
        other, _ = decide(replace(facts, **{rule.fact: value}), rules)
        if other != outcome and not any(one.fact == rule.fact and one.outcome == other for one in found):
            found.append(Change(rule.fact, value, other, now is not None))
    return found
