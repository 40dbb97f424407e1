"""What a failed call means to a run, in one line and without a key in it.

kind (`ragc.models._kinds`)            becomes           and then
fatal                                  ModelRefused      the run ends: every later call would fail alike
of one example: context exceeded       PromptTooLong     the example counts as an error
of one example: content filter         AnswerWithheld    the example counts as an error
anything else, after the retries       CallFailed        the example counts as an error; `transient`: may be asked again

Each is a ragc error and a DSPy `LMError` at once. DSPy hands an `LMError` on untouched and wraps everything else, so
that `except ragc.errors.ModelError` works around a program, and so does `except dspy.…ContextWindowExceededError`
inside one (ReAct shortens its trajectory on it).
"""

from __future__ import annotations

import re

from dspy import lm15
from dspy.utils.exceptions import ContextWindowExceededError, LMError

from ragc._secrets import redact
from ragc.errors import BudgetExhausted, ExampleError, Interrupted, ModelError, RagcError
from ragc.models._kinds import (
    Kind,
    has_no_credit,
    is_redirect,
    is_too_long,
    is_unknown_model,
    is_withheld,
    kind,
)

_READ_TIMEOUT = re.compile(r"read timed out.*?: no bytes for ([\d.]+)s;.*")
_LONGEST = 400
"""Characters of what a provider said that are shown; the rest is a page or a prompt."""


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

    transient = True


class BudgetReached(BudgetExhausted, LMError):  # type: ignore[misc]  # dspy ships no types
    """The next call would pass the cap less what is set aside."""


class RunInterrupted(Interrupted, LMError):  # type: ignore[misc]  # dspy ships no types
    """The run was interrupted."""


class WaitTooLong(BudgetReached):
    """The provider asks to wait for longer than the run may take."""


def for_dspy(error: RagcError) -> RagcError:
    """The same error as one that DSPy hands on untouched: what `budget`, a full disk or Ctrl-C say, in their words."""
    kind = type(error)
    if issubclass(kind, LMError):
        return error
    both = type(kind.__name__, (kind, LMError), {"__module__": kind.__module__, "__doc__": kind.__doc__})
    told: RagcError = both(*error.args)
    return told


def explain(error: Exception, model: str, variables: tuple[str, ...] = ()) -> ModelError | ExampleError:
    """The ragc error for what an inner engine raised; `variables` are the names that may hold the key."""
    if isinstance(error, ModelRefused | PromptTooLong | AnswerWithheld | CallFailed):
        return error
    said = _shortened(redact(_first_line(error), variables))
    found = kind(error)
    if found is Kind.FATAL:
        return ModelRefused(f"{model}: {_refusal(error, said, variables)}")
    if found is Kind.EXAMPLE and is_too_long(error):
        return PromptTooLong(f"{model}: the prompt does not fit {_room(error)} ({said})")
    if found is Kind.EXAMPLE and is_withheld(error):
        return AnswerWithheld(f"{model}: the provider's content filter refused the prompt or the answer ({said})")
    failed = CallFailed(f"{model}: {said}")
    failed.transient = found is not Kind.EXAMPLE
    return failed


def explain_call(
    error: Exception, model: str, variables: tuple[str, ...], *, unreached: str | None
) -> ModelError | ExampleError:
    """Like `explain`, of a call: `unreached` is the address where nobody has answered yet, so that it may be wrong."""
    means = explain(error, model, variables)
    if isinstance(error, lm15.TransportError) and unreached is not None:
        where = redact(unreached)
        means = ModelRefused(f"{model}: {where} cannot be reached: check base_url and the network ({means})")
    if not isinstance(error, lm15.LM15Error) and error is not means:
        means.__cause__ = error  # a bug rather than a refusal: its traceback is wanted
    return means


def _refusal(error: Exception, said: str, variables: tuple[str, ...]) -> str:
    key = " or ".join(variables) or "the provider's key"
    if has_no_credit(error):
        return f"the account behind {key} has no credit or quota left ({said})"
    if isinstance(error, lm15.AuthError):
        return f"the provider refuses the key in {key} ({said}): set {key} to a valid one"
    if is_unknown_model(error):
        return f"the provider does not know this model ({said}): check the name and base_url"
    if is_redirect(error):
        return f"the address sends callers elsewhere ({said}): check base_url"
    return said


def _room(error: Exception) -> str:
    return "the model's context" if getattr(error, "status", None) != 429 else "the provider's tokens a minute"


def _first_line(error: Exception) -> str:
    # lm15 appends paragraphs of advice in terms of its own API; the first line is what the provider said.
    text = str(error).strip() or str(error.__cause__ or "") or type(error).__name__
    status = getattr(error, "status", None)
    line = _READ_TIMEOUT.sub(
        r"nothing came for \1 s: raise timeout in the model's table if it needs longer", text.splitlines()[0]
    )
    return line if status is None or str(status) in line else f"{line}, HTTP {status}"


def _shortened(text: str) -> str:
    # After redaction: half a key is no longer found.
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
