"""Plain text for small models: any signature as labelled lines, demonstrations first, and the model fills in the rest.

> Answer the question from the passages.
>
> Passages: Days not taken lapse on 31 March.
> Question: When do days lapse?
> Answer: 31 March
>
> Passages: …
> Question: …
> Answer:
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import dspy
from dspy.adapters.utils import apply_output_field_defaults, format_field_value, parse_value
from dspy.utils.exceptions import AdapterParseError
from pydantic.fields import FieldInfo

from ragc._fence import unfenced
from ragc.models._grammar import grammar
from ragc.models._raw import raw_arguments

Signature = type[dspy.Signature]

LAST_FIELD_TOKENS = 40
"""Room for the last output field, unless `max_tokens` says otherwise."""
EARLIER_FIELD_TOKENS = 128
"""Room for each field before it: what comes before an answer is reasoning, and longer."""


class PlainAdapter(dspy.Adapter):  # type: ignore[misc]  # dspy ships no types
    """Writes a signature as plain text in one user message and reads its output fields from the lines that follow.

    Instructions on top, then demonstrations and the question in the same form, `Label: value` a field. A value of
    several lines is folded into one, so that no line of it can be taken for another field; fences of passages, which
    such a line makes needless, are left out. An engine that supports it
    (`local/…`) gets the text raw, without a chat template, with a grammar that has every output field written.

    With one output field the answer is the first line; with several the model goes on with the next label. An empty
    completion, or a field that does not parse as its type, raises AdapterParseError: an error of that example.
    """

    def __call__(
        self,
        lm: dspy.BaseLM,
        lm_kwargs: dict[str, Any],
        signature: Signature,
        demos: list[dict[str, Any]],
        inputs: dict[str, Any],
    ) -> list[dict[str, Any]]:
        """One call, parsed. Raises AdapterParseError and what the LM raises."""
        answers: list[dict[str, Any]] = super().__call__(
            lm, self._arguments(lm, lm_kwargs, signature), signature, demos, inputs
        )
        return answers

    async def acall(
        self,
        lm: dspy.BaseLM,
        lm_kwargs: dict[str, Any],
        signature: Signature,
        demos: list[dict[str, Any]],
        inputs: dict[str, Any],
    ) -> list[dict[str, Any]]:
        """Unlike `__call__`: awaited."""
        answers: list[dict[str, Any]] = await super().acall(
            lm, self._arguments(lm, lm_kwargs, signature), signature, demos, inputs
        )
        return answers

    def format(self, signature: Signature, demos: list[dict[str, Any]], inputs: dict[str, Any]) -> list[dict[str, Any]]:
        """The whole prompt as one user message that ends with the label of the first output field."""
        history = self._get_history_field_name(signature)
        turns: list[Mapping[str, Any]] = list(demos)
        if history is not None:
            turns.extend(getattr(inputs.get(history), "messages", None) or ())
            signature = signature.delete(history)
        blocks = [_block(signature, turn, signature.fields) for turn in turns if _shows_something(signature, turn)]
        first = next(iter(signature.output_fields))
        question = _block(signature, inputs, signature.input_fields)
        blocks.append(f"{question}\n{label(first)}:" if question else f"{label(first)}:")
        instructions = signature.instructions.strip()
        return [{"role": "user", "content": "\n\n".join([*([instructions] if instructions else []), *blocks])}]

    def parse(self, signature: Signature, completion: str) -> dict[str, Any]:
        """The output fields. Raises AdapterParseError."""
        fields: dict[str, Any] = {}
        for name, text in _read(signature, completion).items():
            annotation = signature.output_fields[name].annotation
            try:
                fields[name] = parse_value(text, annotation)
            except ValueError as error:
                raise self._unparsed(signature, completion, f"{label(name)}: {text!r} is no {annotation}") from error
        fields = apply_output_field_defaults(signature, fields)
        missing = [label(name) for name in signature.output_fields if name not in fields]
        if missing:
            raise self._unparsed(signature, completion, f"the model wrote nothing for {', '.join(missing)}")
        return fields

    def _unparsed(self, signature: Signature, completion: str, message: str) -> AdapterParseError:
        return AdapterParseError(
            adapter_name=type(self).__name__, signature=signature, lm_response=completion, message=message
        )

    def _arguments(self, lm: dspy.BaseLM, given: dict[str, Any], signature: Signature) -> dict[str, Any]:
        if not getattr(getattr(lm, "engine", None), "supports_raw", False):
            return dict(given)
        outputs = {label(name): field.annotation for name, field in signature.output_fields.items()}
        ours = raw_arguments(grammar(outputs))
        if len(outputs) == 1:
            ours["stop"] = ["\n"]
        if lm.kwargs.get("max_tokens") is None:
            ours["max_tokens"] = LAST_FIELD_TOKENS + EARLIER_FIELD_TOKENS * (len(outputs) - 1)
        return {**ours, **given}


def label(name: str) -> str:
    """What a field is called in the prompt: `gold_answer` is `Gold answer`."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).replace("_", " ").strip()
    return words[:1].upper() + words[1:]


def _block(signature: Signature, values: Mapping[str, Any], fields: Mapping[str, FieldInfo]) -> str:
    lines = [
        f"{label(name)}: {_text(signature.fields[name], values[name])}".rstrip()
        for name in fields
        if values.get(name) is not None
    ]
    return "\n".join(lines)


def _shows_something(signature: Signature, turn: Mapping[str, Any]) -> bool:
    return any(turn.get(name) is not None for name in signature.output_fields)


def _text(field: FieldInfo, value: Any) -> str:
    text = value if isinstance(value, str) else _rendered(value)
    if text is None:
        text = str(format_field_value(field_info=field, value=value))
    return " ".join(unfenced(text).split())


def _rendered(value: Any) -> str | None:
    """The own rendering of a DSPy type, such as `Passages`; None: it has none."""
    if isinstance(value, dspy.Type):
        rendered = value.format()
        return rendered if isinstance(rendered, str) else None
    return None


def _read(signature: Signature, completion: str) -> dict[str, str]:
    """The text of each output field that the completion holds; the first one needs no label."""
    names = list(signature.output_fields)
    labels = {label(name).lower(): name for name in names}
    found: dict[str, list[str]] = {names[0]: []}
    current = names[0]
    for line in completion.strip().splitlines():
        head, colon, rest = line.strip().partition(":")
        name = labels.get(head.strip(" *#").lower()) if colon else None
        if name is not None and (name not in found or not any(found[name])):
            current, line = name, rest.removeprefix("**")
            found[current] = []
        found[current].append(line.strip())
    if len(names) == 1 and signature.output_fields[names[0]].annotation is str:
        found[names[0]] = [line for line in found[names[0]] if line][:1]
    return {name: text for name, lines in found.items() if (text := "\n".join(lines).strip())}
