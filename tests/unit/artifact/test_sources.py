from __future__ import annotations

from pathlib import Path

import pytest

from ragc.artifact import collect_sources
from ragc.errors import ArtifactError


def test_what_the_program_imports_is_collected_and_nothing_else(root: Path) -> None:
    assert sorted(collect_sources(root, "programs.plain")) == [
        "programs/parts/__init__.py",
        "programs/parts/phrases.py",
        "programs/plain.py",
        "programs/tone.py",
        "programs/words.py",
    ]


def test_imports_are_followed_wherever_they_stand(root: Path) -> None:
    (root / "programs" / "lazy.py").write_text(
        "def late():\n    from .parts import phrases\n    import helpers.deep.deeper as d\n    return d, phrases\n"
    )
    (root / "helpers" / "deep").mkdir(parents=True)
    (root / "helpers" / "__init__.py").write_text("from .loop import x\n")
    (root / "helpers" / "loop.py").write_text("import helpers\nimport random, ragc, compiled\nx = 1\n")
    (root / "helpers" / "deep" / "deeper.py").write_text("from ...outside import nothing\n")
    (root / "random.py").write_text("")
    (root / "ragc.py").write_text("")
    assert sorted(collect_sources(root, "programs.lazy")) == [
        "helpers/__init__.py",
        "helpers/deep/deeper.py",
        "helpers/loop.py",
        "programs/lazy.py",
        "programs/parts/__init__.py",
        "programs/parts/phrases.py",
    ]


def test_a_program_outside_the_project_cannot_be_sealed(root: Path) -> None:
    with pytest.raises(ArtifactError, match=r"json\.decoder is not in .*small"):
        collect_sources(root, "json.decoder")


def test_a_file_that_does_not_parse_is_named(root: Path) -> None:
    (root / "programs" / "words.py").write_text("def (:\n")
    with pytest.raises(ArtifactError, match=r"programs/words\.py does not parse"):
        collect_sources(root, "programs.plain")
