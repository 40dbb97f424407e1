"""What a provider's misbehaviour becomes: the kind of failure, on either wire, awaited or not, and through LiteLLM."""

from __future__ import annotations

import asyncio
import json
import math
import subprocess
import sys

import pytest
from dspy import lm15
from dspy.clients.engines.lm15_engine import LM15Engine
from dspy.lm15 import Message, Request

from provider import FAULTS, Answer, Provider, always
from ragc.models._errors import AnswerWithheld, CallFailed, ModelRefused, PromptTooLong, explain
from ragc.models._kinds import BadReply, Kind, kind, rate_limits, retry_after
from ragc.models._providers import async_provider_engine, provider_engine, router_config
from ragc.models._routes import route
from unit.models.conftest import KEY, settings

MODELS = {"openai": "openai/our-model", "anthropic": "anthropic/claude-sonnet-4-5"}
KINDS = {
    "429": Kind.THROTTLED,
    "429 retry-after": Kind.THROTTLED,
    "429 headers": Kind.THROTTLED,
    "500": Kind.TRANSIENT,
    "503": Kind.TRANSIENT,
    "529": Kind.TRANSIENT,
    "slow": Kind.TRANSIENT,
    "hang": Kind.TRANSIENT,
    "hang up": Kind.TRANSIENT,
    "reset": Kind.TRANSIENT,
    "half": Kind.TRANSIENT,
    "cut": Kind.TRANSIENT,
    "not json": Kind.TRANSIENT,
    "wrong shape": Kind.TRANSIENT,
    "key echoed": Kind.FATAL,
    "key echoed in 500": Kind.TRANSIENT,
    "401": Kind.FATAL,
    "403": Kind.FATAL,
    "unknown model": Kind.FATAL,
    "no credit": Kind.FATAL,
    "context exceeded": Kind.EXAMPLE,
    "prompt refused": Kind.EXAMPLE,
}
ANSWERED = {"no usage", "absurd usage", "negative usage", "content filter"}
"""What is an answer all the same: its usage is the account's to judge, its finish the engine's."""
MEANS = {Kind.FATAL: ModelRefused, Kind.THROTTLED: CallFailed, Kind.TRANSIENT: CallFailed}


def ask(provider: Provider, wire: str = "openai", *, awaited: bool = False, timeout: float = 0.25) -> str | None:
    """The text of one attempt's answer."""
    given = settings(MODELS[wire], base_url=provider.base_url, api_key_env="OUR_KEY", timeout=timeout)
    found, request = route(given), Request(model=given.model, messages=(Message.user("hello"),))
    if not awaited:
        text: str | None = provider_engine(given, found).complete(request).text
        return text

    async def main() -> str | None:
        response = await async_provider_engine(given, found).complete(request)
        said: str | None = response.text
        return said

    return asyncio.run(main())


def failure(provider: Provider, wire: str = "openai", *, awaited: bool = False) -> Exception:
    with pytest.raises(lm15.LM15Error) as caught:
        ask(provider, wire, awaited=awaited)
    error: Exception = caught.value
    return error


def test_every_fault_has_its_kind() -> None:
    assert {*KINDS, *ANSWERED} == {*FAULTS}


@pytest.mark.parametrize("wire", MODELS)
@pytest.mark.parametrize("fault", KINDS)
def test_kind_of_each_fault(provider: Provider, wire: str, fault: str) -> None:
    provider.faults = always(fault)
    error = failure(provider, wire)
    assert kind(error) is KINDS[fault], repr(error)
    means = explain(error, MODELS[wire], ("OUR_KEY",))
    expected = MEANS.get(KINDS[fault]) or (PromptTooLong if "context" in fault else AnswerWithheld)
    assert type(means) is expected
    assert "\n" not in str(means)
    assert KEY not in str(means)
    assert getattr(means, "transient", False) == (KINDS[fault] in (Kind.TRANSIENT, Kind.THROTTLED))


