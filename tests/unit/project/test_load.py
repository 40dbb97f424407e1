"""Importing the programs, optimizers and metrics of a project."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

import pytest

from ragc.errors import ConfigError
from ragc.project import Project, load_object, load_optimizer, load_program, starter

MakeProject = Callable[..., Project]

PROGRAM = """
import dspy
from dspy import Predict, ChainOfThought
from helpers import WHO

class Answer(dspy.Module):
    who = WHO
    def __init__(self, k=5):
        super().__init__()
"""
OPTIMIZER = """
from os.path import join

def _helper(): ...

def bootstrap(program, run, *, demos: int = 3):
    return program
"""


@pytest.fixture(autouse=True)
def _leave_no_modules() -> Iterator[None]:
    path, modules = list(sys.path), dict(sys.modules)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - set(modules):
        if name.partition(".")[0] in ("programs", "optimizers", "helpers", "metrics"):
            del sys.modules[name]
    sys.modules.update(modules)


def program_files(who: str) -> dict[str, str]:
    return {"programs/grounded.py": PROGRAM, "helpers.py": f"WHO = {who!r}\n"}


@pytest.mark.parametrize("spec", ["grounded", "programs.grounded", "programs.grounded:Answer"])
def test_program_by_name(make_project: MakeProject, spec: str) -> None:
    program = load_program(make_project(program_files("me")), spec)
    assert program.__name__ == "Answer"


def test_each_project_gets_its_own_modules(make_project: MakeProject) -> None:
    first = make_project(program_files("first"), name="first")
    second = make_project(program_files("second"), name="second")
    programs = [load_program(project, "grounded") for project in (first, second, first)]
    assert [vars(program)["who"] for program in programs] == ["first", "second", "first"]
    assert sys.path.count(str(second.root)) == 0


def test_modules_are_imported_once_a_project(make_project: MakeProject) -> None:
    project = make_project(program_files("me"))
    assert load_program(project, "grounded") is load_program(project, "programs.grounded:Answer")


def test_a_helper_of_another_project_is_not_found(make_project: MakeProject) -> None:
    load_program(make_project(program_files("first"), name="first"), "grounded")
    second = make_project({"programs/grounded.py": PROGRAM}, name="second")
    with pytest.raises(ConfigError, match="No module named 'helpers'"):
        load_program(second, "grounded")


def test_a_program_of_another_project_is_not_found(make_project: MakeProject) -> None:
    first = make_project({"programs/only.py": PROGRAM, "helpers.py": "WHO = 1"}, name="first")
    load_program(first, "only")
    sys.path.append(str(first.root))
    second = make_project(program_files("second"), name="second")
    with pytest.raises(ConfigError, match=r'unknown program "programs\.only"'):
        load_program(second, "only")


def test_a_project_inside_another(make_project: MakeProject) -> None:
    outer = make_project(program_files("outer"), name="outer")
    inner = make_project(program_files("inner"), name="outer/demo")
    seen = [vars(load_program(p, "grounded"))["who"] for p in (outer, inner, outer)]
    assert seen == ["outer", "inner", "outer"]


@pytest.mark.parametrize(
    ("source", "spec", "expected"),
    [
        ("", "groundd", 'unknown program "programs.groundd": no programs/groundd.py in .*did you mean "grounded"'),
        ("", "nowhere.x:Y", 'unknown program "nowhere.x": no nowhere/x.py'),
        ("import nowhere", "grounded", r"does not import: ModuleNotFoundError: No module named 'nowhere' at programs"),
        ("x = 1\n1 / 0", "grounded", r"ZeroDivisionError: division by zero at programs/grounded.py line 2"),
        ("def f(:", "grounded", r"SyntaxError: .* at programs/grounded.py line 1"),
        ("raise SystemExit", "grounded", "does not import: SystemExit"),
        ("x = 1", "grounded", "programs/grounded.py defines none"),
        ("class A: ...", "programs.grounded:A", "not a dspy.Module but the class A"),
        ("def A(): ...", "programs.grounded:A", "not a dspy.Module but a function"),
        ("Answer = 1", "programs.grounded:Answr", 'no "Answr", did you mean "Answer"'),
        ("", "programs.grounded:", "expected module:name"),
        (
            "import dspy\nclass A(dspy.Module): ...\nclass B(dspy.Module): ...",
            "grounded",
            r"defines several \(A, B\); name one as programs.grounded:NAME",
        ),
        (
            "import dspy\nclass A(dspy.Module):\n  def __init__(self, k): ...",
            "grounded",
            "cannot be made without k; give defaults",
        ),
    ],
)
def test_bad_program_is_one_line(make_project: MakeProject, source: str, spec: str, expected: str) -> None:
    project = make_project({"programs/grounded.py": source})
    with pytest.raises(ConfigError, match=expected) as caught:
        load_program(project, spec)
    assert "\n" not in str(caught.value)


def test_program_that_failed_loads_once_it_is_mended(make_project: MakeProject) -> None:
    project = make_project({"programs/grounded.py": "import nowhere"})
    with pytest.raises(ConfigError):
        load_program(project, "grounded")
    (project.root / "programs/grounded.py").write_text("import dspy\nclass A(dspy.Module): ...\n")
    assert load_program(project, "grounded").__name__ == "A"


@pytest.mark.parametrize("spec", ["bootstrap", "optimizers.bootstrap:bootstrap"])
def test_optimizer_by_name(make_project: MakeProject, spec: str) -> None:
    assert load_optimizer(make_project({"optimizers/bootstrap.py": OPTIMIZER}), spec).__name__ == "bootstrap"


def test_unknown_optimizer_names_the_nearest(make_project: MakeProject) -> None:
    project = make_project({"optimizers/bootstrap.py": OPTIMIZER})
    with pytest.raises(ConfigError, match=r'unknown optimizer .*did you mean "bootstrap"'):
        load_optimizer(project, "bootstrp")


@pytest.mark.parametrize(
    ("spec", "found"),
    [
        ("dspy:MIPROv2", "not a function but the class MIPROv2"),
        ("odd:app", "not a function but an object of int"),
        ("odd:metric", r"takes \(example, prediction\)"),
        ("odd:anything", r"takes \(\*args\)"),
        ("odd:positional", r"takes \(program, run, demos=3\)"),
    ],
)
def test_what_is_no_optimizer_is_refused_with_what_one_is(make_project: MakeProject, spec: str, found: str) -> None:
    source = """
