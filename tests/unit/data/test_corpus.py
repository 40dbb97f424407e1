"""Reading documents."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from ragc.data import Corpus, read_corpus
from ragc.errors import DataError


def folder(path: Path, files: dict[str, str | bytes]) -> Path:
    root = path / "corpus"
    root.mkdir()
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
    return root


def reasons(corpus: Corpus) -> dict[str, str]:
    return {one.path: one.reason for one in corpus.skipped}


def test_a_folder_is_read_at_any_depth_in_order(tmp_path: Path) -> None:
    corpus = read_corpus(folder(tmp_path, {"z.txt": "z", "a/b/c.md": "# See\ntext", "b.MARKDOWN": "x"}))
    assert [(d.id, d.title) for d in corpus.documents] == [("a/b/c.md", "See"), ("b.MARKDOWN", "b"), ("z.txt", "z")]
    assert corpus.by_id["z.txt"].text == "z"


def test_hidden_files_are_ignored(tmp_path: Path) -> None:
    corpus = read_corpus(folder(tmp_path, {"a.md": "x", ".DS_Store": "x", ".git/b.md": "x"}))
    assert [d.id for d in corpus.documents] == ["a.md"]
    assert corpus.skipped == ()


def test_front_matter_is_metadata(tmp_path: Path) -> None:
    text = (
        "---\ntitle: Leave\nyear: 2024\nsince: 2024-02-01\ntags: [a, b]\nlocal: true\nnested: {x: 1}\nnan: .nan\n---\n"
        "# Other\nbody\r\n"
    )
    document = read_corpus(folder(tmp_path, {"a.md": text})).documents[0]
    assert document.title == "Leave"
    assert document.text == "# Other\nbody\r\n"
    assert document.metadata == {"year": 2024, "since": "2024-02-01", "tags": "a, b", "local": True, "nan": "nan"}
    assert len(document.digest) == 64


@pytest.mark.parametrize(
    "text", ["---\nA rule, no front matter", "---\nprose between two rules\n---\nmore", "----\na: 1\n---\n"]
)
def test_a_rule_is_no_front_matter(tmp_path: Path, text: str) -> None:
    document = read_corpus(folder(tmp_path, {"a.md": text})).documents[0]
    assert document.text == text
    assert document.metadata == {}


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("intro\n# Real #\n", "Real"),
        ("```\n# comment\n```\n# Title", "Title"),
        ("~~~\n```\n# no\n~~~\n# Title", "Title"),
        ("## Second\n#NoSpace\n", "a"),
        ("#  \n# Named", "Named"),
    ],
)
def test_title_is_the_first_heading_else_the_name(tmp_path: Path, text: str, title: str) -> None:
    assert read_corpus(folder(tmp_path, {"a.md": text})).documents[0].title == title


def test_text_keeps_the_characters_of_the_file(tmp_path: Path) -> None:
    corpus = read_corpus(folder(tmp_path, {"a.txt": "\ufeffone\r\n\ttwo \u2013 ﬁ"}))
    assert corpus.documents[0].text == "one\r\n\ttwo \u2013 ﬁ"


def test_names_are_ids_in_one_unicode_form(tmp_path: Path) -> None:
    corpus = read_corpus(folder(tmp_path, {"cafe\u0301.md": "decomposed"}))
    assert corpus.documents[0].id == "caf\u00e9.md"


def test_what_cannot_be_read_is_named_and_skipped(tmp_path: Path) -> None:
    root = folder(
        tmp_path,
        {
            "good.md": "x",
            "latin.txt": "é".encode("latin-1"),
            "picture.png": b"PNG",
            "old.doc": b"x",
            "README": "x",
            "empty.md": "\n",
            "bad.md": "---\na: [1\n---\nx",
            "binary.txt": b"a\0b",
            "date.md": "---\nday: 2024-02-30\n---\nx",
        },
    )
    (tmp_path / "outside.md").write_text("secret")
    (root / "out.md").symlink_to(tmp_path / "outside.md")
    (root / "broken.md").symlink_to(root / "gone.md")
    (root / "loop").symlink_to(root)
    os.mkfifo(root / "pipe.md")
    corpus = read_corpus(root)
    assert [d.id for d in corpus.documents] == ["good.md"]
    found = reasons(corpus)
    assert found["latin.txt"] == "not UTF-8 (byte 1), and its encoding cannot be told; save it as UTF-8"
    assert found["picture.png"].startswith(".png: only .csv, .docx, .eml, ")
    assert found["old.doc"] == ".doc: save it as .docx"
    assert found["README"].startswith("without a suffix")
    assert found["empty.md"] == "empty"
    assert found["bad.md"].startswith("bad front matter: ")
    assert "line" in found["bad.md"]
    assert found["date.md"].startswith("bad front matter: ")
    assert found["binary.txt"].startswith("not a text")
    assert found["out.md"] == "a link out of the folder"
    assert found["broken.md"] == "a broken link"
    assert found["loop"] == "a link to a folder"
    assert found["pipe.md"] == "not a plain file"
    assert len(found) == 12


def test_a_name_in_another_encoding_is_skipped(tmp_path: Path) -> None:
    root = folder(tmp_path, {"a.md": "x"})
    with open(os.fsencode(root) + b"/\xe9.md", "w") as file:
        file.write("x")
    assert list(reasons(read_corpus(root)).values()) == ["its name is not UTF-8"]


def test_a_link_inside_the_folder_is_read(tmp_path: Path) -> None:
    root = folder(tmp_path, {"a.md": "x"})
    (root / "b.md").symlink_to(root / "a.md")
    assert [d.id for d in read_corpus(root).documents] == ["a.md", "b.md"]


def test_strict_makes_skipping_an_error(tmp_path: Path) -> None:
    root = folder(tmp_path, {"a.md": "x", **{f"{i}.png": "x" for i in range(5)}})
    with pytest.raises(DataError, match=r"5 files cannot be read: 0\.png: \.png: only .*; and 2 more"):
        read_corpus(root, strict=True)


def test_empty_and_missing_corpora(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no corpus at .*nowhere"):
        read_corpus(tmp_path / "nowhere")
    with pytest.raises(DataError, match="no documents in it"):
        read_corpus(folder(tmp_path, {}))
    (tmp_path / "corpus/a.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"a\.png: .*; no document is left"):
        read_corpus(tmp_path / "corpus")
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(DataError, match=r"expected a folder or a \.jsonl file"):
        read_corpus(tmp_path / "a.txt")
    (tmp_path / "a.jsonl").write_text("\n")
    with pytest.raises(DataError, match="no documents"):
        read_corpus(tmp_path / "a.jsonl")


def test_lines_are_read_with_metadata(tmp_path: Path) -> None:
    file = tmp_path / "corpus.jsonl"
    records = [{"id": "b", "title": "Bee", "text": "x", "year": 2024, "tags": ["a"]}, {"id": "a", "text": "y"}]
    file.write_text("".join(json.dumps(r) + "\n" for r in records))
    first, second = read_corpus(file).documents
    assert (first.id, first.title, first.metadata) == ("a", "a", {})
    assert (second.title, second.metadata) == ("Bee", {"year": 2024, "tags": "a"})


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"{", "line 2: not JSON"),
        ('{"id": "é", "text": "x"}'.encode("latin-1"), "line 2: not UTF-8"),
        (b'{"id": "b"}', 'line 2: missing key "text"; found id'),
        (b'{"id": "b", "text": 3}', 'line 2: "text": expected text, found 3'),
        (b'{"id": "b", "text": " "}', 'line 2: "text": expected text'),
        (b'{"id": "b", "text": "x", "title": 3}', 'line 2: "title": expected text, found 3'),
        (b'{"id": "a", "text": "x"}', 'line 2: duplicate id "a", first in line 1'),
    ],
)
def test_bad_line_is_fatal(tmp_path: Path, line: bytes, expected: str) -> None:
    file = tmp_path / "corpus.jsonl"
    file.write_bytes(b'{"id": "a", "text": "x"}\n' + line + b"\n")
    with pytest.raises(DataError) as caught:
        read_corpus(file)
    assert expected in str(caught.value)


def test_fingerprint_follows_the_content(tmp_path: Path) -> None:
    root = folder(tmp_path, {"a.md": "x", "b.md": "y"})
    before = read_corpus(root).fingerprint
    assert read_corpus(root).fingerprint == before
    (root / "a.md").write_text("z")
    assert read_corpus(root).fingerprint != before