@pytest.mark.parametrize("wire", MODELS)
@pytest.mark.parametrize("fault", ["429", "hang", "slow", "half", "cut", "not json", "wrong shape", "negative usage"])
def test_awaited_calls_fail_alike(provider: Provider, wire: str, fault: str) -> None:
    provider.faults = always(fault)
    if fault in ANSWERED:
        assert ask(provider, wire, awaited=True) == "a scripted answer"
    else:
        assert kind(failure(provider, wire, awaited=True)) is KINDS[fault]


@pytest.mark.parametrize("wire", MODELS)
@pytest.mark.parametrize("fault", sorted(ANSWERED - {"content filter"}))
def test_unbelievable_usage_does_not_cost_the_answer(provider: Provider, wire: str, fault: str) -> None:
    provider.faults = always(fault)
    assert ask(provider, wire) == "a scripted answer"
    assert len(provider.requests) == 1


@pytest.mark.parametrize(
    ("body", "wire"),
    [
        (b"{}", "openai"),
        (b"{}", "anthropic"),
        (b"[1]", "openai"),
        (b"null", "anthropic"),
        (b'"fine"', "openai"),
        (b"", "openai"),
        (b'{"choices": []}', "openai"),
        (b'{"choices": [3]}', "openai"),
        (b'{"choices": {"a": 1}}', "openai"),
        (b'{"choices": [{"message": {"content": 5}}]}', "openai"),
        (b'{"choices": [{"message": null}], "usage": "many"}', "openai"),
        (b'{"content": "hi"}', "anthropic"),
        (b'{"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}', "anthropic"),
        (b'{"content": "\xff"}', "anthropic"),
    ],
)
def test_a_body_that_holds_no_answer_is_no_empty_answer(provider: Provider, wire: str, body: bytes) -> None:
    provider.script = lambda asked: Answer(raw=body)
    assert kind(failure(provider, wire)) is Kind.TRANSIENT


@pytest.mark.parametrize(
    ("body", "wire"),
    [
        (b'{"choices": [{"finish_reason": "stop", "message": {"role": "assistant", "content": ""}}]}', "openai"),
        (b'{"choices": [{"finish_reason": "length", "message": {"role": "assistant", "content": null}}]}', "openai"),
        (b'{"type": "message", "role": "assistant", "content": [], "stop_reason": "end_turn"}', "anthropic"),
    ],
)
def test_an_empty_answer_is_one(provider: Provider, wire: str, body: bytes) -> None:
    provider.script = lambda asked: Answer(raw=body)
    assert ask(provider, wire) == ""


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (302, Kind.FATAL),
        (400, Kind.EXAMPLE),
        (402, Kind.FATAL),
        (404, Kind.FATAL),
        (405, Kind.FATAL),
        (408, Kind.TRANSIENT),
        (409, Kind.TRANSIENT),
        (410, Kind.FATAL),
        (413, Kind.EXAMPLE),
        (422, Kind.EXAMPLE),
        (425, Kind.TRANSIENT),
        (429, Kind.THROTTLED),
        (501, Kind.TRANSIENT),
        (504, Kind.TRANSIENT),
        (524, Kind.TRANSIENT),
    ],
)
def test_kind_by_status_alone(provider: Provider, status: int, expected: Kind) -> None:
    provider.script = lambda asked: Answer(status=status, raw=b"sorry")
    assert kind(failure(provider)) is expected


def said(status: int, code: str, message: str) -> Answer:
    return Answer(status=status, code=code, message=message)


