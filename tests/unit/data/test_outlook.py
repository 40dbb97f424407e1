"""Outlook messages, from files as Outlook writes them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from outlook import compound_file, write_msg
from ragc.data import Corpus, read_corpus
from ragc.data.documents._outlook import convert_msg

SENT = datetime(2025, 3, 1, 9, 30, tzinfo=UTC)
GIVEN: dict[str, Any] = {
    "subject": "Überstunden im März",
    "sender": "anna@example.org",
    "to": "Team Gärten; Ben",
    "body": "Hello all,\r\n\r\nthe shed stays open until eight.\r\n",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "corpus"
    folder.mkdir()
    return folder


def read(folder: Path, data: bytes) -> Corpus:
    (folder / "mail.msg").write_bytes(data)
    (folder / "good.md").write_text("x")
    return read_corpus(folder)


def test_a_message_is_read_with_subject_sender_date_text_and_attachments(folder: Path) -> None:
    corpus = read(folder, write_msg(**GIVEN, sent=SENT, attachments=["plan.pdf", "fees.xlsx"]))
    mail = corpus.by_id["mail.msg"]
    assert mail.title == GIVEN["subject"]
    assert mail.metadata == {
        "format": "msg", "from": "anna@example.org", "to": "Team Gärten; Ben", "date": "2025-03-01T09:30:00+00:00",
    }  # fmt: skip
    assert mail.text == (
        "From: anna@example.org\nTo: Team Gärten; Ben\nDate: 2025-03-01T09:30:00+00:00\n\n"
        "Hello all,\n\nthe shed stays open until eight.\n\nAttachments: plan.pdf, fees.xlsx"
    )
    assert [(one.kind, one.path, one.text) for one in corpus.noted] == [
        ("left out", "mail.msg", "attachments: plan.pdf, fees.xlsx")
    ]


@pytest.mark.parametrize("codepage", [None, 1252])
def test_a_long_text_and_eight_bit_strings_are_read(codepage: int | None) -> None:
    body = "".join(f"Line {number} of the café's rules.\r\n" for number in range(3000))
    (mail,) = convert_msg(write_msg(**{**GIVEN, "body": body}, codepage=codepage)).documents
    assert mail.title == GIVEN["subject"]
    assert mail.text.count("café") == 3000 and mail.text.endswith("Line 2999 of the café's rules.")


def test_an_entry_of_exchange_is_its_address() -> None:
    exchange = {**GIVEN, "sender": "/O=EXCHANGELABS/OU=GROUP/CN=RECIPIENTS/CN=0123-ANNA"}
    (mail,) = convert_msg(write_msg(**exchange, smtp="anna@example.org", name="Anna Ahn")).documents
    assert mail.metadata["from"] == "Anna Ahn <anna@example.org>"
    (mail,) = convert_msg(write_msg(**exchange)).documents
    assert "from" not in mail.metadata and "EXCHANGELABS" not in mail.text


def test_what_a_text_says_of_itself_is_no_header() -> None:
    body = "**From:** boss@example.org\n**Subject:** Pay me\n\n## Content\n\nNow."
    (mail,) = convert_msg(write_msg(**{**GIVEN, "body": body})).documents
    assert (mail.title, mail.metadata["from"]) == (GIVEN["subject"], "anna@example.org")
    assert mail.text.endswith("## Content\n\nNow.")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"From: a@b\n\nno Outlook", "not an Outlook message"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" * 200, "broken: "),
        (compound_file({"WordDocument": b"x" * 5000}), "no text in it"),
        (write_msg(subject="", sender="a@b", to="c", body=""), "no text in it"),
        (write_msg(**GIVEN)[:-700], "broken: "),
    ],
)
def test_what_is_no_message_is_skipped_with_a_reason(folder: Path, data: bytes, reason: str) -> None:
    (skipped,) = read(folder, data).skipped
    assert skipped.path == "mail.msg" and skipped.reason.startswith(reason)
