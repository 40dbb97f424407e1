"""What an exception means: the end of the run, or one example's error and whether to ask again."""

from __future__ import annotations

from collections.abc import Iterator

from ragc._secrets import redact
from ragc.errors import BudgetExhausted, ConfigError, ExampleError, Interrupted, ModelError, RagcError


def fatal_cause(error: BaseException) -> RagcError | None:
    """The error in the chain of causes that ends the run rather than the example, if there is one.

    DSPy wraps what an engine raises, and keeps the original as `__cause__`.
    """
    for link in _chain(error):
        if isinstance(link, BudgetExhausted | ConfigError | Interrupted | ModelError):
            return link
    return None


def describe_error(error: BaseException) -> str:
    """One line on what went wrong with an example: ragc's own words where the chain holds an `ExampleError`."""
    own = own_error(error)
    if own is not None:
        return redact(str(own))
    text = redact(" ".join(str(error).split()))
    return f"{type(error).__name__}: {text[:300]}" if text else type(error).__name__


def is_transient(error: BaseException) -> bool:
    """Whether the example may be answered when it is asked again.

    A call that failed with its retries may; a prompt that is too long, a withheld answer, an answer that does not parse
    and whatever a program raises will be the same again.
    """
    own = own_error(error)
    return isinstance(own, ExampleError) and own.transient


def is_over_context(error: BaseException) -> bool:
    """Whether a prompt did not fit the model's context."""
    from dspy.utils.exceptions import ContextWindowExceededError

    return any(isinstance(link, ContextWindowExceededError) for link in _chain(error))


def own_error(error: BaseException) -> RagcError | None:
    """The first error of ragc's own in the chain of causes, if there is one."""
    return next((link for link in _chain(error) if isinstance(link, RagcError)), None)


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__ or link.__context__
