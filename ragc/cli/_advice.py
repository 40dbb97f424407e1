"""`ragc advise`: what its flags mean, what it asks, and what it prints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import click

from ragc._messages import counted
from ragc.cli._terminal import note, row, say, table

if TYPE_CHECKING:
    from ragc.advise import Advice, BreakEven, Change, Costs, Curve, Facts, Measured, Own, Price, Prices, Question, Rule
    from ragc.project import Project

NAME = 30
"""Columns of an arm's name."""
_TURNED = {"rag": "RAG as it is", "compile": "compile", "both": "both", "fine-tune": "fine-tune"}


def facts_of(given: Mapping[str, Any]) -> Facts:
    """The facts that flags say."""
    from ragc.advise import QUESTIONS, Facts

    return Facts(**{name: given[name] for name in QUESTIONS})


def costs_of(given: Mapping[str, Any], project: Project | None, measured: Measured | None) -> Costs:
    """The costs of the load that flags say; tokens that they do not say are those of the measured artifact."""
    from ragc.advise import Load, model_price, reckon
    from ragc.errors import ConfigError

    tokens: dict[str, int] = {}
    for name in ("input_tokens", "output_tokens"):
        known: Fraction | None = None if measured is None else getattr(measured, name)
        if given[name] is not None:
            tokens[name] = int(given[name])
        elif known is not None:
            tokens[name] = round(known)
        else:
            flag = "--" + name.replace("_", "-")
            raise ConfigError(f"{flag} is missing: no artifact says how many tokens a query takes; write {flag} N")
    parts = ("queries", "tuned_input_tokens", "question_tokens", "vectors", "corpus_tokens", "training_tokens")
    prices = _prices(given, project)
    own = []
    if measured is not None and measured.model is not None:
        price = model_price(measured.model, prices, None if project is None else project.settings.lm)
        own = _own(measured, price, tokens, is_given=given["input_tokens"] is not None)
    load = Load(**tokens, **{name: given[name] for name in parts})
    return reckon(load, prices, given["models"], own=own, months=given["months"])


def _own(measured: Measured, price: Price, tokens: Mapping[str, int], *, is_given: bool) -> list[Own]:
    """The artifact, and where its tokens are those that were measured, the program before compiling beside it."""
    from ragc.advise import Own

    own = [Own(replace(price, name=f"{measured.task}, as compiled"), tokens["input_tokens"], tokens["output_tokens"])]
    plain = (measured.plain_input_tokens, measured.plain_output_tokens)
    if is_given or plain[0] is None or plain[1] is None:
        return own
    before = replace(price, name=f"{measured.task}, uncompiled")
    return [Own(before, round(plain[0]), round(plain[1])), *own]


def _prices(given: Mapping[str, Any], project: Project | None) -> Prices:
    from ragc.advise import load_prices, parted_prices

    prices = load_prices()
    if project is not None:
        prices = prices.over(project.settings.prices, "[tool.ragc.prices]")
    return prices.over(parted_prices(given["prices"]), "--price")


def asked(facts: Facts, given: Mapping[str, Any]) -> Facts:
    """`facts` with what a person answers in the terminal; Enter leaves a question open."""
    from ragc.advise import QUESTIONS, Facts

    open_ones = [name for name in facts.unknown if not (name == "tokens_a_month" and given["queries"] is not None)]
    if open_ones:
        note(f"{counted(len(open_ones), 'question')}; Enter leaves one open")
    return facts.over(Facts(**{name: _answer(QUESTIONS[name]) for name in open_ones}))


def _answer(question: Question) -> Any:
    from ragc.advise import count
    from ragc.errors import ConfigError

    words: dict[str, dict[str, Any]] = {
        "yes": {"y": True, "yes": True, "n": False, "no": False},
        "changes": {"often": "often", "seldom": "seldom"},
    }
    ending = " [y/n]" if question.kind == "yes" else ""
    while True:
        said = click.prompt(question.text + ending, default="", show_default=False, err=True).strip().lower()
        if not said:
            return None
        if question.kind == "number":
            try:
                return float(said) if question.flag == "--faster" else count(said, question.flag)
            except (ConfigError, ValueError) as error:
                note(str(error) if isinstance(error, ConfigError) else f'"{said}" is no number')
        elif said in words[question.kind]:
            return words[question.kind][said]
        else:
            note(f'"{said}": {" or ".join(words[question.kind])}')


def show_advice(advice: Advice) -> None:
    """Print the recommendation, its reasons, what would change it, and the costs."""
    row("advice", advice.headline, f"Next: {advice.next}.")
    if advice.measured is not None:
        row("measured", *filter(None, [advice.own]), *_measured(advice.measured))
    for label, rules in (("because", advice.reasons), ("against", advice.against)):
        for number, rule in enumerate(rules):
            row(label if number == 0 else "", *_rule(rule))
    row("otherwise", *([_change(one) for one in advice.changes] or ["no single fact would lead elsewhere"]))
    if advice.curve is not None:
        say()
        show_curve(advice.curve)
    if advice.costs is not None:
        say()
        show_costs(advice.costs)


