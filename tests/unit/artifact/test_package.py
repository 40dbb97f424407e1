from __future__ import annotations

import ast
import asyncio
import copy
import gc
import importlib
import pydoc
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from provider import Provider, fields
from ragc.artifact import Artifact, Content, Sealed, package, seal
from ragc.artifact.lazy import LazyArtifact
from ragc.errors import ArtifactError

MakeContent = Callable[..., Content]

HEAVY = ("dspy", "numpy", "pydantic", "mlflow", "scipy", "litellm", "openai", "apsw", "wordllama", "xllamacpp")


@pytest.fixture
def compiled(sealed: Sealed, root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The package `compiled` of the project, imported."""
    package(sealed.path.parent)
    monkeypatch.syspath_prepend(str(root))
    monkeypatch.delitem(sys.modules, "compiled", raising=False)
    yield importlib.import_module("compiled")
    sys.modules.pop("compiled", None)


def test_the_import_gives_a_callable_and_loads_nothing(compiled: ModuleType, root: Path) -> None:
    assert isinstance(compiled.plain, LazyArtifact)
    assert compiled.plain is compiled.plain
    assert dir(compiled) == ["plain"]
    code = (
        f"import sys; from compiled import plain; repr(plain)\nprint([name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_first_call_loads_it(
    compiled: ModuleType, content: MakeContent, hosted_model: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCRIPTED_KEY", "any")
    hosted_model.script = lambda asked: fields(answer="forty two")
    lm = {**content().lm, "base_url": hosted_model.base_url}
    seal(content(lm=lm), Path(str(compiled.__file__)).parent / "plain")
    plain = compiled.plain
    assert plain(question="?").answer == "forty two, sir!"
    assert plain.ready().startswith("plain ")
    assert plain.id == plain.module.id == plain.module.module.id
    assert isinstance(plain.module, Artifact)
    assert [item.answer for item in plain.batch(["a?", "b?"], threads=2)] == ["forty two, sir!"] * 2


def test_loading_collects_no_garbage_and_leaves_that_as_it_was(
    compiled: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    collected: list[bool] = []

    def load(path: Path) -> object:
        collected.append(gc.isenabled())
        if len(collected) == 1:
            raise ArtifactError("touched")
        return "loaded"

    monkeypatch.setattr("ragc.artifact.load", load)
    with pytest.raises(ArtifactError):
        _ = compiled.plain.module
    assert gc.isenabled()
    assert compiled.plain.module == "loaded"
    assert gc.isenabled()
    assert collected == [False, False]


def test_the_help_of_an_artifact_is_for_its_user_and_loads_nothing(compiled: ModuleType) -> None:
    plain = compiled.plain
    text = pydoc.plain(pydoc.render_doc(plain))
    for expected in ("prediction.answer", "acall(self", "batch(self", "ready(self", "dspy.Module", "ragc show"):
        assert expected in text
    assert "verified and loaded at its first use" not in text
    assert plain._kept == {}


def test_a_first_acall_loads_it(
    compiled: ModuleType, content: MakeContent, hosted_model: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCRIPTED_KEY", "any")
    hosted_model.script = lambda asked: fields(answer="forty two")
    lm = {**content().lm, "base_url": hosted_model.base_url}
    sealed = seal(content(lm=lm), Path(str(compiled.__file__)).parent / "plain")
    assert asyncio.run(compiled.plain.acall(question="?")).answer == "forty two, sir!"
    assert compiled.plain.id == sealed.id == compiled.plain.manifest.id


def test_an_artifact_that_is_touched_raises_at_the_first_call(compiled: ModuleType, sealed: Sealed) -> None:
    (sealed.path / "card.md").write_text("better")
    plain = compiled.plain
    with pytest.raises(ArtifactError, match=r"card\.md was changed"):
        plain(question="?")


def test_an_unknown_name_says_which_are_there(compiled: ModuleType) -> None:
    with pytest.raises(AttributeError, match=r"no artifact 'plan' in .* \(there: plain\); ragc compile plan makes it"):
        _ = compiled.plan
    with pytest.raises(ImportError, match="plain is an artifact and no module: from compiled import plain"):
        importlib.import_module("compiled.plain")


def test_importing_an_unknown_name_says_the_same(compiled: ModuleType) -> None:
    with pytest.raises(ImportError, match=r"no artifact 'plan' in .* \(there: plain\); ragc compile plan makes it"):
        exec("from compiled import plan")
    exec("from compiled import plain")
    assert not hasattr(compiled, "plan")
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("compiled.__main__")
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("ragc.artifact.plan")


def test_a_loaded_artifact_is_shown_by_id_model_and_verdict(compiled: ModuleType, sealed: Sealed) -> None:
    assert repr(compiled.plain) == f"<artifact {sealed.path}, not loaded yet>"
    assert compiled.plain.id
    assert repr(compiled.plain) == f"<artifact plain {sealed.id[:8]}: openai/scripted, better>"


def test_editors_know_the_names(compiled: ModuleType, sealed: Sealed) -> None:
    stub = (sealed.path.parent / "__init__.pyi").read_text()
    assert "from ragc.artifact import Artifact" in stub
    assert "plain: Artifact" in stub.splitlines()


def test_writing_the_package_again_changes_nothing(sealed: Sealed) -> None:
    folder = sealed.path.parent
    package(folder)
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    package(folder)
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_an_empty_package_is_a_package(tmp_path: Path) -> None:
    package(tmp_path / "compiled")
    for name in ("__init__.py", "__init__.pyi"):
        assert ast.parse((tmp_path / "compiled" / name).read_text()).body


def test_a_lazy_artifact_is_copied_without_loading(tmp_path: Path) -> None:
    lazy = LazyArtifact(tmp_path / "nothing")
    assert repr(copy.deepcopy(lazy)) == repr(lazy)
    assert not hasattr(lazy, "__len__")


def test_a_copy_of_a_program_shares_the_artifacts_it_calls(sealed: Sealed) -> None:
    imported = LazyArtifact(sealed.path)
    assert copy.deepcopy({"inner": imported})["inner"] is imported
