"""The grammar of a completion."""

from __future__ import annotations

import enum
from typing import Literal

from ragc.models._grammar import grammar


class Size(enum.Enum):
    SMALL = "s"
    LARGE = "l"


def test_one_text_field_is_one_line_that_is_not_empty() -> None:
    rules = grammar({"Answer": str}).splitlines()
    assert rules[-1] == 'root ::= line "\\n"?'
    assert 'start ::= " "? [^ \\t\\n\\r]' in rules


def test_fields_follow_one_another_by_label_and_type() -> None:
    rules = grammar(
        {"Why": str, "Is true": bool, "How many": int, "Kind": Literal["a", 'b"'], "Size": Size}
    ).splitlines()
    assert rules[-1] == (
        r'root ::= short "\nIs true:" " " choice1 "\nHow many:" " " int "\nKind:" " " choice3'
        r' "\nSize:" " " choice4 "\n"?'
    )
    assert 'choice1 ::= "True" | "False"' in rules
    assert r'choice3 ::= "a" | "b\""' in rules
    assert 'choice4 ::= "s" | "l"' in rules