@pytest.mark.parametrize(
    ("wire", "answer", "expected"),
    [
        # A limit of tokens a minute, which lm15 takes for a context exceeded.
        (
            "anthropic",
            said(
                429, "rate_limit_error", "This request would exceed your rate limit of 40,000 input tokens per minute."
            ),
            Kind.THROTTLED,
        ),
        ("anthropic", said(529, "overloaded_error", "Overloaded: the token limit of this hour"), Kind.TRANSIENT),
        # One call that is larger than all tokens of a minute: waiting does not help.
        (
            "openai",
            said(
                429,
                "rate_limit_exceeded",
                "Request too large for gpt-4o on tokens per min (TPM): Limit 30000, Requested 43000. "
                "The input or output tokens must be reduced in order to run successfully.",
            ),
            Kind.EXAMPLE,
        ),
        ("openai", said(429, "billing_not_active", "Your account is not active."), Kind.FATAL),
        ("openai", said(429, "insufficient_quota", "You exceeded your current quota."), Kind.FATAL),
        ("openai", said(429, "RESOURCE_EXHAUSTED", "You exceeded your current quota."), Kind.THROTTLED),
        ("openai", said(400, "BadRequestError", "This model's maximum context length is 4096 tokens."), Kind.EXAMPLE),
        (
            "openai",
            said(403, "forbidden", "Your chosen model requires moderation and your input was flagged"),
            Kind.EXAMPLE,
        ),
        ("openai", said(400, "content_policy_violation", "rejected by our safety system"), Kind.EXAMPLE),
    ],
)
def test_the_providers_words_decide_where_the_status_does_not(
    provider: Provider, wire: str, answer: Answer, expected: Kind
) -> None:
    provider.script = lambda asked: answer
    assert kind(failure(provider, wire)) is expected


def test_a_prompt_too_long_is_known_by_its_words(provider: Provider) -> None:
    provider.script = lambda asked: said(
        400, "exceed_context_size_error", "the request exceeds the available context size"
    )
    assert isinstance(explain(failure(provider), "openai/ours"), PromptTooLong)


def test_a_quoted_prompt_does_not_make_an_error_fatal(provider: Provider) -> None:
    quoted = "invalid value in messages[0]: " + "x" * 400 + " your credit balance is too low"
    provider.script = lambda asked: said(400, "invalid_request_error", quoted)
    assert kind(failure(provider)) is Kind.EXAMPLE


def test_an_answer_that_trickles_is_given_up_in_time(provider: Provider) -> None:
    provider.faults = always("slow")  # a piece every 0.05 s, for a second
    with pytest.raises(lm15.TransportError, match=r"not whole after 0\.3 s: raise timeout in the model's table"):
        ask(provider, timeout=0.3)


def test_a_timeout_says_what_to_do_about_it(provider: Provider) -> None:
    provider.faults = always("hang")
    assert str(explain(failure(provider), "openai/ours")) == (
        "openai/ours: nothing came for 0.25 s: raise timeout in the model's table if it needs longer"
    )


def test_what_a_page_says_is_shown_in_part(provider: Provider) -> None:
    provider.script = lambda asked: Answer(status=500, raw=b"word " * 1000)
    assert len(str(explain(failure(provider), "openai/ours"))) < 500


def test_a_bug_is_the_examples_error_and_is_not_tried_again() -> None:
    assert kind(ZeroDivisionError("division by zero")) is Kind.EXAMPLE
    assert kind(TypeError("not a reply's fault")) is Kind.EXAMPLE


@pytest.mark.parametrize(
    "error",
    [ConnectionResetError(), BrokenPipeError(), TimeoutError(), lm15.StreamAssemblyError("no end"), BadReply("{}")],
)
def test_what_passes_below_the_engine(error: Exception) -> None:
    assert kind(error) is Kind.TRANSIENT


def test_a_stream_that_stops_is_transient(provider: Provider) -> None:
    for fault in ("half", "cut"):
        provider.faults = always(fault)
        given = settings(MODELS["openai"], base_url=provider.base_url, api_key_env="OUR_KEY")
        engine = LM15Engine(router_config(given, route(given)), model_type="chat")
        with pytest.raises(lm15.LM15Error) as caught:
            list(engine.stream(Request(model=given.model, messages=(Message.user("hello"),))))
        engine.close()
        assert kind(caught.value) is Kind.TRANSIENT


