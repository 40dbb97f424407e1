"""Caps hold as the provider counts, whatever it reports and however often the run is killed."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import pytest

from launcher import Launcher
from provider import FAULTS, Answer, Asked, Provider, Tokens, at_rates
from scenes import FEW, KEY, THREADS, Scene, stage

MANY = ("--set", "candidates=8")
INPUT, OUTPUT = 1.0, 2.0
"""USD for a million tokens."""


class Meter:
    """What the provider has charged for the answers that it sent, by its own count."""

    def __init__(self, provider: Provider) -> None:
        script, self.input, self.output, self.calls = provider.script, 0, 0, 0

        def metered(asked: Asked) -> Answer:
            said = script(asked)
            text = said if isinstance(said, str) else said.text
            usage = Tokens(asked.tokens, len(text) // 4 + 1)
            self.calls, self.input, self.output = self.calls + 1, self.input + usage.input, self.output + usage.output
            return Answer(text, usage=usage)

        provider.script = metered

    @property
    def usd(self) -> float:
        return (self.input * INPUT + self.output * OUTPUT) / 1_000_000


def scene_with(folder: Path, provider: Provider, launcher: Launcher, **model: Any) -> tuple[Scene, Meter]:
    scene = stage(folder, provider, launcher, **model)
    return scene, Meter(provider)


CAPS = [("calls", 45), ("usd", 0.07), ("input_tokens", 70_000), ("output_tokens", 800)]


@pytest.mark.parametrize(("cap", "amount"), CAPS)
def test_a_cap_holds_with_16_threads_and_its_remainder_pays_for_the_test(
    tmp_path: Path, hosted_model: Provider, launcher: Launcher, cap: str, amount: float
) -> None:
    scene, meter = scene_with(tmp_path, hosted_model, launcher, threads=16)
    done = scene.compile("--set", "candidates=30", f"--budget-{cap.replace('_', '-')}", str(amount))
    assert (done.returncode, done.json["stopped"]) == (3, "budget"), done.stderr
    assert done.json["verdict"] != "not tested"
    spent = {"calls": meter.calls, "usd": meter.usd, "input_tokens": meter.input, "output_tokens": meter.output}[cap]
    assert 0.5 * amount < spent <= amount
    assert meter.calls == scene.asked == done.json["paid_calls"]


def test_a_cap_holds_across_kills_and_what_was_in_flight_counts_as_spent(
    tmp_path: Path, hosted_model: Provider, launcher: Launcher
) -> None:
    scene, meter = scene_with(tmp_path, hosted_model, launcher)
    words = ("compile", "--json", *MANY, "--budget-calls", "50")
    lost = 0
    for more in (8, 8):
        before = scene.asked
        running = scene.start(*words)
        running.until(lambda before=before, more=more: scene.asked >= before + more)  # type: ignore[misc]
        running.kill()
        lost += scene.in_journal("flights")
        time.sleep(0.05)
    done = scene.run(*words)
    assert (done.returncode, done.json["stopped"]) == (3, "budget"), done.stderr
    assert lost > 0
    assert f"{scene.in_journal('flights')}" == "0"
    assert meter.calls <= 50
    assert scene.in_journal() + lost <= 50
    assert "in flight when it was killed" in done.stderr


@pytest.mark.parametrize("fault", ["no usage", "absurd usage", "negative usage"])
def test_usage_that_cannot_be_is_counted_at_its_worst_case_and_told(
    tmp_path: Path, hosted_model: Provider, launcher: Launcher, fault: str
) -> None:
    scene, _ = scene_with(tmp_path, hosted_model, launcher, threads=16)
    hosted_model.faults = lambda asked: FAULTS[fault]
    done = scene.compile(*MANY, "--budget-usd", "0.3")
    assert done.returncode in (0, 2, 3), done.stderr
    if done.returncode == 2:
        assert "the smallest that can" in done.stderr
        return
    assert done.json["cost"]["usd"] <= 0.3
    assert done.stderr.count("warning: openai/scripted: ") == 1, done.stderr
    # A worst case is never below what the provider's own count of the same texts comes to.
    counted = sum(asked.tokens for asked in hosted_model.requests)
    assert done.json["cost"]["input_tokens"] >= counted


def test_a_cap_in_seconds_begins_no_call_later(scene: Scene) -> None:
    scene.provider.latency = 0.25
    done = scene.compile("--set", "candidates=30", "--budget-seconds", "6")
    assert (done.returncode, done.json["stopped"]) == (3, "time"), done.stderr
    assert scene.provider.requests[-1].at - scene.provider.requests[0].at < 6
    asked = scene.asked
    scene.provider.latency = 0.0
    again = scene.compile("--set", "candidates=30", "--budget-seconds", "6")
    assert (again.returncode, again.json["id"], scene.asked) == (3, done.json["id"], asked), again.stderr


@pytest.mark.parametrize("cap", ["usd", "calls", "input-tokens", "output-tokens"])
def test_an_unfundable_budget_names_the_smallest_which_then_runs_to_the_end(scene: Scene, cap: str) -> None:
    tiny = {"usd": "0.00001", "calls": "2", "input-tokens": "900", "output-tokens": "201"}[cap]
    smallest = tiny
    for _ in range(2):  # what is observed names it closer than the prompts alone
        refused = scene.compile("--set", "candidates=1", f"--budget-{cap}", smallest)
        if refused.returncode == 0:
            break
        assert refused.returncode == 2, refused.stderr
        line = refused.stderr.strip().splitlines()[-1]
        assert line.startswith("error: a budget of ")
        found = re.search(rf"the smallest that can is .*\(--budget-{cap} ([\d.]+)\)$", line)
        assert found, line
        smallest = found[1]
        assert scene.asked <= 5, "the pilot at most"
    done = scene.compile("--set", "candidates=1", f"--budget-{cap}", smallest)
    assert done.returncode == 0, done.stderr
    assert done.json["verdict"] != "not tested"


def test_a_cap_in_dollars_on_an_unknown_price_is_refused_with_the_line_to_write(
    tmp_path: Path, hosted_model: Provider, launcher: Launcher
) -> None:
    scene = stage(tmp_path, hosted_model, launcher, price=None)
    done = scene.compile(*FEW, "--budget-usd", "1")
    assert (done.returncode, scene.asked) == (2, 0)
    assert "price = {" in done.stderr.strip().splitlines()[-1]


@pytest.mark.parametrize("amount", ["0", "-1"])
@pytest.mark.parametrize("cap", ["usd", "calls", "seconds"])
def test_a_cap_of_nothing_is_refused(scene: Scene, cap: str, amount: str) -> None:
    done = scene.compile(*FEW, f"--budget-{cap}", amount)
    assert (done.returncode, scene.asked) == (2, 0)
    assert f"--budget-{cap}" in done.stderr.strip().splitlines()[-1]


def test_failures_cost_nothing_and_the_cap_holds_between_them(
    tmp_path: Path, hosted_model: Provider, launcher: Launcher
) -> None:
    scene, _ = scene_with(tmp_path, hosted_model, launcher)
    hosted_model.faults = at_rates({"429": 0.2, "500": 0.1})
    done = scene.compile(*MANY, "--budget-calls", "45")
    assert (done.returncode, done.json["stopped"]) == (3, "budget"), done.stderr
    paid = hosted_model.counts(delivered=True).total()
    assert paid == done.json["paid_calls"] <= 45 < scene.asked


UNRESERVED = """
from ragc.models.gateway import _account
_account.Account._over = lambda self, amounts: None
"""


def test_the_cap_is_seen_to_be_passed_without_the_account(scene: Scene) -> None:
    done = scene.compile(*MANY, "--budget-calls", "45", before=UNRESERVED)
    assert done.returncode == 0, done.stderr
    assert scene.asked > 45


FORGETFUL = """
from ragc.models.gateway._journal import Journal
from ragc.models.gateway import Amounts
Journal.spent_by = lambda self, run: Amounts()
"""


def test_the_cap_is_seen_to_be_passed_when_earlier_commands_are_forgotten(scene: Scene) -> None:
    words = ("compile", "--json", *MANY, "--budget-calls", "45")
    running = scene.start(*words)
    running.until(lambda: scene.asked >= 25)
    running.kill()
    scene.run(*words, before=FORGETFUL)
    assert scene.asked > 45 + THREADS


def test_the_key_is_the_one_of_the_environment(scene: Scene) -> None:
    scene.compile(*FEW)
    assert {asked.key for asked in scene.provider.requests} == {KEY}


def test_a_cap_in_seconds_holds_across_a_kill(scene: Scene) -> None:
    scene.provider.latency = 0.3
    words = ("compile", "--json", "--set", "candidates=90", "--budget-seconds", "7")
    running = scene.start(*words)
    running.until(lambda: scene.asked > 0)
    running.until(lambda: False, 3.5)
    assert not running.has_ended
    running.kill()
    asked = scene.asked
    done = scene.run(*words)
    assert (done.returncode, done.json["stopped"]) == (3, "time"), done.stderr
    later = scene.provider.requests[asked:]
    assert later[-1].at - later[0].at < 7 - 3.5 + 1


JUMPS = """
import itertools, time
real, calls = time.time, itertools.count()
time.time = lambda: real() - 60 * next(calls)
"""


def test_a_clock_that_jumps_back_neither_stops_a_run_nor_gives_it_time(scene: Scene) -> None:
    scene.provider.latency = 0.3
    done = scene.compile("--set", "candidates=30", "--budget-seconds", "6", before=JUMPS)
    assert (done.returncode, done.json["stopped"]) == (3, "time"), done.stderr
    assert scene.asked > 4 * THREADS
    assert scene.provider.requests[-1].at - scene.provider.requests[0].at < 6
    scene.provider.latency = 0.0
    again = scene.compile("--set", "candidates=30", "--budget-seconds", "6", before=JUMPS)
    assert (again.returncode, again.json["id"]) == (3, done.json["id"]), again.stderr
