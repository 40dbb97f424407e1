from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ragc.artifact import Candidate, Content, Sealed, _folder, check_target, seal, verify
from ragc.errors import ArtifactError, RagcError
from ragc.report import Answer, Question, Source

MakeContent = Callable[..., Content]
UNDER_FIRE = Path(__file__).with_name("seal_under_fire.py")


def under_fire(tmp_path: Path, attack: str, variant: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, UNDER_FIRE, tmp_path, attack, variant],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["steps"] > 10
    return found


@pytest.mark.parametrize("variant", ["exchange", "aside"])
@pytest.mark.parametrize("attack", ["kill", "fail"])
def test_a_seal_that_dies_or_fails_at_any_step_leaves_a_whole_artifact(
    tmp_path: Path, attack: str, variant: str
) -> None:
    assert under_fire(tmp_path, attack, variant)["damaged"] == []


def test_a_seal_without_protection_is_seen_to_fail(tmp_path: Path) -> None:
    assert "no artifact there" in " ".join(under_fire(tmp_path, "kill", "unprotected")["damaged"])


def test_every_file_and_folder_is_on_the_disk_before_the_names_change(
    sealed: Sealed, content: MakeContent, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: set[int] = set()
    needed: set[int] = set()
    swap = _folder._swap

    def recording(descriptor: int) -> None:
        synced.add(os.fstat(descriptor).st_ino)

    def checking(temporary: Path, target: Path) -> None:
        needed.update(path.stat().st_ino for path in (temporary, *temporary.rglob("*")))
        assert needed <= synced
        synced.clear()
        swap(temporary, target)

    monkeypatch.setattr(os, "fsync", recording)
    monkeypatch.setattr(_folder, "_swap", checking)
    seal(content(sealed="baseline"), sealed.path)
    assert len(needed) > 10
    assert sealed.path.parent.stat().st_ino in synced


def test_sealing_again_replaces_the_whole_folder(sealed: Sealed, content: MakeContent) -> None:
    (sealed.path / "touched.txt").write_text("x")
    again = seal(content(sealed="baseline"), sealed.path)
    assert again.id != sealed.id
    assert verify(sealed.path).verdict["sealed"] == "baseline"
    assert [path.name for path in sealed.path.parent.iterdir()] == ["plain"]


def test_a_reader_sees_the_old_or_the_new_one_while_it_is_replaced(
    sealed: Sealed, content: MakeContent, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = content(sealed="baseline")
    read = _folder._read_plain
    calls = 0

    def replaced_while_reading(name: str, at: int) -> bytes | None:
        nonlocal calls
        calls += 1
        if calls == 3:
            seal(new, sealed.path)
        return read(name, at)

    monkeypatch.setattr("ragc.artifact._folder._read_plain", replaced_while_reading)
    assert verify(sealed.path).verdict["sealed"] == "baseline"
    assert calls > 3


def test_a_folder_that_is_no_artifact_is_not_overwritten(root: Path, content: MakeContent) -> None:
    target = root / "compiled" / "plain"
    target.mkdir(parents=True)
    (target / "notes.txt").write_text("mine")
    with pytest.raises(ArtifactError, match="is not an artifact and not empty; move it away"):
        seal(content(), target)
    assert (target / "notes.txt").read_text() == "mine"
    (target / "notes.txt").unlink()
    seal(content(), target)
    (root / "file").write_text("mine")
    with pytest.raises(ArtifactError, match="is a file; move it away"):
        check_target(root / "file")


def test_a_disk_that_cannot_be_written_is_one_line(sealed: Sealed, monkeypatch: pytest.MonkeyPatch) -> None:
    def read_only(self: Path, *_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(self))

    monkeypatch.setattr(Path, "mkdir", read_only)
    with pytest.raises(RagcError, match=r"^cannot write .*plain: read-only file system; run in a folder that can be"):
        check_target(sealed.path)


def test_a_link_to_the_folder_is_written_through(sealed: Sealed, content: MakeContent, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(sealed.path)
    seal(content(sealed="baseline"), link)
    assert link.is_symlink()
    assert verify(sealed.path).verdict["sealed"] == "baseline"


@pytest.mark.parametrize("variable", ["SCRIPTED_KEY", "OPENAI_API_KEY"])
def test_the_key_of_the_model_is_refused_wherever_it_stands(
    sealed: Sealed, content: MakeContent, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    secret = "sk-planted-1234567890"
    monkeypatch.setenv(variable, secret)
    lm = {**content().lm, "api_key_env": None if variable == "OPENAI_API_KEY" else variable}
    leaking = content(lm=lm, sources={"programs/plain.py": f"KEY = '{secret}'\n".encode()})
    with pytest.raises(ArtifactError, match=rf"source/programs/plain\.py holds the value of {variable}") as caught:
        seal(leaking, sealed.path)
    assert secret not in str(caught.value)
    assert verify(sealed.path).id == sealed.id


def test_no_secret_is_in_any_file(root: Path, content: MakeContent, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "sk-planted-1234567890"
    for variable in ("SCRIPTED_KEY", "OPENAI_API_KEY", "ANTHROPIC_API_KEY", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(variable, secret)
    path = seal(content(), root / "compiled" / "plain").path
    files = [file for file in path.rglob("*") if file.is_file()]
    assert files
    assert not [file for file in files if secret.encode() in file.read_bytes()]
    assert not [file for file in files if file.read_bytes().startswith((b"\x80", b"PK"))]


def test_what_is_told_of_a_run_is_cleaned_and_not_refused(
    root: Path, content: MakeContent, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = "sk-planted-1234567890"
    monkeypatch.setenv("OPENAI_API_KEY", secret)
    told = content(
        questions=(
            Question(
                id="q1",
                question="?",
                answers=(),
                given={"compiled": Answer(text=f"it is {secret}", score=None, error=f"no {secret}")},
            ),
        ),
        passages=(Source(id="p", place=secret, text=f"the key is {secret}"),),
        candidates=(Candidate(label=f"tried {secret}", score=0.5, why_not=secret),),
        built={**content().built, "strangers": [f"openai/{secret}"]},
        results={**content().results, "note": secret},
    )
    path = seal(told, root / "compiled" / "plain").path
    files = [file.read_bytes() for file in path.rglob("*") if file.is_file()]
    assert not [data for data in files if secret.encode() in data]
    assert any(b"it is ***" in data for data in files) and any(b"tried ***" in data for data in files)


def test_an_address_with_a_password_is_refused(root: Path, content: MakeContent) -> None:
    lm = {**content().lm, "base_url": "https://user:hunter22@host/v1"}
    with pytest.raises(ArtifactError, match=r"lm\.base_url carries a password") as caught:
        seal(content(lm=lm), root / "compiled" / "plain")
    assert "hunter22" not in str(caught.value)


def test_a_predictor_with_an_lm_of_its_own_is_refused(root: Path, content: MakeContent) -> None:
    state = {"answer": {**content().state["answer"], "lm": {"model": "openai/x"}}}
    with pytest.raises(ArtifactError, match="predictor answer has an LM of its own"):
        seal(content(state=state), root / "compiled" / "plain")