@pytest.mark.parametrize("asked", [None, 0, -1, math.nan, math.inf, "soon", True])
def test_a_wait_that_cannot_be_kept_was_not_asked(asked: object) -> None:
    error = lm15.RateLimitError("slow down", status=429)
    error.retry_after = asked
    assert retry_after(error) is None


def test_headers_of_an_error_are_found(provider: Provider) -> None:
    provider.faults = always("429 headers")
    assert rate_limits(failure(provider))["x-ratelimit-remaining-requests"] == ("0",)


def test_litellms_errors_have_their_kinds_and_it_tries_once(provider: Provider) -> None:
    provider.faults = always("500")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", LITELLM, provider.base_url],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found.pop("in earnest") == "transient"
    assert len(provider.requests) == 1
    assert found.pop("asks to wait") == 7.0
    assert found.pop("resets") == ["9s"]
    kinds: dict[str, set[str]] = {}
    for name, value in found.items():
        kinds.setdefault(value, set()).add(name)
    assert kinds == {
        "throttled": {"RateLimitError"},
        "transient": {
            *("Timeout", "APIConnectionError", "InternalServerError", "ServiceUnavailableError", "BadGatewayError"),
            *("APIResponseValidationError", "APIError", "ReadTimeout"),
        },
        "fatal": {
            *("AuthenticationError", "PermissionDeniedError", "PaymentRequiredError", "NotFoundError"),
            "BudgetExceededError",
        },
        "example": {
            *("ContextWindowExceededError", "ContentPolicyViolationError", "BadRequestError", "UnsupportedParamsError"),
        },
    }


LITELLM = """
import json, sys
import httpx, litellm
from dspy.clients.engines.litellm_errors import litellm_errors
from dspy.lm15 import Message, Request
from litellm import exceptions
from ragc.models._kinds import kind, rate_limits, retry_after
from ragc.models._providers import provider_engine
from ragc.models._routes import route
from ragc.project import ModelSettings

def mapped(error):
    try:
        with litellm_errors(model="mistral/x"):
            raise error
    except Exception as caught:
        return caught

def response(status, **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status, headers=named, request=httpx.Request("POST", "http://x"))

given = dict(llm_provider="mistral", model="x")
full = response(429, retry_after="7", x_ratelimit_remaining_requests="0", x_ratelimit_reset_requests="9s")
limited = mapped(litellm.RateLimitError("slow", response=full, **given))
plain = (
    *("Timeout", "APIConnectionError", "InternalServerError", "ServiceUnavailableError", "BadGatewayError"),
    *("APIResponseValidationError", "AuthenticationError", "PaymentRequiredError", "NotFoundError"),
    *("ContextWindowExceededError", "ContentPolicyViolationError", "BadRequestError", "UnsupportedParamsError"),
)
found = {name: kind(mapped(getattr(exceptions, name)("said", **given))).value for name in plain}
found["RateLimitError"] = kind(limited).value
found["asks to wait"], found["resets"] = retry_after(limited), rate_limits(limited)["x-ratelimit-reset-requests"]
found["APIError"] = kind(mapped(litellm.APIError(503, "down", **given))).value
found["ReadTimeout"] = kind(mapped(httpx.ReadTimeout("late"))).value
denied = litellm.PermissionDeniedError("no", response=response(403), **given)
found["PermissionDeniedError"] = kind(mapped(denied)).value
found["BudgetExceededError"] = kind(mapped(litellm.BudgetExceededError(2.0, 1.0))).value

ours = ModelSettings(model="mistral/mistral-small-latest", base_url=sys.argv[1], api_key_env="OUR_KEY")
try:
    provider_engine(ours, route(ours)).complete(Request(model=ours.model, messages=(Message.user("hello"),)))
except Exception as error:
    found["in earnest"] = kind(error).value
print(json.dumps(found))
"""
