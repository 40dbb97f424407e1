"""Mistakes of the user: one line each, exit 2, nothing lost and nothing asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import ragc
from provider import Provider
from ragc.errors import ArtifactError, ConfigError

from .conftest import KEY, configure


@pytest.mark.parametrize(
    ("change", "arguments", "message"),
    [
        (None, {"optimizer": "bootstap"}, "unknown optimizer.*bootstap.*bootstrap"),
        (None, {"settings": {"demo": "3"}}, 'no setting "demo", did you mean "demos"'),
        (None, {"settings": {"demos": "many"}}, "expected a whole number"),
        (None, {"task": "allotment"}, 'unknown task "allotment"'),
        (None, {"threads": 0}, "--threads 0"),
        (('metric = "answer_f1"', 'metric = "answer_f"'), {}, 'unknown metric "answer_f"'),
        (('metric = "answer_f1"', 'metric = "programs.bad:nan"'), {}, "returned nan on example"),
        (('metric = "answer_f1"', 'metric = "programs.bad:raises"'), {}, "raised ZeroDivisionError on example"),
        (("programs.grounded:GroundedAnswer", "programs.bad:nan"), {}, "not a dspy.Module"),
        (("programs.grounded:GroundedAnswer", "programs.grunded:GroundedAnswer"), {}, "unknown program"),
        (("programs.grounded:GroundedAnswer", "programs.broken:X"), {}, "does not import: NameError"),
        (('optimizer = "labeled"', 'optimiser = "labeled"'), {}, 'did you mean "optimizer"'),
    ],
)
def test_a_mistake_is_one_line(
    hosted_project: Path, change: tuple[str, str] | None, arguments: dict[str, Any], message: str
) -> None:
    (hosted_project / "programs" / "bad.py").write_text(
        "def nan(example, prediction): return float('nan')\ndef raises(example, prediction): return 1 / 0\n", "utf-8"
    )
    (hosted_project / "programs" / "broken.py").write_text("undefined_name\n", "utf-8")
    if change is not None:
        configure(hosted_project, *change)
    with pytest.raises(ConfigError, match=message) as caught:
        ragc.compile(project=hosted_project, **arguments)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


def test_an_optimizer_that_returns_no_program_is_named(hosted_project: Path) -> None:
    (hosted_project / "optimizers" / "odd.py").write_text("def odd(program, run): return 5\n", "utf-8")
    with pytest.raises(ragc.errors.RagcError, match='optimizer "odd" returned int'):
        ragc.compile(project=hosted_project, optimizer="odd")


def test_a_foreign_folder_in_the_artifacts_place_is_named_before_anything_is_paid(
    hosted_project: Path, hosted_model: Provider
) -> None:
    place = hosted_project / "compiled" / "allotments"
    place.mkdir(parents=True)
    (place / "notes.txt").write_text("mine", "utf-8")
    with pytest.raises(ArtifactError, match="not an artifact"):
        ragc.compile(project=hosted_project)
    assert hosted_model.requests == []
    assert (place / "notes.txt").read_text("utf-8") == "mine"


def test_nothing_that_a_run_writes_holds_the_key(hosted_project: Path) -> None:
    configure(hosted_project, 'tracking = "off"', 'tracking = "sqlite:///.ragc/mlflow.db"')
    ragc.compile(project=hosted_project)
    written = [path for path in hosted_project.rglob("*") if path.is_file()]
    assert any(path.name == "mlflow.db" for path in written)
    assert [path for path in written if KEY.encode() in path.read_bytes()] == []
    assert not [path for path in written if path.suffix in (".pkl", ".pickle")]
