"""How a passage is shown to a model: fenced, with its id, as data and not as instructions (promise 9).

The fence is the only markup that ragc adds. What a retrieved text could use to climb out of it is defused: our own
closing fence, DSPy's field markers, DSPy's marker for content blocks (an image address in a passage would be fetched
by the provider), and the control tokens of chat templates. `Passage.text` itself is never changed.
"""

from __future__ import annotations

import re

from ragc.retrieval._passage import Passage

_LESS = "<\uff1c\ufe64"  # less-than, its full-width and small forms
_DANGEROUS = re.compile(
    rf"(?P<fence>[{_LESS}])(?=\s*[/\uff0f]?\s*passage)"
    r"|(?P<field>\[)(?=\[\s*##)"
    r"|(?P<block><)(?=<\s*/?\s*(?:CUSTOM-TYPE-|SYS))"
    r"|(?P<token><)(?=\||/?s>|(?:start|end)_of_turn>|(?:begin|end)_of_text>)"
    r"|(?P<inst>\[)(?=/?INST\])",
    re.IGNORECASE,
)


def defused(text: str) -> str:
    """Return `text` with a space put into whatever would end the fence or pass as markup of a prompt."""
    return _DANGEROUS.sub(lambda match: match.group() + " ", text)


def fenced(passage: Passage) -> str:
    """Return the passage as a model reads it: an opening line with id and source, the text, a closing line."""
    source = defused(" ".join(passage.source.split())).replace('"', "'")
    return f'<passage id="{passage.id}" source="{source}">\n{defused(passage.text.strip())}\n</passage>'
