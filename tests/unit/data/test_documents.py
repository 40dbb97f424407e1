"""Files that are converted: small real ones, made here."""

from __future__ import annotations

import datetime
import zipfile
from pathlib import Path

import pytest

from ragc.data import Corpus, read_corpus
from ragc.data.documents import _cache, _formats, _process, _run
from ragc.errors import DataError

GERMAN = "Die Mitarbeiterinnen können höchstens fünf Tage übertragen. Für größere Beträge fragen Sie bitte das Büro."


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    root = tmp_path / "corpus"
    root.mkdir()
    return root


def write_pdf(path: Path, *, locked: bool = False) -> None:
    from fpdf import FPDF

    pdf = FPDF()
    pdf.set_title("Travel handbook")
    if locked:
        pdf.set_encryption(owner_password="one", user_password="two")
    for number, (name, text) in enumerate(
        [
            ("Trains", "Book two weeks ahead."),
            ("Hotels", "At most 95 a night."),
            ("Meals", "30 a day."),
            ("Claims", "x"),
        ],
        1,
    ):
        pdf.add_page()
        pdf.set_font("Helvetica", size=11)
        pdf.multi_cell(0, 6, f"Northwind travel handbook, page {number}\n\n", new_x="LMARGIN")
        pdf.start_section(name)
        pdf.multi_cell(0, 6, f"{name}\n", new_x="LMARGIN")
        pdf.multi_cell(0, 6, f"{text} " * 3)
    pdf.output(str(path))


def write_docx(path: Path) -> None:
    import docx

    document = docx.Document()
    document.add_heading("Leave policy", 1)
    document.add_heading("Carrying over", 2)
    document.add_paragraph("At most five days.")
    rows = document.add_table(rows=1, cols=2)
    rows.rows[0].cells[0].text, rows.rows[0].cells[1].text = "Grade", "Days"
    for number in range(60):
        cells = rows.add_row().cells
        cells[0].text, cells[1].text = f"Grade {number}", str(20 + number)
    document.save(str(path))


def reasons(corpus: Corpus) -> dict[str, str]:
    return {one.path: one.reason for one in corpus.skipped}


def test_a_pdf_keeps_its_pages_title_and_outline(folder: Path) -> None:
    write_pdf(folder / "travel.pdf")
    corpus = read_corpus(folder)
    (document,) = corpus.documents
    assert (document.id, document.title) == ("travel.pdf", "Travel handbook")
    assert document.places is not None
    pages = [document.text[slice(*(document.places.span(n, len(document.text)) or (0, 0)))] for n in (1, 2, 3, 4)]
    assert ["Book two weeks" in page for page in pages] == [True, False, False, False]
    assert "# Hotels" in pages[1] and "At most 95 a night." in pages[1]
    assert [one.kind for one in corpus.findings] == ["boilerplate"]
    assert corpus.findings[0].text == '"Northwind travel handbook, page #" stands on 4 of 4 pages'


def test_office_files_keep_headings_slides_and_sheets(folder: Path) -> None:
    import openpyxl
    import pptx

    write_docx(folder / "leave.docx")
    deck = pptx.Presentation()
    for title, body in (("Kick-off", "We start in May"), ("", "No title here")):
        slide = deck.slides.add_slide(deck.slide_layouts[1])
        slide.shapes.title.text, slide.placeholders[1].text = title, body
    deck.save(str(folder / "deck.pptx"))
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Budget"
    sheet.append(["Item", "Cost", "Share", "When", None])
    sheet.append(
        ["A long text that is longer than fifty characters, all of it", 1200, 0.25, datetime.date(2024, 5, 1), None]
    )
    sheet["B2"].number_format, sheet["C2"].number_format = '"£"#,##0', "0%"
    book.create_sheet("Hidden").sheet_state = "hidden"
    book.save(folder / "plan.xlsx")

    corpus = read_corpus(folder)
    leave, slides, plan = (corpus.by_id[name] for name in ("leave.docx", "deck.pptx", "plan.xlsx"))
    assert leave.title == "Leave policy"
    assert "## Carrying over\n\nAt most five days." in leave.text
    assert leave.text.count("| Grade | Days |") > 1, "a long table says its header again"
    assert slides.title == "Kick-off"
    assert slides.metadata["slide_starts"] == f"0,{slides.text.index('## Slide 2')}"
    assert "| A long text that is longer than fifty characters, all of it | £1,200 | 25% | 2024-05-01 |" in plan.text
    assert [(one.path, one.text) for one in corpus.noted] == [("plan.xlsx", "1 hidden sheet")]


