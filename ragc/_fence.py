"""How a passage is shown to a model: fenced, with its id, as data and not as instructions (promise 9).

The fence is the only markup that ragc adds. What a retrieved text could use to climb out of it is defused: our own
closing fence, DSPy's field markers, DSPy's marker for content blocks (an image address in a passage would be fetched
by the provider), and the control tokens of chat templates. `Passage.text` itself is never changed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

_LESS = "<\uff1c\ufe64"  # less-than, its full-width and small forms
_DANGEROUS = re.compile(
    rf"(?P<fence>[{_LESS}])(?=\s*[/\uff0f]?\s*passage)"
    r"|(?P<field>\[)(?=\[\s*##)"
    r"|(?P<block><)(?=<\s*/?\s*(?:CUSTOM-TYPE-|SYS))"
    r"|(?P<token><)(?=\||/?s>|(?:start|end)_of_turn>|(?:begin|end)_of_text>)"
    r"|(?P<inst>\[)(?=/?INST\])",
    re.IGNORECASE,
)
_FENCE = re.compile(r'<passage id="(?P<id>[^"]*)" source="(?P<source>[^"]*)">\n(?P<text>.*?)\n</passage>', re.DOTALL)


class Fenced(NamedTuple):
    """A passage as it stands in a rendered text."""

    id: str
    source: str
    text: str


def defused(text: str) -> str:
    """Return `text` with a space put into whatever would end the fence or pass as markup of a prompt."""
    return _DANGEROUS.sub(lambda match: match.group() + " ", text)


def fenced(id: str, source: str, text: str) -> str:
    """Return a passage as a model reads it: an opening line with id and source, the text, a closing line."""
    return f'<passage id="{id}" source="{fenced_source(source)}">\n{fenced_text(text)}\n</passage>'


def fenced_source(source: str) -> str:
    """Return a passage's title and headings as they stand in the opening line."""
    return defused(" ".join(source.split())).replace('"', "'")


def fenced_text(text: str) -> str:
    """Return a passage's text as it stands inside the fence."""
    return defused(text.strip())


def passages_in(rendered: str) -> Iterator[Fenced]:
    """Yield the passages that stand in a text, in their order; the way back from `fenced`."""
    for found in _FENCE.finditer(rendered):
        yield Fenced(found["id"], found["source"], found["text"])


def unfenced(rendered: str) -> str:
    """Return rendered passages without their fences, the best one last; each on a line, after its last heading.

    For a model of a hundred million parameters, to which an id is one more thing to repeat. The line is what keeps a
    passage apart then, so each is folded into one. The best one goes last because such a model answers from what stands
    next to the question. Text without a fence comes back as it is.
    """
    found = [(one.source.rpartition(" > ")[2], " ".join(one.text.split())) for one in passages_in(rendered)]
    if not found:
        return rendered
    return "\n".join(f"{heading}. {text}" if heading else text for heading, text in reversed(found))
