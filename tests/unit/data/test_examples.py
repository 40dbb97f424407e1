"""Reading labelled questions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ragc.data import Evidence, Example, examples_fingerprint, read_examples
from ragc.errors import DataError

GOOD: dict[str, Any] = {"id": "a", "question": "How long?", "answers": ["five days"]}


def lines(path: Path, *records: object) -> Path:
    file = path / "examples.jsonl"
    text = "".join((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in records)
    file.write_text(text, encoding="utf-8")
    return file


def table(path: Path, text: str, encoding: str = "utf-8") -> Path:
    file = path / "examples.csv"
    file.write_bytes(text.encode(encoding))
    return file


def complaint(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        read_examples(path)
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    return message


def test_all_keys_are_read(tmp_path: Path) -> None:
    full = {
        **GOOD,
        "evidence": ["a.md", {"document": "b.md", "quote": "five"}, {"document": "c.md"}],
        "slice": "direct",
        "split": "test",
        "country": "PL",
        "depth": 3,
    }
    assert read_examples(lines(tmp_path, full)) == (
        Example(
            id="a",
            question="How long?",
            answers=("five days",),
            evidence=(Evidence("a.md"), Evidence("b.md", "five"), Evidence("c.md")),
            slice="direct",
            split="test",
            inputs={"country": "PL", "depth": 3},
        ),
    )


def test_no_answers_means_that_the_corpus_does_not_know(tmp_path: Path) -> None:
    known, unknown = read_examples(lines(tmp_path, GOOD, {**GOOD, "id": "b", "answers": []}))
    assert known.answerable
    assert not unknown.answerable


def test_blank_lines_and_a_byte_order_mark_are_nothing(tmp_path: Path) -> None:
    assert len(read_examples(lines(tmp_path, "\ufeff" + json.dumps(GOOD), "", "  "))) == 1


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('{"id": ', "line 2: not JSON: expecting value at column 8"),
        ("[1]", "line 2: expected an object, found [1]"),
        ('{"id": "b", "question": "q", "answers": [], "x": NaN}', "line 2: not JSON: NaN is no number in JSON"),
        ('{"id": "\\ud800", "question": "q", "answers": []}', "line 2: holds half a character"),
        ("[" * 100_000, "line 2: "),
        ({"question": "q", "answers": []}, 'line 2: missing key "id"; found question, answers'),
        ({"id": "b", "answers": []}, 'missing key "question"'),
        ({"id": "b", "question": "q"}, 'missing key "answers"; found id, question'),
        ({"id": "b", "question": "q", "answer": []}, 'missing key "answers", found "answer"'),
        ({**GOOD, "id": 3}, '"id": expected text, found 3'),
        ({**GOOD, "id": " b"}, '"id": expected no spaces around it'),
        ({**GOOD, "id": "b\n"}, '"id": expected no spaces around it'),
        ({**GOOD, "id": "b", "question": ""}, '"question": expected text, found none'),
        ({**GOOD, "id": "b", "question": ["q"]}, '"question": expected text, found ["q"]'),
        ({**GOOD, "id": "b", "answers": "five"}, '"answers": expected a list of texts, found "five"'),
        ({**GOOD, "id": "b", "answers": [5]}, '"answers": expected a list of texts, found 5 in it'),
        ({**GOOD, "id": "b", "answers": [""]}, '"answers": expected a list of texts, found "" in it'),
        ({**GOOD, "id": "b", "answers": None}, '"answers": expected a list of texts, found null'),
        ({**GOOD, "id": "b", "evidence": "a.md"}, '"evidence": expected a list, found "a.md"'),
        ({**GOOD, "id": "b", "evidence": [3]}, '"evidence": expected a document\'s id or'),
        ({**GOOD, "id": "b", "evidence": [{"quote": "x"}]}, "expected a document's id or"),
        ({**GOOD, "id": "b", "evidence": [{"document": "x", "quotes": "y"}]}, "expected a document's id or"),
        ({**GOOD, "id": "b", "evidence": [{"document": "x", "quote": ""}]}, "expected a document's id or"),
        ({**GOOD, "id": "b", "slice": 3}, '"slice": expected text, found 3'),
        ({**GOOD, "id": "b", "split": "dev"}, '"split": expected train, validation or test, found "dev"'),
        ({**GOOD, "id": "b", "Slice": "x"}, 'unknown key "Slice", did you mean "slice"?'),
        ({**GOOD, "id": "b", "evidences": []}, 'unknown key "evidences", did you mean "evidence"?'),
        (GOOD, 'line 2: duplicate id "a", the same question as line 1; remove one'),
        ({**GOOD, "question": "Other?"}, 'line 2: duplicate id "a", first in line 1; give it another'),
    ],
)
def test_bad_line_is_named_with_what_was_found(tmp_path: Path, line: object, expected: str) -> None:
    message = complaint(lines(tmp_path, GOOD, line))
    assert expected in message
    assert "line 2" in message


def test_every_bad_line_is_named_at_once(tmp_path: Path) -> None:
    message = complaint(lines(tmp_path, *[{"id": str(i)} for i in range(7)], GOOD))
    assert "7 bad lines: line 1: missing" in message
    assert "line 5: " in message
    assert "line 6" not in message
    assert message.endswith("; and 2 more")


def test_another_encoding_is_named_with_its_line(tmp_path: Path) -> None:
    file = lines(tmp_path, GOOD)
    file.write_bytes(file.read_bytes() + '{"id": "é"}\n'.encode("latin-1"))
    assert "line 2: not UTF-8" in complaint(file)


def test_utf16_is_named(tmp_path: Path) -> None:
    assert "UTF-16" in complaint(table(tmp_path, "question,answers\nq,a\n", "utf-16"))


def test_missing_and_empty_files(tmp_path: Path) -> None:
    assert "no file" in complaint(tmp_path / "nowhere.jsonl")
    assert "no examples" in complaint(lines(tmp_path))
    assert "no examples" in complaint(table(tmp_path, ""))
    assert "no examples" in complaint(table(tmp_path, "question,answers\n"))
    assert "expected a .jsonl or .csv file, found .xlsx" in complaint(tmp_path / "examples.xlsx")
    (tmp_path / "folder.csv").mkdir()
    assert "is a folder" in complaint(tmp_path / "folder.csv")


def test_csv_has_the_same_columns(tmp_path: Path) -> None:
    file = table(
        tmp_path,
        "\ufeffID,Question,answers,evidence,slice,split,office\n"
        'a,"How long, then?",five days|5 days|,leave.md | b.md,direct,train,Gdańsk\n'
        '\nb,Why?,,"[{""document"": ""c.md"", ""quote"": ""so""}]",,,\n',
    )
    assert read_examples(file) == (
        Example(
            "a",
            "How long, then?",
            ("five days", "5 days"),
            (Evidence("leave.md"), Evidence("b.md")),
            "direct",
            "train",
            {"office": "Gdańsk"},
        ),
        Example("b", "Why?", (), (Evidence("c.md", "so"),), None, None, {"office": ""}),
    )


def test_an_example_knows_its_line_and_how_messages_name_it(tmp_path: Path) -> None:
    given = read_examples(lines(tmp_path, GOOD, "", {**GOOD, "id": "b"}))
    assert [example.named for example in given] == ['"a" (line 1)', '"b" (line 3)']
    derived = read_examples(table(tmp_path, 'question,answers\n"How\nlong?",five\nWho?,me\n'))
    assert [example.named for example in derived] == ['"How\\nlong?" (line 2)', '"Who?" (line 4)']
    assert given[0] == Example("a", "How long?", ("five days",))


@pytest.mark.parametrize("separator", [";", "\t"])
def test_csv_of_a_spreadsheet_in_another_country(tmp_path: Path, separator: str) -> None:
    file = table(tmp_path, f"question{separator}answers\r\nHow long, then?{separator}five\r\n")
    assert [(e.question, e.answers) for e in read_examples(file)] == [("How long, then?", ("five",))]


def test_csv_without_ids_keeps_them_when_rows_move(tmp_path: Path) -> None:
    first = read_examples(table(tmp_path, "question,answers\nHow long?,five\nWho?,me\n"))
    second = read_examples(table(tmp_path, "answers,question\nme,Who?\nfive,How  long?\n"))
    assert {e.id for e in first} == {e.id for e in second}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("question,answer\nq,a\n", 'line 1: no column "answers", found question, answer'),
        ("question,answers,answers\nq,a,b\n", 'line 1: column "answers" stands twice'),
        ("question,answers\nq,a,b\n", "line 2: expected 2 cells, found 3; put quotes around a cell"),
        ("question,answers\nq\n", 'line 2: expected 2 cells, found 1; the row ends before "answers"'),
        ("question,answers\n,a\n", 'line 2: "question": expected text, found none'),
        ("id,question,answers\n,q,a\n", 'line 2: "id": expected text, found none'),
        ('question,answers\n"two\nlines",a\nq,a,b\n', "line 4: expected 2 cells"),
        ('question,answers\n"q,a\n', "line 2: not CSV"),
        ("question,answers,evidence\nq,a,[1\n", 'line 2: "evidence": not JSON'),
        ("question,answers\nq,a\nQ,b\n", "line 3: the same question as line 2; make one row of both"),
    ],
)
def test_bad_row_is_named(tmp_path: Path, text: str, expected: str) -> None:
    assert expected in complaint(table(tmp_path, text))


def test_csv_in_another_encoding(tmp_path: Path) -> None:
    assert "line 3: not UTF-8" in complaint(table(tmp_path, "question,answers\nq,a\né,b\n", "latin-1"))


def test_blank_columns_of_a_spreadsheet_are_nothing(tmp_path: Path) -> None:
    assert read_examples(table(tmp_path, "question,answers,,\nq,a,,\n"))[0].inputs == {}


def test_fingerprint_knows_the_labels_and_not_their_order() -> None:
    one, two = Example("a", "q", ("x",)), Example("b", "q", ("y",))
    assert examples_fingerprint([one, two]) == examples_fingerprint([two, one])
    assert examples_fingerprint([one]) != examples_fingerprint([Example("a", "q", ("z",))])


def test_examples_can_be_in_a_set(tmp_path: Path) -> None:
    assert len({Example("a", "q", (), inputs={"x": 1}), Example("a", "q", (), inputs={"x": 1})}) == 1