def show_curve(curve: Curve) -> None:
    """Print the own learning curve."""
    rows = [("training labels", "score", "95% interval", "questions", "")]
    for point in curve.points:
        score = "–" if point.score is None else f"{100 * point.score:.1f}"
        interval = (
            "–"
            if point.ci_low is None or point.ci_high is None
            else f"{100 * point.ci_low:.1f} to {100 * point.ci_high:.1f}"
        )
        rows.append((f"{point.labels} ({point.share:.0%})", score, interval, str(point.n), point.stopped or ""))
    table(rows, right=(1, 2, 3))
    row("", curve.sentence)


def show_costs(costs: Costs) -> None:
    """Print what a load costs with each arm."""
    from ragc.advise import dollars

    load = costs.load
    tokens = f"{load.input_tokens:,} input and {load.output_tokens:,} output tokens each"
    row("costs", f"{load.queries:,} queries a month, {tokens}")
    say()
    rows = [("arm", "a month", "a query", "once", "price")]
    for arm in costs.arms:
        once = " to ".join(dollars(usd) for usd in arm.once) if any(arm.once) else "–"
        rates = "/".join(_short(usd) for usd in arm.price.figures)
        rows.append((_cut(arm.name), dollars(arm.month), dollars(arm.query), once, rates))
    table(rows, right=(1, 2))
    if costs.items:
        say()
        beside = [("retrieval, beside it", "a month", "once")]
        beside += [(one.name, dollars(one.month), dollars(one.once) if one.once else "–") for one in costs.items]
        table(beside, right=(1,))
    if costs.break_even:
        say()
        for number, one in enumerate(costs.break_even):
            row("pays from" if number == 0 else "", _pays(one))
    say()
    prices = [arm.price for arm in costs.arms] + [one.price for one in costs.items]
    for number, price in enumerate(dict.fromkeys(prices)):
        when = f", {price.date}" if price.date else ""
        row("prices" if number == 0 else "", f"{price.name}: {price.source} ({price.basis}{when})")


def _cut(name: str) -> str:
    return name if len(name) <= NAME else name[: NAME - 1] + "…"


def _short(usd: Any) -> str:
    return f"${float(usd):,.2f}"


def _pays(one: BreakEven) -> str:
    over = "" if one.months == 1 else f", written off over {one.months} months"
    if one.low is None or one.high is None:
        return f"{one.arm} against {one.against}: never, a query is not cheaper"
    queries = f"{one.low:,}" if one.low == one.high else f"{one.low:,} to {one.high:,}"
    return f"{one.arm} against {one.against}: {queries} queries a month{over}"


def _measured(measured: Measured) -> list[str]:
    slices = ", ".join(f"{count} {name}" for name, count in measured.slices.items())
    lines = [counted(measured.labels, "label") + (f": {slices}" if slices else "")]
    if measured.weakest is not None:
        name, score, n = measured.weakest
        lines.append(
            f"weakest slice: {name}, {100 * score:.1f} on {counted(n, 'question')}: label and look there first"
        )
    if measured.recall is not None:
        lines.append(
            f"retrieval finds {measured.recall:.0%} of the evidence; what it misses no prompt or weight makes up"
        )
    if measured.latency_p95 is not None:
        limit = "no limit" if measured.latency_limit is None else f"limit {measured.latency_limit:g} s"
        lines.append(f"p95 latency {measured.latency_p95:.2f} s of model time a question, {limit}")
    if measured.prompt_tokens is not None:
        lines.append(f"about {measured.prompt_tokens:,} tokens of instructions and examples in every prompt")
    if measured.tone is not None:
        lines.append(f"tone scores {100 * measured.tone:.1f}; say --tone where that is not enough")
    return lines


def _rule(rule: Rule) -> list[str]:
    return [rule.text, f"  why: {rule.reason}", f"  {rule.source} ({rule.basis})"]


def _change(one: Change) -> str:
    from ragc.advise import QUESTIONS

    value = one.value
    shown = ("yes" if value else "no") if isinstance(value, bool) else f"{value:,}" if isinstance(value, int) else value
    flag = QUESTIONS[one.fact].flag
    asked_for = f"{flag} {value}" if not isinstance(value, bool) else flag if value else f"--no-{flag[2:]}"
    said = "" if one.known else ", which nobody said"
    return f"{_TURNED[one.outcome]}: {one.fact.replace('_', ' ')} {shown} ({asked_for}){said}"
