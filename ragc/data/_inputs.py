"""Examples against the program: the names of their other keys are its inputs."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from pathlib import Path

from ragc._messages import shown_path
from ragc.data._examples import Example
from ragc.errors import DataError


def check_inputs(examples: Sequence[Example], program_class: type, path: Path | str | None = None) -> None:
    """Raise DataError where the examples' inputs and the parameters of the program's `forward` do not fit.

    An input that `forward` does not take is an error, unless it takes `**kwargs`; so is a parameter without a default
    that an example does not give. Either would end every such question in a TypeError, after it was paid for. `path` is
    the examples' file, for the message.
    """
    forward = getattr(program_class, "forward", None)
    if forward is None:
        return
    parameters = list(inspect.signature(forward).parameters.values())[1:]
    named = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    taken = [p.name for p in named]
    key = "key" if path is not None and str(path).endswith(".jsonl") else "column"
    source = "examples" if path is None else shown_path(path)
    if not any(p.kind is p.VAR_KEYWORD for p in parameters):
        for example in examples:
            for name in example.inputs:
                if name not in taken:
                    raise DataError(
                        f'{source}: {key} "{name}" is no input of {program_class.__name__}'
                        f" (it takes {', '.join(taken) or 'none'}): remove the {key}, or add it to forward"
                    )
    for name in (p.name for p in named if p.default is p.empty and p.name != "question"):
        lacking = [example for example in examples if name not in example.inputs]
        if lacking:
            which = "no example" if len(lacking) == len(examples) else f"{lacking[0].named} does not"
            gives = "gives it" if len(lacking) == len(examples) else "give it"
            raise DataError(
                f'{source}: {program_class.__name__} needs the input "{name}" and {which} {gives}:'
                f" add the {key}, or give it a default in forward"
            )