def test_html_mail_and_tables(folder: Path) -> None:
    html = (
        '<html><head><meta charset="iso-8859-1"><title>Hours</title><script>x()</script></head><body><p>Café</p></body>'
    )
    (folder / "page.html").write_bytes(html.encode("latin-1"))
    (folder / "mail.eml").write_bytes(
        b"From: Ada <ada@example.org>\r\nSubject: =?utf-8?q?Caf=C3=A9_key?=\r\nDate: Mon, 6 May 2024 10:00:00 +0200\r\n"
        b"Content-Type: text/html; charset=utf-8\r\n\r\n<p>The <b>shed</b> is open.</p>\r\n"
    )
    (folder / "fees.csv").write_text("Plot;Fee\nhalf | small;31\n")
    (folder / "faq.jsonl").write_text('{"id": "a", "title": "Key", "text": "50"}\n{"text": "Water", "team": "x"}\n')
    corpus = read_corpus(folder)
    assert (corpus.by_id["page.html"].title, corpus.by_id["page.html"].text) == ("Hours", "Café")
    mail = corpus.by_id["mail.eml"]
    assert (mail.title, mail.metadata["date"]) == ("Café key", "2024-05-06T10:00:00+02:00")
    assert "The **shed** is open." in mail.text
    assert corpus.by_id["fees.csv"].text == "| Plot | Fee |\n| --- | --- |\n| half \\| small | 31 |"
    assert corpus.by_id["faq.jsonl#a"].title == "Key"
    assert corpus.by_id["faq.jsonl#2"].metadata == {"team": "x"}


def test_what_cannot_be_read_says_why_and_strict_refuses_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from fpdf import FPDF

    (folder / "good.md").write_text("x")
    write_pdf(folder / "locked.pdf", locked=True)
    write_pdf(folder / "cut.pdf")
    (folder / "cut.pdf").write_bytes((folder / "cut.pdf").read_bytes()[:200])
    blank = FPDF()
    blank.add_page()
    blank.output(str(folder / "scan.pdf"))
    with zipfile.ZipFile(folder / "bomb.docx", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", bytes(1000))
        archive.infolist()[0].file_size = 300_000_000
    (folder / "locked.docx").write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "EncryptedPackage".encode("utf-16-le"))
    (folder / "broken.pptx").write_bytes(b"PK\x03\x04")
    (folder / "bad.jsonl").write_text('{"text": 3}\n')
    with (folder / "huge.pdf").open("wb") as file:
        file.truncate(65 * 2**20)
    found = reasons(read_corpus(folder))
    assert found == {
        "bad.jsonl": 'line 1: "text": expected text, found 3',
        "bomb.docx": "it unpacks to more than 256 MiB, as a zip bomb does",
        "broken.pptx": "not a .pptx file that can be opened; it is broken or cut short",
        "cut.pdf": "not a PDF that can be opened; it is broken or cut short",
        "huge.pdf": "65 MiB, at most 64 are read; split it",
        "locked.docx": "encrypted: it needs a password; save it without one",
        "locked.pdf": "encrypted: it needs a password; save it without one",
        "scan.pdf": "no text in its 1 page: it needs OCR, such as `ocrmypdf in.pdf out.pdf`",
    }
    with pytest.raises(DataError, match=r"8 files cannot be read: bad\.jsonl"):
        read_corpus(folder, strict=True)


def test_without_the_extra_the_line_to_type_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_formats, "_is_there", lambda module: False)
    (folder / "a.pdf").write_bytes(b"%PDF")
    (folder / "fees.csv").write_text("a,b\n1,2\n")
    corpus = read_corpus(folder)
    assert [one.id for one in corpus.documents] == ["fees.csv"]
    assert reasons(corpus)["a.pdf"].endswith("; pip install 'ragc[documents]'")


