from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ragc.artifact import Content, Sealed, seal, verify
from ragc.artifact._manifest import canonical, fingerprint, render
from ragc.errors import ArtifactError

MakeContent = Callable[..., Content]

FILES = [
    "manifest.json",
    "state.json",
    "answers.json",
    "card.md",
    "report.html",
    "source/programs/plain.py",
    "source/programs/words.py",
    "source/programs/tone.py",
    "source/programs/parts/__init__.py",
    "source/programs/parts/phrases.py",
]


def rewrite(path: Path, **changes: Any) -> None:
    """Change the manifest and give it the hash of itself that fits, as somebody who knows the format would."""
    document = json.loads((path / "manifest.json").read_bytes())
    document.pop("manifest_sha256")
    (path / "manifest.json").write_bytes(render({**document, **changes}))


def test_an_artifact_is_what_was_handed_over(sealed: Sealed) -> None:
    manifest = verify(sealed.path)
    assert manifest.id == sealed.id
    assert manifest.task == "plain"
    assert manifest.program == "programs.plain:Plain"
    assert manifest.verdict["word"] == "better"
    assert manifest.verdict["sealed"] == "candidate"
    assert manifest.built["lm"]["base_url"] == "http://127.0.0.1:9/v1"
    assert [candidate["label"] for candidate in manifest.candidates][:1] == ["bootstrap 1"]
    assert sorted(manifest.files) == sorted(FILES[1:])


def test_every_file_is_there_and_is_what_its_hash_says(sealed: Sealed) -> None:
    there = {str(path.relative_to(sealed.path)): path for path in sealed.path.rglob("*") if path.is_file()}
    assert sorted(there) == sorted(FILES)
    for name, expected in verify(sealed.path).files.items():
        assert hashlib.sha256(there[name].read_bytes()).hexdigest() == expected


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("place", ["first", "middle", "last"])
def test_one_changed_byte_is_refused_with_the_files_name(sealed: Sealed, name: str, place: str) -> None:
    path = sealed.path / name
    data = bytearray(path.read_bytes())
    position = {"first": 0, "middle": len(data) // 2, "last": len(data) - 1}[place]
    data[position] ^= 1
    path.write_bytes(data)
    with pytest.raises(ArtifactError, match=name):
        verify(sealed.path)


def test_every_single_byte_of_the_manifest_counts(sealed: Sealed) -> None:
    path = sealed.path / "manifest.json"
    data = path.read_bytes()
    for position in range(0, len(data), 37):
        path.write_bytes(data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :])
        with pytest.raises(ArtifactError):
            verify(sealed.path)
    path.write_bytes(data + b"\n")
    with pytest.raises(ArtifactError, match=r"manifest\.json"):
        verify(sealed.path)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_refused_with_its_name(sealed: Sealed, name: str) -> None:
    (sealed.path / name).unlink()
    with pytest.raises(ArtifactError, match=name):
        verify(sealed.path)


@pytest.mark.parametrize("name", ["notes.txt", "source/x.py", ".x"])
def test_an_added_file_is_refused_with_its_name(sealed: Sealed, name: str) -> None:
    (sealed.path / name).write_text("x")
    with pytest.raises(ArtifactError, match=f"{name} was added after sealing; delete it, or move it out of"):
        verify(sealed.path)


@pytest.mark.parametrize(
    ("name", "maker"),
    [
        (".DS_Store", "your file manager"),
        ("source/programs/Thumbs.db", "your file manager"),
        ("desktop.ini", "your file manager"),
        ("source/programs/.plain.py.swp", "your editor"),
        ("card.md~", "your editor"),
        ("source/programs/__pycache__/plain.cpython-311.pyc", "Python"),
    ],
)
def test_litter_is_refused_and_called_so(sealed: Sealed, name: str, maker: str) -> None:
    path = sealed.path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("x")
    with pytest.raises(ArtifactError, match=f"{name} is litter of {maker}; delete it"):
        verify(sealed.path)
    (sealed.path / "zeta").write_text("x")
    with pytest.raises(ArtifactError, match=r" \(and 1 more\) is litter"):
        verify(sealed.path)


def test_what_is_no_plain_file_is_refused(sealed: Sealed) -> None:
    (sealed.path / "empty").mkdir()
    with pytest.raises(ArtifactError, match="empty/ was added"):
        verify(sealed.path)
    (sealed.path / "empty").rmdir()
    elsewhere = sealed.path.parent / "card.md"
    elsewhere.write_bytes((sealed.path / "card.md").read_bytes())
    (sealed.path / "card.md").unlink()
    (sealed.path / "card.md").symlink_to(elsewhere)
    with pytest.raises(ArtifactError, match=r"card\.md is no longer a plain file; restore it"):
        verify(sealed.path)
    (sealed.path / "card.md").unlink()
    os.mkfifo(sealed.path / "card.md")
    with pytest.raises(ArtifactError, match=r"card\.md"):
        verify(sealed.path)


def test_a_fingerprint_may_be_any_text(root: Path, content: MakeContent) -> None:
    for text in ("0" * 64, "", '"manifest_sha256": ""', 'a "manifest_sha256": "' + "0" * 64 + '"'):
        sealed = seal(content(fingerprints={"examples": text, "splits": text, "corpus": text}), root / "compiled" / "x")
        assert verify(sealed.path).id == sealed.id


