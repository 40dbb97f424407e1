"""What a failed call means to a run, in one line and without a key in it.

lm15 (DSPy's wire) raises         becomes            and then
auth, billing, unknown model      ModelRefused       the run ends: every later call would fail alike
context exceeded                  PromptTooLong      the example counts as an error
content filter                    AnswerWithheld     the example counts as an error
anything else, after the retries  CallFailed         the example counts as an error

Each is a ragc error and a DSPy `LMError` at once. DSPy hands an `LMError` on untouched and wraps everything else, so
that `except ragc.errors.ModelError` works around a program, and so does `except dspy.…ContextWindowExceededError`
inside one (ReAct shortens its trajectory on it).
"""

from __future__ import annotations

import os
import re

from dspy import lm15
from dspy.utils.exceptions import ContextWindowExceededError, LMError

from ragc.errors import BudgetExhausted, ExampleError, ModelError

TRANSIENT = (lm15.RateLimitError, lm15.ServerError, lm15.TimeoutError, lm15.TransportError, lm15.LockTimeoutError)
"""Failures that may pass: worth another attempt."""

_FATAL = (lm15.AuthError, lm15.BillingError, lm15.UnsupportedModelError, lm15.ConfigurationError)
_KEY_LIKE = re.compile(r"\b(?:sk|pk|gsk|xai|key|AIza)[-_A-Za-z0-9]{12,}|(?<=Bearer )\S+")
_NOT_FOUND = 404


class ModelRefused(ModelError, LMError):  # type: ignore[misc]  # dspy ships no types
    """The provider refuses for good: key, credit, model or address."""


class PromptTooLong(ExampleError, ContextWindowExceededError):  # type: ignore[misc]  # dspy ships no types
    """The prompt does not fit the model's context."""

    def __init__(self, message: str) -> None:
        # DSPy's class takes its message by keyword alone.
        ContextWindowExceededError.__init__(self, message=message)


class AnswerWithheld(ExampleError, LMError):  # type: ignore[misc]  # dspy ships no types
    """The provider's content filter kept the answer back."""


class CallFailed(ExampleError, LMError):  # type: ignore[misc]  # dspy ships no types
    """The call failed, and so did its retries."""


class BudgetReached(BudgetExhausted, LMError):  # type: ignore[misc]  # dspy ships no types
    """The next call would pass the cap less what is set aside."""


def explain(error: Exception, model: str, variables: tuple[str, ...] = ()) -> ModelError | ExampleError:
    """The ragc error for what an inner engine raised; `variables` are the names that may hold the key."""
    if isinstance(error, ModelRefused | PromptTooLong | AnswerWithheld | CallFailed):
        return error
    said = redact(_first_line(error), variables)
    key = " or ".join(variables) or "the provider's key"
    if isinstance(error, lm15.ContextLengthError):
        return PromptTooLong(f"{model}: the prompt does not fit the model's context ({said})")
    if isinstance(error, lm15.AuthError):
        return ModelRefused(f"{model}: the provider refuses the key in {key} ({said}): set {key} to a valid one")
    if isinstance(error, lm15.BillingError):
        return ModelRefused(f"{model}: the account behind {key} has no credit or quota left ({said})")
    if isinstance(error, lm15.UnsupportedModelError) or getattr(error, "status", None) == _NOT_FOUND:
        return ModelRefused(f"{model}: the provider does not know this model ({said}): check the name and base_url")
    if isinstance(error, _FATAL):
        return ModelRefused(f"{model}: {said}")
    return CallFailed(f"{model}: {said}")


def redact(text: str, variables: tuple[str, ...] = ()) -> str:
    """`text` without the value of any variable named and without anything else that looks like a key."""
    names = {*variables, *(name for name in os.environ if name.endswith(("_API_KEY", "_TOKEN", "_SECRET")))}
    values = {os.environ.get(name, "") for name in names}
    for value in sorted(values, key=len, reverse=True):
        if len(value) >= 6:  # a shorter one is a word that stands in other words
            text = text.replace(value, "***")
    return _KEY_LIKE.sub("***", text)


def _first_line(error: Exception) -> str:
    # lm15 appends paragraphs of advice in terms of its own API; the first line is what the provider said.
    text = str(error).strip() or str(error.__cause__ or "") or type(error).__name__
    status = getattr(error, "status", None)
    line = text.splitlines()[0]
    return line if status is None or str(status) in line else f"{line}, HTTP {status}"
