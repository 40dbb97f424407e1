"""What a run will take, said before it is paid for, and the smallest budget that can fund it."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import dspy

from ragc.compiler._bench import rerankers_of
from ragc.compiler._demonstrations import LabelAdapter
from ragc.compiler._events import OnEvent, Warned
from ragc.compiler._optimizer import Work
from ragc.errors import BudgetError, ExampleError
from ragc.evaluation import looks_at
from ragc.models import Amounts, NotCounted, exact_counter, find_price, text_of, token_counter

if TYPE_CHECKING:
    from dspy.lm15 import Request

    from ragc.compiler._bench import Bench
    from ragc.data import Example
    from ragc.evaluation import Outcome
    from ragc.project import Budget

NOTHING = Amounts()
JUDGED_TOKENS = 128
"""What a judge is taken to write of one answer, where its table has no `max_tokens`."""
SLOWER = 2
"""And so many times as slow: demonstrations stand at the beginning of every prompt, which models keep in memory."""


@dataclass(frozen=True)
class PerQuestion:
    """What one question takes with the uncompiled program."""

    calls: float
    """Of language models."""
    input_tokens: float
    output_tokens: float
    usd: float | None
    seconds: float | None
    """None where nothing was observed."""
    exact: bool = False
    """Whether the provider counted the input tokens."""
    embeddings: float = 0.0
    """Calls of its retrieval, which embed it and rerank what is found; see `with_embeddings`."""

    @property
    def tokens(self) -> float:
        """Input and output together."""
        return self.input_tokens + self.output_tokens


@dataclass(frozen=True)
class Estimate:
    """What a run takes in all: a range, the lower end without and the upper end with demonstrations in the prompts."""

    runs: int
    """How often the program is run on a question, in all."""
    calls: tuple[int, int]
    tokens: tuple[int, int]
    usd: tuple[float, float] | None
    """None where the model has no known price."""
    seconds: tuple[float, float] | None
    observed: bool
    """Whether a pilot was run; else the figures come from the prompts alone."""
    open_ended: bool
    """Whether the optimizer does not say how much it works: "at least"."""
    smallest: dict[str, float]
    """By cap, what baseline, training, one candidate and the final test need."""
    exact: bool = False
    """Whether the provider counted the input tokens of the prompts that the figures come from."""

    def as_json(self) -> dict[str, Any]:
        """The estimate for `--json`."""
        return {
            "runs": self.runs,
            "calls": list(self.calls),
            "tokens": list(self.tokens),
            "usd": None if self.usd is None else list(self.usd),
            "seconds": None if self.seconds is None else list(self.seconds),
            "observed": self.observed,
            "exact": self.exact,
            "smallest": self.smallest,
        }


def observed(outcomes: Sequence[Outcome], threads: int) -> tuple[PerQuestion, PerQuestion]:
    """What a question takes, from a pilot's outcomes: on average, and the most of each (of five, an upper quantile).

    The time, when `threads` are answered at once, is that of the LM calls: what the first of them waits for a model to
    load is not a question's.
    """
    n = len(outcomes)
    prices = [
        outcome.usd + outcome.judging.usd
        for outcome in outcomes
        if outcome.usd is not None and outcome.judging.usd is not None
    ]
    priced = len(prices) == n
    inputs = [outcome.input_tokens + outcome.judging.input_tokens for outcome in outcomes]
    outputs = [outcome.output_tokens + outcome.judging.output_tokens for outcome in outcomes]
    average = PerQuestion(
        calls=sum(outcome.calls - outcome.embeddings + outcome.judging.calls for outcome in outcomes) / n,
        input_tokens=sum(inputs) / n,
        output_tokens=sum(outputs) / n,
        usd=sum(prices) / n if priced else None,
        seconds=sum(outcome.seconds for outcome in outcomes) / n / threads,
        embeddings=sum(outcome.embeddings for outcome in outcomes) / n,
    )
    most = PerQuestion(
        calls=max(1.0, average.calls),  # an answer that was asked for twice is no rule
        input_tokens=max(inputs),
        output_tokens=max(outputs),
        usd=max(prices) if priced else None,
        seconds=average.seconds,
        embeddings=average.embeddings,
    )
    return average, most


def from_prompts(
    bench: Bench, program: dspy.Module, examples: Sequence[Example], *, exact: bool = False
) -> PerQuestion:
    """What a question takes judging by the program's prompts, without a call.

    Input tokens are four bytes each, or as a local model's own tokenizer counts them; with `exact` as the provider's
    endpoint counts them. Output tokens are taken at the LM's `max_tokens`, or at a quarter of the input where none is
    set. Raises NotCounted where `exact` is asked of a provider that does not count.
    """
    settings = bench.project.settings.lm
    if exact and not settings.model.startswith("local/"):
        count = exact_counter(settings)
    else:
        tokens = token_counter(settings)

        def count(request: Request) -> int:
            return tokens(text_of(request))

    price = find_price(settings)
    prompts: list[int] = []
    whole, program = program, bench.unasked(program)
    for example in examples:
        adapter = LabelAdapter({"answer": example.answers[0] if example.answers else ""}, measure=bench.adapter)
        try:
            with dspy.context(lm=bench.lm, adapter=adapter, trace=[]):
                program(question=example.question, **example.inputs)
        except Exception:  # noqa: BLE001  a program can raise anything on labels; what it had asked so far counts
            pass
        prompts.append(sum(count(request) for request in adapter.requests))
    calls = float(len(program.predictors()))
    tokens_in = sum(prompts) / len(prompts) if prompts else 0.0
    tokens_out = calls * float(settings.max_tokens or 0) or tokens_in / 4
    ranked = bench.rankings_take(rerankers_of(whole))
    usd = None if price is None else (tokens_in * price.input + tokens_out * price.output) / 1e6 + float(ranked.usd)
    tokens_in += ranked.input_tokens
    one = PerQuestion(calls, tokens_in, tokens_out, usd, None, exact, embeddings=bench.embeddings_of(whole))
    return _with_judging(one, bench, examples)


def _with_judging(one: PerQuestion, bench: Bench, examples: Sequence[Example]) -> PerQuestion:
    """`one` with what it takes to judge an answer like the accepted one; as it is where no model judges.

    Output tokens are taken at the judge's `max_tokens`, or at 128 where none is set.
    """
    judge = bench.metric.tools.judge
    if judge is None:
        return one
    chunk = bench.task.chunk
    text = "x" * (chunk.size if chunk.by == "characters" else 4 * chunk.size)
    passages = [SimpleNamespace(source="", text=text)] * bench.passages
    count, price, prompts = token_counter(judge.settings), find_price(judge.settings), []
    for example in examples:
        adapter = LabelAdapter({}, measure=judge.adapter)
        metric = bench.metric.with_tools(recall=bench.metric.tools.recall, judge=replace(judge, adapter=adapter))
        said = SimpleNamespace(answer=f"It is {example.answers[0]}." if example.answers else "", passages=passages)
        with contextlib.suppress(ExampleError):  # nobody judged
            metric(example, said)
        prompts += [count(text_of(request)) for request in adapter.requests[:1]]
    tokens_in = sum(prompts) / len(prompts) if prompts else 0.0
    tokens_out = float(judge.settings.max_tokens or JUDGED_TOKENS)
    usd = None if price is None else (tokens_in * price.input + tokens_out * price.output) / 1e6
    return replace(
        one,
        calls=one.calls + 1,
        input_tokens=one.input_tokens + tokens_in,
        output_tokens=one.output_tokens + tokens_out,
        usd=None if one.usd is None or usd is None else one.usd + usd,
    )


def counted_prompts(bench: Bench, program: dspy.Module, examples: Sequence[Example], on_event: OnEvent) -> PerQuestion:
    """Like `from_prompts` with the provider's own count; where it gives none, its estimate, and a warning says so."""
    try:
        return from_prompts(bench, program, examples, exact=True)
    except NotCounted as error:
        on_event(Warned(f"{error}: input tokens are estimated, four bytes to a token"))
        return from_prompts(bench, program, examples)


