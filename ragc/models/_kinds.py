"""Which kind of failure an engine's error is: what the run does about it.

kind        what it is                                                     what is done
throttled   429                                                            all calls slow down; uses up time alone
transient   5xx, 529, timeouts, resets, a body that is cut off or no       tried again, so many times and so long
            answer, a stream that stops
fatal       401, 403, no credit, unknown model, an address that is none    the run stops after the first
example     context exceeded, content filter, a request refused as bad     counts as that example's error

lm15's classes say most of it. Where they go by status or by a word in the text alone, the provider's own code decides:
a quota without credit comes as 429 (OpenAI), a rate limit that speaks of tokens is read as a context exceeded
(Anthropic), a prompt over the context as a bad request (vLLM, llama.cpp), a flagged prompt as 403 (OpenRouter).
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Mapping
from enum import Enum
from typing import Any

from dspy import lm15
from dspy._vendor.lm15.rate_limits import capture_rate_limits


class Kind(Enum):
    """What a failure of one attempt means to the run."""

    THROTTLED = "throttled"
    TRANSIENT = "transient"
    FATAL = "fatal"
    EXAMPLE = "example"


class BadReply(lm15.ProviderError):  # type: ignore[misc]  # dspy ships no types
    """A reply without an error status that holds no answer: JSON of another shape, a redirect."""

    default_code = "bad_reply"


_TRANSIENT = (
    lm15.LockTimeoutError,
    lm15.ServerError,
    lm15.StreamAssemblyError,
    lm15.TimeoutError,
    lm15.TransportError,
    ConnectionError,
    TimeoutError,
)
_FATAL = (lm15.AuthError, lm15.BillingError, lm15.ConfigurationError, lm15.UnsupportedModelError)
_CAUSES = {
    # LiteLLM's own classes, of which lm15's errors know the parent alone; its import takes seconds.
    "ContentPolicyViolationError": "withheld",
    "PaymentRequiredError": "credit",
    "LiteLLMUnknownProvider": "model",
}
_TRY_AGAIN = {408, 409, 425, 499}
"""Statuses below 500 that pass: timeout, conflict, too early, closed (the official SDKs try the first two again)."""
_NOT_HERE = {404, 405, 410}
_NO_CREDIT = {"billing_hard_limit_reached", "billing_not_active", "exceeded_current_quota_error", "insufficient_quota"}
_NO_CREDIT_SAID = re.compile(r"credit balance is too low|insufficient (?:balance|credits?)", re.I)
_WITHHELD = {
    *("content_filter", "content_policy_violation", "ResponsibleAIPolicyViolation"),
    *("promptFeedback", "SAFETY", "RECITATION", "PROHIBITED_CONTENT", "BLOCKLIST", "SPII"),  # Gemini's
}
_WITHHELD_SAID = re.compile(
    r"content[ _](?:filter|management|policy)|safety system|requires moderation|input was flagged", re.I
)
_TOO_LONG = {"context_length_exceeded", "exceed_context_size_error"}
_TOO_LONG_SAID = re.compile(
    r"maximum context length|context (?:window|length|size)|prompt is too long|too many tokens|max_model_len", re.I
)
_NEVER_FITS = re.compile(r"request too large|must be reduced in order to run", re.I)
"""What OpenAI says in a 429 for one call that is larger than all tokens of a minute."""


def kind(error: Exception) -> Kind:
    """What `error`, as an engine raised it, means to the run; what nobody knows counts as the example's."""
    status = _status(error)
    if has_no_credit(error):
        return Kind.FATAL
    if status == 429 or isinstance(error, lm15.RateLimitError):
        return Kind.EXAMPLE if is_too_long(error) else Kind.THROTTLED
    if status is not None and (status >= 500 or status in _TRY_AGAIN):
        return Kind.TRANSIENT
    if is_withheld(error) or is_too_long(error):
        return Kind.EXAMPLE
    if isinstance(error, _FATAL) or is_unknown_model(error) or is_redirect(error):
        return Kind.FATAL
    if isinstance(error, _TRANSIENT) or _is_no_answer(error) or _is_httpx(error):
        return Kind.TRANSIENT
    return Kind.EXAMPLE


