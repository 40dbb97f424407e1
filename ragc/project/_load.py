"""Importing what a project defines: programs, optimizers, metrics."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import sys
import threading
import traceback
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ragc.errors import ConfigError
from ragc.project._explain import nearest
from ragc.project._project import Project

if TYPE_CHECKING:
    import dspy

_MARK = "__ragc_root__"
_AN_OPTIMIZER = (
    "an optimizer is a function (program, run, *, settings) that returns a program, and may call DSPy's optimizers; "
    "optimizers/bootstrap.py shows one"
)
_A_METRIC = "a metric is a function (example, prediction) that returns a number from 0 to 1"
# sys.path and sys.modules are the process's, so what ragc added to them is remembered for the process as well.
_lock = threading.RLock()
_path_entry: list[str] = []


def load_program(project: Project, spec: str) -> type[dspy.Module]:
    """Return the program class that `spec` names: `module:Class`, or the bare name of a file in `programs/`.

    A bare name means the only `dspy.Module` that the file itself defines. Raises ConfigError, in one line and with the
    cause: no such module, one that does not import, no such class, one that is no program or needs arguments.
    """
    import dspy

    def is_program(value: object, module: ModuleType) -> bool:
        return isinstance(value, type) and issubclass(value, dspy.Module) and value.__module__ == module.__name__

    found, place = _find(project, spec, "programs", "program", is_program)
    if not (isinstance(found, type) and issubclass(found, dspy.Module)):
        raise ConfigError(f'program "{place}": not a dspy.Module but {_kind(found)}')
    needed = _required(found)
    if needed:
        raise ConfigError(f'program "{place}": cannot be made without {", ".join(needed)}; give defaults')
    return found


def load_optimizer(project: Project, spec: str) -> Callable[..., Any]:
    """Return the optimizer function that `spec` names: `module:function`, or the bare name of a file in `optimizers/`.

    A bare name means the only public function that the file itself defines. Raises ConfigError with the cause, also for
    what would fail only when it is called, after the baseline was paid: a class such as DSPy's own optimizers, or a
    function with other parameters than (program, run, *, settings).
    """

    def is_optimizer(value: object, module: ModuleType) -> bool:
        return inspect.isfunction(value) and value.__module__ == module.__name__ and not value.__name__.startswith("_")

    found, place = _find(project, spec, "optimizers", "optimizer", is_optimizer)
    if not inspect.isfunction(found):
        raise ConfigError(f'optimizer "{place}": not a function but {_kind(found)}; {_AN_OPTIMIZER}')
    taken = [p for p in inspect.signature(found).parameters.values() if p.kind not in (p.KEYWORD_ONLY, p.VAR_KEYWORD)]
    if [p.name for p in taken] != ["program", "run"] or any(p.kind is p.VAR_POSITIONAL for p in taken):
        shown = ", ".join(str(p.replace(annotation=p.empty)) for p in taken)
        raise ConfigError(f'optimizer "{place}": takes ({shown}); {_AN_OPTIMIZER}')
    function: Callable[..., Any] = found
    return function


def load_object(project: Project, spec: str, what: str) -> Any:
    """Return what `module:name` names in the project, a metric for one; `what` is its kind, for messages.

    Raises ConfigError with the cause.
    """
    module_name, _, name = spec.partition(":")
    if not module_name or not name:
        raise ConfigError(f'{what} "{spec}": expected module:name')
    return _attribute(_import(project, module_name, what), name, what)


def _find(
    project: Project, spec: str, folder: str, what: str, wanted: Callable[[object, ModuleType], bool]
) -> tuple[object, str]:
    if ":" in spec:
        return load_object(project, spec, what), spec
    module = _import(project, spec if "." in spec else f"{folder}.{spec}", what)
    defined = {name: value for name, value in vars(module).items() if wanted(value, module)}
    file = _file(project, module)
    if not defined:
        raise ConfigError(f'{what} "{spec}": {file} defines none')
    if len(defined) > 1:
        names = ", ".join(sorted(defined))
        raise ConfigError(f'{what} "{spec}": {file} defines several ({names}); name one as {module.__name__}:NAME')
    name, value = next(iter(defined.items()))
    return value, f"{module.__name__}:{name}"


def _attribute(module: ModuleType, path: str, what: str) -> Any:
    value: Any = module
    for name in path.split("."):
        try:
            value = getattr(value, name)
        except AttributeError as error:
            public = [known for known in getattr(value, "__dict__", {}) if not known.startswith("_")]
            if what == "metric":
                public = [known for known in public if inspect.isfunction(vars(value)[known])]
            raise ConfigError(f'{what} "{module.__name__}:{path}": no "{name}", {nearest(name, public)}') from error
    return value


def _import(project: Project, name: str, what: str) -> ModuleType:
    with _lock:
        _enter(project.root, name.partition(".")[0])
        before = set(sys.modules)
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
                raise ConfigError(_missing(project, name, what)) from error
            raise ConfigError(_failed(project, name, what, error)) from error
        except (Exception, SystemExit) as error:  # the user's code runs here: whatever it raises is the message
            raise ConfigError(_failed(project, name, what, error)) from error
        finally:
            for new in set(sys.modules) - before:
                if _home(sys.modules[new]) == project.root:
                    setattr(sys.modules[new], _MARK, str(project.root))


def _enter(root: Path, top: str) -> None:
    """Put `root` first on sys.path and forget the modules of other projects, so that `programs` means this one's."""
    for name, module in list(sys.modules.items()):
        loaded_for = getattr(module, "__dict__", {}).get(_MARK)  # not getattr: a lazy module would import itself
        if loaded_for is not None and loaded_for != str(root):
            del sys.modules[name]
    if _path_entry != [str(root)] or str(root) not in sys.path:
        for entry in _path_entry:
            if entry in sys.path:
                sys.path.remove(entry)
        _path_entry[:] = [str(root)]
        sys.path.insert(0, str(root))
    importlib.invalidate_caches()
    for package in {top, "programs", "optimizers"}:
        if _stands_in(root, package):
            _claim(root, package)