def test_a_newer_schema_is_refused_and_says_to_upgrade(sealed: Sealed) -> None:
    rewrite(sealed.path, schema=2)
    with pytest.raises(ArtifactError, match=r"schema 2 is newer than this ragc reads \(1\); upgrade ragc"):
        verify(sealed.path)


def test_an_id_cannot_be_lent_to_other_contents(sealed: Sealed) -> None:
    document = json.loads((sealed.path / "manifest.json").read_bytes())
    source = sealed.path / "source/programs/words.py"
    source.write_text("def count(text):\n    return 0\n")
    hashed = hashlib.sha256(source.read_bytes()).hexdigest()
    rewrite(sealed.path, files={**document["files"], "source/programs/words.py": hashed})
    with pytest.raises(ArtifactError, match="not the source that the id was made of"):
        verify(sealed.path)
    document["identity"]["program"]["source"]["programs/words.py"] = hashed
    rewrite(sealed.path, files={**document["files"], "source/programs/words.py": hashed}, identity=document["identity"])
    with pytest.raises(ArtifactError, match=r"the id in manifest\.json is not the id of its contents"):
        verify(sealed.path)


def test_a_manifest_of_another_shape_is_refused(sealed: Sealed) -> None:
    wrong: list[dict[str, Any]] = [{"files": []}, {"id": 5}, {"identity": {}}, {"schema": "1"}, {"schema": 0}]
    for changes in wrong:
        before = (sealed.path / "manifest.json").read_bytes()
        rewrite(sealed.path, **changes)
        with pytest.raises(ArtifactError):
            verify(sealed.path)
        (sealed.path / "manifest.json").write_bytes(before)
    for text in ("", "[]", "{", '{"schema": 1}', "\ufeff{}"):
        (sealed.path / "manifest.json").write_text(text)
        with pytest.raises(ArtifactError, match=r"manifest\.json"):
            verify(sealed.path)


def test_what_is_no_artifact_says_so(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="no artifact there; compile the task first"):
        verify(tmp_path / "nothing")
    with pytest.raises(ArtifactError, match=r"has no manifest\.json"):
        verify(tmp_path)
    (tmp_path / "file").write_text("x")
    with pytest.raises(ArtifactError, match="is a file"):
        verify(tmp_path / "file")


def test_the_id_does_not_depend_on_time_and_place(root: Path, content: MakeContent) -> None:
    one = seal(content(), root / "compiled" / "plain")
    elsewhere = seal(
        content(built={"seconds": 1.0}, lm={**content().lm, "base_url": "http://[::1]:1/v1", "timeout": 9.0, "rpm": 9}),
        root / "other" / "plain",
    )
    assert one.id == elsewhere.id


@pytest.mark.parametrize(
    "parts",
    [
        {"state": {}},
        {"sources": {"programs/plain.py": b""}},
        {"model": {"model": "openai/other"}},
        {"adapter": "PlainAdapter"},
        {"embedder": {"name": "x", "fingerprint": "y", "dimensions": 1}},
        {"chunking": {"size": 400, "overlap": 0, "by": "characters"}},
        {"fingerprints": {"examples": "a", "splits": "b", "corpus": "d"}},
        {"optimizer": {"name": "bootstrap", "settings": {"demos": 4}, "seed": 8}},
        {"optimizer": None},
        {"scores": {}},
        {"verdict": {"word": "worse", "sentence": "Worse: by much."}},
        {"sealed": "baseline"},
        {"cost": {"usd": None, "calls": 1, "input_tokens": 0, "output_tokens": 0}},
    ],
    ids=lambda parts: next(iter(parts)),
)
def test_the_id_depends_on_everything_it_is_made_of(root: Path, content: MakeContent, parts: dict[str, Any]) -> None:
    before = seal(content(), root / "compiled" / "plain").id
    assert seal(content(**parts), root / "compiled" / "plain").id != before


def test_figures_have_one_form() -> None:
    assert canonical({"a": 1.0, "b": (0.1 + 0.2, -0.0, 1e300)}) == {"a": 1, "b": [0.30000000000000004, 0, 1e300]}
    assert fingerprint({"b": 2.0, "a": [1]}) == fingerprint({"a": [1.0], "b": 2})
    assert fingerprint(json.loads(json.dumps({"a": 0.1, "b": 12345678901234567890.0}))) == fingerprint(
        {"b": 12345678901234567890.0, "a": 0.1}
    )
    with pytest.raises(ValueError, match="not JSON compliant"):
        fingerprint({"a": float("nan")})


def test_figures_in_the_state_are_loaded_as_they_were(root: Path, content: MakeContent) -> None:
    state = {"answer": {**content().state["answer"], "demos": [{"question": "?", "share": 2.0, "count": 2}]}}
    sealed = seal(content(state=state), root / "compiled" / "plain")
    demo = json.loads((sealed.path / "state.json").read_bytes())["answer"]["demos"][0]
    assert [repr(value) for value in demo.values()] == ["'?'", "2.0", "2"]
    assert verify(sealed.path).id == sealed.id


def test_what_json_cannot_hold_is_refused(root: Path, content: MakeContent) -> None:
    for value in (float("nan"), object(), {1, 2}):
        with pytest.raises(ArtifactError, match="cannot be sealed: JSON has no form"):
            seal(content(state={"answer": {"demos": [value]}}), root / "compiled" / "plain")
    assert not (root / "compiled" / "plain").exists()