def estimate(  # noqa: PLR0913  what a run is made of
    one: PerQuestion,
    work: Work | None,
    *,
    validation: int,
    test: int,
    already: float,
    is_pilot: bool,
    plain: int | None = None,
    most: PerQuestion | None = None,
    margin: Amounts = NOTHING,
) -> Estimate:
    """The whole run from what one question takes; `already` is the number of questions that the pilot answered.

    `validation` and `test` are the questions that a candidate answers, and `plain` those that the uncompiled program
    does (default: the same). `most` is the same for a dear question; `margin` what one call is
    reserved at, which the search's last one needs free, and the test's.
    """
    plan = work or Work(training=0, candidates=1)
    high = most or one
    base = plan.training + (validation + test if plain is None else plain)
    shown = plan.candidates * validation + test
    runs = base + shown
    dear = base + plan.dearer * shown
    first = min(1, plan.candidates) * validation
    if plan.race and (looks := looks_at(validation)):
        first += max(0, plan.candidates - 1) * looks[0]
    fewest = base + first + test
    least = base + plan.dearer * (first + test)
    smallest: dict[str, float] = {
        "calls": math.ceil(fewest * high.calls),
        "input_tokens": math.ceil(least * high.input_tokens) + 2 * math.ceil(plan.dearer * margin.input_tokens),
        "output_tokens": math.ceil(fewest * high.output_tokens) + 2 * margin.output_tokens,
    }
    usd = seconds = None
    if one.usd is not None and high.usd is not None:
        usd = (runs * one.usd, dear * high.usd)
        smallest["usd"] = least * high.usd + 2 * plan.dearer * float(margin.usd)
    if one.seconds is not None:
        seconds = ((runs - already) * one.seconds, (base - already + SLOWER * shown) * one.seconds)
        smallest["seconds"] = math.ceil(fewest * one.seconds)
    return Estimate(
        runs=runs,
        calls=(math.ceil(runs * one.calls), math.ceil(runs * high.calls)),
        tokens=(round(runs * one.tokens), round(dear * high.input_tokens + runs * high.output_tokens)),
        usd=usd,
        seconds=seconds,
        observed=is_pilot,
        open_ended=work is None,
        smallest=smallest,
        exact=one.exact,
    )