def test_an_encoding_is_detected_and_noted(folder: Path) -> None:
    (folder / "a.txt").write_bytes(GERMAN.encode("cp1252"))
    (folder / "b.txt").write_bytes(GERMAN.encode("utf-16"))
    (folder / "c.txt").write_bytes("é".encode("latin-1"))
    corpus = read_corpus(folder)
    assert [one.text for one in corpus.documents] == [GERMAN, GERMAN]
    assert [(one.path, one.text) for one in corpus.noted] == [("a.txt", "read as cp1252"), ("b.txt", "read as utf-16")]
    assert "its encoding cannot be told" in reasons(corpus)["c.txt"]


def test_duplicates_and_lines_that_most_documents_have_are_found(folder: Path) -> None:
    for number in range(6):
        (folder / f"{number}.md").write_text(f"# Text {number}\n\nThis message is confidential.\n\nNumber {number}.\n")
    (folder / "copy.txt").write_text("Text 3 — this message is CONFIDENTIAL. Number 3")
    corpus = read_corpus(folder)
    assert [(one.kind, one.path) for one in corpus.findings] == [("duplicate", "copy.txt"), ("boilerplate", "*.md")]


def test_what_was_converted_is_kept_by_content(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_docx(folder / "leave.docx")
    before = read_corpus(folder).fingerprint
    monkeypatch.setattr(_run, "Worker", None)  # whoever needs one now fails
    (folder / "leave.docx").touch()
    assert read_corpus(folder).fingerprint == before
    for path in (folder.parent / "cache").rglob("??/*"):
        path.write_bytes(path.read_bytes()[:-5])  # torn: not believed
    with pytest.raises(TypeError):
        read_corpus(folder)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import os; os._exit(3)", "its parser crashed (exit code 3)"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "its parser crashed (signal 11)"),
        ("import time; time.sleep(60)", "its parser did nothing for"),
    ],
)
def test_a_parser_that_crashes_or_hangs_costs_its_file_alone(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, source: str, reason: str
) -> None:
    (tmp_path / "hook").mkdir()
    (tmp_path / "hook/sitecustomize.py").write_text(
        "import email\nreal = email.message_from_bytes\n"
        f"def parse(data, **options):\n    if b'evil' in data:\n        {source}\n    return real(data, **options)\n"
        "email.message_from_bytes = parse\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "hook"))
    monkeypatch.setattr(_process, "MOST_SILENCE", 3.0)
    for name in ("a", "evil", "z"):
        (folder / f"{name}.eml").write_text(f"Subject: {name}\n\nThe text of {name}.\n")
    corpus = read_corpus(folder)
    assert [one.id for one in corpus.documents] == ["a.eml", "z.eml"]
    assert reasons(corpus)["evil.eml"].startswith(reason)
    monkeypatch.setattr(_cache, "TRIED_AGAIN", -1)
    monkeypatch.delenv("PYTHONPATH")
    assert len(read_corpus(folder).documents) == 3, "what may have been the machine's fault is tried again"


def test_a_parser_has_no_network_and_only_so_much_memory(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "hook").mkdir()
    (tmp_path / "hook/sitecustomize.py").write_text(
        "import email, socket\nreal = email.message_from_bytes\n"
        "def parse(data, **options):\n"
        "    if b'big' in data: bytes(2**30)\n"
        "    if b'net' in data: socket.create_connection(('127.0.0.1', 9))\n"
        "    return real(data, **options)\n"
        "email.message_from_bytes = parse\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "hook"))
    for name in ("big", "net", "z"):
        (folder / f"{name}.eml").write_text(f"Subject: {name}\n\nThe text.\n")
    found = reasons(read_corpus(folder))
    assert found["big.eml"] == "reading it takes more than 512 MiB of memory"
    assert "may not do that: socket." in found["net.eml"]
    assert set(found) == {"big.eml", "net.eml"}