def _claim(root: Path, package: str) -> None:
    """Make the name mean this project's folder: without `__init__.py`, one further down sys.path would win over it."""
    if package in sys.modules and _home(sys.modules[package]) != root:
        for name in [n for n in sys.modules if n == package or n.startswith(f"{package}.")]:
            del sys.modules[name]
    folder = root / package
    if package in sys.modules or (root / f"{package}.py").is_file() or (folder / "__init__.py").is_file():
        return
    spec = ModuleSpec(package, None, is_package=True)
    spec.submodule_search_locations = [str(folder)]
    sys.modules[package] = importlib.util.module_from_spec(spec)
    setattr(sys.modules[package], _MARK, str(root))


def _stands_in(root: Path, top: str) -> bool:
    return top != "ragc" and ((root / top).is_dir() or (root / f"{top}.py").is_file())


def _home(module: ModuleType) -> Path | None:
    """Return the folder that the module's top-level package stands in, or None for one without a file."""
    origin = getattr(module, "__file__", None)
    if origin is None:
        folders = list(getattr(module, "__path__", ()))
        if not folders:
            return None
        place, up = Path(folders[0]), module.__name__.count(".")
    else:
        place = Path(origin)
        up = module.__name__.count(".") + (place.name == "__init__.py")
    return place.resolve().parents[up] if up < len(place.parents) else None


def _missing(project: Project, name: str, what: str) -> str:
    folder, _, last = name.rpartition(".")
    file = f"{name.replace('.', '/')}.py"
    beside = project.root / folder.replace(".", "/")
    files = [path for path in beside.glob("*.py") if not path.stem.startswith("_")] if beside.is_dir() else []
    known = [path.stem for path in files if what != "metric" or _holds_metric(path)]
    advice = nearest(last, known) if known else f"write it: {_A_METRIC}" if what == "metric" else "see the spelling"
    if "did you mean" not in advice and _is_starter(folder, last):
        advice = f'run "ragc add {what} {last}" to copy it in'
    return f'unknown {what} "{name}": no {file} in {project.root}, {advice}'


def _holds_metric(file: Path) -> bool:
    """Whether the file defines a function of two arguments; it is read and not run."""
    try:
        body = ast.parse(file.read_bytes()).body
    except (SyntaxError, ValueError, OSError):
        return False
    return any(isinstance(node, ast.FunctionDef) and len(node.args.args) == 2 for node in body)


def _is_starter(folder: str, name: str) -> bool:
    from ragc.project._starter import starter

    try:
        return (starter() / folder / f"{name}.py").is_file()
    except ConfigError:
        return False


def _failed(project: Project, name: str, what: str, error: BaseException) -> str:
    where = ""
    frames = traceback.extract_tb(error.__traceback__)
    file, line = next(
        ((f.filename, f.lineno) for f in reversed(frames) if Path(f.filename).is_relative_to(project.root)), ("", None)
    )
    if isinstance(error, SyntaxError) and error.filename:
        file, line = error.filename, error.lineno
    if file and Path(file).is_relative_to(project.root):
        where = f" at {Path(file).relative_to(project.root)} line {line}"
    reason = error.msg if isinstance(error, SyntaxError) else " ".join(str(error).split())
    cause = f"{type(error).__name__}: {reason}" if reason else type(error).__name__
    return f'{what} "{name}" does not import: {cause}{where}'


def _file(project: Project, module: ModuleType) -> str:
    origin = Path(getattr(module, "__file__", None) or module.__name__)
    return str(origin.relative_to(project.root) if origin.is_relative_to(project.root) else origin)


def _kind(value: object) -> str:
    if isinstance(value, type):
        return f"the class {value.__name__}"
    if isinstance(value, ModuleType):
        return "a module"
    return "a function" if inspect.isroutine(value) else f"an object of {type(value).__name__}"


def _required(program: type) -> list[str]:
    # Not the class's own signature: a metaclass of DSPy's hides it.
    parameters = list(inspect.signature(program.__init__).parameters.values())[1:]  # type: ignore[misc]
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [p.name for p in parameters if p.default is p.empty and p.kind not in variable]
