"""DSPy's adapters for chat models, with one repair: an answer that does not parse is asked for once more.

What is sent then is the same prompt, the answer that did not parse, and one line that says what is missing and in which
form to give it. A second failure is the example's error. Demonstrations and traces hold the answer that parsed alone.
Unlike ChatAdapter's own second try (which `use_json_adapter_fallback` switches on), which starts anew with another
prompt, the model sees what was wrong, and a provider has the beginning of the prompt in its cache.
"""

from __future__ import annotations

import copy
import re
from typing import TYPE_CHECKING, Any

import dspy
from dspy.clients.call_context import adapter_fallback_scope
from dspy.utils.exceptions import AdapterParseError

Signature = type[dspy.Signature]

NOTHING = "(nothing)"
"""Stands for an empty answer: a message without text is refused by some providers."""
_MALFORMED = re.compile(r"Failed to parse field (\w+)")
"""How both of DSPy's adapters name a field whose value is not of its type."""


# DSPy gives every subclass of an adapter a `parse` of its own, which would stand before that of the class mixed with.
if TYPE_CHECKING:
    from dspy import ChatAdapter as Mixed
else:
    Mixed = object


class _Repair(Mixed):  # type: ignore[misc]  # dspy ships no types
    """What both adapters add to DSPy's: mixed in before one of them.

    Raises AdapterParseError when the second answer does not parse either, and what the LM raises. An answer that a
    user has seen (streamed) is not repaired. Of several answers to one call (`n`) those that parse are kept; when none
    does, one is asked for again.
    """

    _failed: AdapterParseError | None = None
    """What is being repaired; None: the first try."""

    def __call__(
        self,
        lm: dspy.BaseLM,
        lm_kwargs: dict[str, Any],
        signature: Signature,
        demos: list[dict[str, Any]],
        inputs: dict[str, Any],
    ) -> list[dict[str, Any]]:
        """One call or two, parsed."""
        with adapter_fallback_scope() as shown:
            try:
                first: list[dict[str, Any]] = super().__call__(lm, dict(lm_kwargs), signature, demos, inputs)
                return first
            except AdapterParseError as error:
                if self._failed is not None or shown.emitted:
                    raise
                failed = error
        second: list[dict[str, Any]] = self._repairing(failed)(lm, _one(lm, lm_kwargs), signature, demos, inputs)
        return second

    async def acall(
        self,
        lm: dspy.BaseLM,
        lm_kwargs: dict[str, Any],
        signature: Signature,
        demos: list[dict[str, Any]],
        inputs: dict[str, Any],
    ) -> list[dict[str, Any]]:
        """Unlike `__call__`: awaited."""
        with adapter_fallback_scope() as shown:
            try:
                first: list[dict[str, Any]] = await super().acall(lm, dict(lm_kwargs), signature, demos, inputs)
                return first
            except AdapterParseError as error:
                if self._failed is not None or shown.emitted:
                    raise
                failed = error
        second = self._repairing(failed)
        answers: list[dict[str, Any]] = await second.acall(lm, _one(lm, lm_kwargs), signature, demos, inputs)
        return answers

    def format(self, signature: Signature, demos: list[dict[str, Any]], inputs: dict[str, Any]) -> list[dict[str, Any]]:
        """DSPy's messages; in a repair the failed answer follows, and what is wanted instead."""
        messages: list[dict[str, Any]] = super().format(signature, demos, inputs)
        if self._failed is None:
            return messages
        return [
            *messages,
            {"role": "assistant", "content": str(self._failed.lm_response).strip() or NOTHING},
            {"role": "user", "content": f"{_wrong(self._failed)} {self.user_message_output_requirements(signature)}"},
        ]

    def _call_postprocess(
        self, processed: Signature, original: Signature, outputs: list[Any], lm: dspy.BaseLM, lm_kwargs: dict[str, Any]
    ) -> list[dict[str, Any]]:
        kept: list[dict[str, Any]] = []
        failed: AdapterParseError | None = None
        for output in outputs:
            try:
                kept += super()._call_postprocess(processed, original, [output], lm, lm_kwargs)
            except AdapterParseError as error:
                failed = failed or error
                if not (output.get("text") if isinstance(output, dict) else output):
                    error.lm_response = ""  # DSPy writes out the whole structure that held no text
        if not kept and failed is not None:
            raise failed
        return kept

    def _repairing(self, failed: AdapterParseError) -> Any:
        second = copy.copy(self)
        second._failed = failed
        return second


class RepairingChatAdapter(_Repair, dspy.ChatAdapter):  # type: ignore[misc]  # dspy ships no types
    """DSPy's ChatAdapter, with one repair in place of its fallback to JSON."""

    def __init__(self) -> None:
        super().__init__(use_json_adapter_fallback=False)


class RepairingJSONAdapter(_Repair, dspy.JSONAdapter):  # type: ignore[misc]  # dspy ships no types
    """DSPy's JSONAdapter, with one repair."""


def _wrong(failed: AdapterParseError) -> str:
    """What is wrong with an answer, in one sentence that the same answer always gets: it is part of a journal key."""
    malformed = _MALFORMED.search(str(failed))
    if malformed is not None:
        return f"That answer cannot be read: {malformed.group(1)} does not have its form."
    missing = [name for name in failed.signature.output_fields if name not in (failed.parsed_result or {})]
    return f"That answer cannot be read: {', '.join(missing) or 'its form'} is missing."


def _one(lm: dspy.BaseLM, lm_kwargs: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a call for one answer."""
    several = any(given.get("n") for given in (lm_kwargs, getattr(lm, "kwargs", None) or {}))
    return {**lm_kwargs, "n": 1} if several else dict(lm_kwargs)