app = 3
def metric(example, prediction): ...
def anything(*args, **kwargs): ...
def positional(program, run, demos=3): ...
"""
    with pytest.raises(ConfigError, match=found) as caught:
        load_optimizer(make_project({"odd.py": source}), spec)
    message = str(caught.value)
    assert message.startswith(f'optimizer "{spec}": ')
    assert "an optimizer is a function (program, run, *, settings)" in message
    assert "optimizers/bootstrap.py shows one" in message
    assert "\n" not in message


def test_a_decorated_optimizer_is_one(make_project: MakeProject) -> None:
    source = """
import functools

def told(function):
    @functools.wraps(function)
    def inner(*args, **kwargs):
        return function(*args, **kwargs)
    return inner

@told
def mine(program, run, *, demos=3, **more): ...
"""
    assert load_optimizer(make_project({"optimizers/own.py": source}), "optimizers.own:mine").__name__ == "mine"


def test_an_unknown_metric_is_offered_modules_that_hold_one(make_project: MakeProject) -> None:
    files = {"service.py": "def ask(asked): ...", "broken.py": "def f(:"}
    project = make_project(files)
    with pytest.raises(ConfigError) as caught:
        load_object(project, "metrics:close", "metric")
    assert str(caught.value).endswith(
        "write it: a metric is a function (example, prediction) that returns a number from 0 to 1"
    )
    (project.root / "scores.py").write_text("import os\ndef close(example, prediction): ...\n")
    with pytest.raises(ConfigError, match=r"no metrics\.py in .*, known are scores$"):
        load_object(project, "metrics:close", "metric")
    with pytest.raises(ConfigError, match=r'no "far", known are close$'):
        load_object(project, "scores:far", "metric")


def test_any_object_by_name(make_project: MakeProject) -> None:
    project = make_project({"metrics.py": "def close(): ..."})
    assert load_object(project, "metrics:close", "metric").__name__ == "close"
    with pytest.raises(ConfigError, match='metric "metrics:clse": no "clse", did you mean "close"'):
        load_object(project, "metrics:clse", "metric")
    with pytest.raises(ConfigError, match='metric "close": expected module:name'):
        load_object(project, "close", "metric")


def test_starter_files_are_found() -> None:
    assert (starter() / "programs").is_dir()
