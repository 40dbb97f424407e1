"""What counts as a program saying that the documents do not hold the answer."""

from __future__ import annotations

import re

ABSTENTION = "The documents do not say."
"""The sentence that ragc's programs answer, and demonstrations show, when the corpus does not know."""

_SOURCE = r"(?:documents?|passages?|handbook|context|text|sources?|polic(?:y|ies)|information|corpus)"
_VERB = r"(?:say|state|mention|specify|contain|provide|include|answer|cover|tell|give)"
_MISSING = (
    r"(?:said|stated|mentioned|specified|contained|provided|included|answered|covered|given|found|available|known)"
)
_IN_SOURCE = rf"(?:in|by) (?:the |these |any |provided )*{_SOURCE}"
_PATTERNS = (
    # The documents do not say. / The handbook doesn't mention it.
    rf"(?:(?:the|these|those|provided|given) )*{_SOURCE} (?:do|does|did) ?(?:not|n't) {_VERB}",
    # It is not mentioned in the handbook. / Not in the passages.
    rf"(?:(?:it|this|that) )?(?:(?:is|are|was|were) )?not (?:\w+ )?(?:{_MISSING} )?{_IN_SOURCE}",
    # I do not know. / I cannot find that.
    r"(?:i|we) (?:do ?n[o']?t|cannot|can ?not|could not|can't|couldn't) (?:know|say|tell|find|answer|determine)",
    # This cannot be answered.
    r"(?:it|this|the question|that) (?:cannot|can ?not|can't|could not) be (?:answered|determined|found)",
    # There is no information on that. / No mention.
    r"(?:there is )?no (?:information|mention|answer)(?:(?: is| was)? (?:given|found|available|about|on|in|for|of)|$)",
    # Not specified. / Unknown. / N/A
    rf"(?:unknown|unanswerable|not (?:applicable|answerable|{_MISSING})|n/a)$",
)
_ABSTAINS = re.compile(r"^(?:sorry|unfortunately|answer)?[,:\s]*(?:" + "|".join(_PATTERNS) + ")")


def is_abstention(answer: str | None) -> bool:
    """Whether `answer` says, at its beginning, that the documents do not hold the answer.

    An empty answer is no abstention: a refusal is a sentence. A sentence that only contains such words later on
    ("up to five days, unless the contract does not say so") is an answer.
    """
    if not answer:
        return False
    text = " ".join(answer.replace("’", "'").casefold().split()).strip(" .!\"'`*")
    return bool(_ABSTAINS.match(text))
