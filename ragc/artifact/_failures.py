"""What a failed question means to whoever asked an artifact: one line of ragc's, with DSPy's error as its cause."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from dspy.utils.exceptions import (
    AdapterParseError,
    LMAuthError,
    LMBillingError,
    LMConfigurationError,
    LMError,
    LMUnsupportedModelError,
)

from ragc._secrets import redact
from ragc.errors import ExampleError, ModelError, RagcError

_REFUSED = (LMAuthError, LMBillingError, LMConfigurationError, LMUnsupportedModelError)
"""Errors of an LM that is not ragc's own which every later call would end in as well."""
_SHOWN = 80
"""Characters of a malformed answer that are shown."""


@contextmanager
def explained(model: str) -> Iterator[None]:
    """Raise ExampleError or ModelError for what DSPy raises inside; what the program itself raises stays as it is."""
    try:
        yield
    except RagcError:  # ragc's own LMs explain themselves, in errors that are DSPy's as well
        raise
    except AdapterParseError as error:
        raise ExampleError(_malformed(error)) from error
    except LMError as error:
        kind = ModelError if isinstance(error, _REFUSED) else ExampleError
        said = (str(error.message).strip() or type(error).__name__).splitlines()[0]
        raise kind(redact(f"{model}: {said}")) from error


def refuse_blank(inputs: Mapping[str, Any]) -> None:
    """Raise ExampleError for a question that asks nothing, before anything is paid for it."""
    if "question" in inputs:
        question = inputs["question"]
        if question is None or (isinstance(question, str) and not question.strip()):
            raise ExampleError('the question is empty; ask one: handbook(question="…")')


def _malformed(error: AdapterParseError) -> str:
    expected = ", ".join(error.signature.output_fields)
    answer = " ".join(str(error.lm_response or "").split())
    found = repr(answer if len(answer) <= _SHOWN else answer[: _SHOWN - 1] + "…") if answer else "nothing"
    return redact(
        f"the model did not answer in the expected form: expected {expected}, found {found}; "
        "ask again, or use another model"
    )