def with_embeddings(plan: Estimate, one: PerQuestion, questions: int, index: Amounts) -> Estimate:
    """`plan` with the calls that embed so many different questions, and with what the index takes.

    A question is embedded the first time alone, whatever program is asked; its tokens are among the others.
    """

    def more(values: tuple[int, int], by: int) -> tuple[int, int]:
        return values[0] + by, values[1] + by

    calls, usd = index.calls + math.ceil(questions * one.embeddings), float(index.usd)
    takes = {"calls": calls, "input_tokens": index.input_tokens, "usd": usd}
    return replace(
        plan,
        calls=more(plan.calls, calls),
        tokens=more(plan.tokens, index.input_tokens),
        usd=None if plan.usd is None else (plan.usd[0] + usd, plan.usd[1] + usd),
        smallest={name: least + takes.get(name, 0) for name, least in plan.smallest.items()},
    )


def without_rankings(one: PerQuestion, takes: Amounts) -> PerQuestion:
    """`one` without what its rankings take: they are paid the first time alone, and `with_rankings` counts them."""
    usd = None if one.usd is None else max(0.0, one.usd - float(takes.usd))
    return replace(one, input_tokens=max(0.0, one.input_tokens - takes.input_tokens), usd=usd)


def with_rankings(plan: Estimate, takes: Amounts, questions: int) -> Estimate:
    """`plan` with rankings for so many different questions; `takes` is what those of one question take.

    What is found for a question is reranked the first time alone, by each reranker.
    """
    more = {
        "calls": questions * takes.calls,
        "input_tokens": questions * takes.input_tokens,
        "usd": float(questions * takes.usd),
    }
    calls, tokens = int(more["calls"]), int(more["input_tokens"])
    return replace(
        plan,
        calls=(plan.calls[0] + calls, plan.calls[1] + calls),
        tokens=(plan.tokens[0] + tokens, plan.tokens[1] + tokens),
        usd=None if plan.usd is None else (plan.usd[0] + more["usd"], plan.usd[1] + more["usd"]),
        smallest={name: least + more.get(name, 0) for name, least in plan.smallest.items()},
    )


def with_another_test(plan: Estimate, test: int) -> Estimate:
    """`plan` with one more program on the test questions, at its upper end: the artifact that is replaced.

    It is asked where the budget has room at the end, and no budget is too small for want of it.
    """
    more = (plan.runs + test) / plan.runs
    return replace(
        plan,
        calls=(plan.calls[0], math.ceil(more * plan.calls[1])),
        tokens=(plan.tokens[0], math.ceil(more * plan.tokens[1])),
        usd=None if plan.usd is None else (plan.usd[0], more * plan.usd[1]),
        seconds=None if plan.seconds is None else (plan.seconds[0], more * plan.seconds[1]),
    )


def refuse_unfundable(
    budget: Budget, plan: Estimate, *, what: str = "baseline, one candidate and the final test"
) -> None:
    """Raises BudgetError when `budget` cannot fund `what`, the least that makes sense; names what can."""
    for name, least in plan.smallest.items():
        cap = getattr(budget, name)
        if cap is None or cap >= least:
            continue
        flag = f"--budget-{name.replace('_', '-')}"
        if name == "usd":
            enough = math.ceil(least * 100) / 100
            shown, needed = f"${Decimal(str(cap)):f}", f"about ${enough:.2f} ({flag} {enough:.2f})"
        else:
            unit = name.replace("_", " ")
            about = "" if name == "calls" else "about "
            shown, needed = f"{cap:,.0f} {unit}", f"{about}{least:,.0f} {unit} ({flag} {least:.0f})"
        raise BudgetError(f"a budget of {shown} cannot fund {what}: the smallest that can is {needed}")