def has_no_credit(error: Exception) -> bool:
    """Whether the account has nothing left to pay with."""
    if isinstance(error, lm15.BillingError) or _status(error) == 402 or _cause(error) == "credit":
        return True
    if not isinstance(error, lm15.ProviderError):
        return False
    says_so = _status(error) in (400, 403) and bool(_NO_CREDIT_SAID.search(_said(error)))
    return _code(error) in _NO_CREDIT or says_so


def is_unknown_model(error: Exception) -> bool:
    """Whether the provider knows no such model, or there is nothing of the kind at the address."""
    unknown = isinstance(error, lm15.UnsupportedModelError | lm15.UnknownModelError) or _cause(error) == "model"
    return unknown or _status(error) in _NOT_HERE


def is_redirect(error: Exception) -> bool:
    """Whether the address sends callers elsewhere."""
    status = _status(error)
    return status is not None and 300 <= status < 400


def is_too_long(error: Exception) -> bool:
    """Whether this prompt can never be answered for its length."""
    if _status(error) == 429:
        return bool(_NEVER_FITS.search(_said(error)))
    if isinstance(error, lm15.ContextLengthError):
        return True
    if not isinstance(error, lm15.InvalidRequestError):
        return False
    return _status(error) == 413 or _code(error) in _TOO_LONG or bool(_TOO_LONG_SAID.search(_said(error)))


def is_withheld(error: Exception) -> bool:
    """Whether a content filter refused the prompt or kept the answer back."""
    if _code(error) in _WITHHELD or _cause(error) == "withheld":
        return True
    refused = isinstance(error, lm15.InvalidRequestError | lm15.AuthError)
    return refused and bool(_WITHHELD_SAID.search(_said(error)))


def is_overload(error: Exception) -> bool:
    """Whether the provider says that it has too much to do (503, 529): transient, and a reason to slow down."""
    return _status(error) in (503, 529)


def retry_after(error: Exception) -> float | None:
    """Seconds that the provider asks to wait; None: it does not say, or not in a way that can be kept."""
    asked = getattr(error, "retry_after", None)
    if isinstance(asked, bool) or not isinstance(asked, int | float):
        return None
    return float(asked) if math.isfinite(asked) and asked > 0 else None


def rate_limits(error: Exception) -> Mapping[str, tuple[str, ...]]:
    """The rate-limit headers that came with the error; LiteLLM leaves them on the SDK's own error."""
    headers = getattr(error, "rate_limit_headers", None)
    if headers:
        return dict(headers)
    theirs: Any = getattr(getattr(error.__cause__, "response", None), "headers", None)
    return dict(capture_rate_limits(theirs.items())) if hasattr(theirs, "items") else {}


def _status(error: Exception) -> int | None:
    status = getattr(error, "status", None)
    return status if isinstance(status, int) else None


def _code(error: Exception) -> str | None:
    return getattr(error, "provider_code", None)


def _said(error: Exception) -> str:
    # The beginning: further on, a provider may quote the prompt.
    return str(error)[:300]


def _cause(error: Exception) -> str | None:
    return _CAUSES.get(type(error.__cause__).__name__)


def _is_no_answer(error: Exception) -> bool:
    # A body that is no JSON: the class itself, with a status that is no error.
    status = _status(error)
    return isinstance(error, BadReply) or (type(error) is lm15.ProviderError and (status is None or status < 300))


def _is_httpx(error: Exception) -> bool:
    # What LiteLLM lets through of the client below it.
    base = getattr(sys.modules.get("httpx"), "TransportError", None)
    return isinstance(base, type) and isinstance(error, base)
