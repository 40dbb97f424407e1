"""`ragc init`: a new project."""

from __future__ import annotations

import keyword
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ragc._messages import counted
from ragc.cli._terminal import emit, json_option, row, say, warn
from ragc.errors import ConfigError

if TYPE_CHECKING:
    from ragc.cli._scaffold import Made, OwnTask


EPILOG = """\b
Your own documents and questions, in the folder that is to be the project:
  ragc init --corpus policies --examples questions.csv
One more task, in a project:
  ragc init --task faq --corpus faq --examples faq.csv"""


@click.command(epilog=EPILOG)
@click.argument("folder", metavar="[DIR]", type=click.Path(path_type=Path), default=Path("."), required=False)
@click.option("--task", metavar="NAME", help="A task of your own in place of the handbook; default: the corpus' name.")
@click.option("--corpus", metavar="DIR", type=click.Path(path_type=Path), help="Its documents: a folder, or a .jsonl.")
@click.option("--examples", metavar="FILE", type=click.Path(path_type=Path), help="Its questions: a .csv or a .jsonl.")
@click.option("--bare", is_flag=True, help="Leave the handbook out; implied by the three above.")
@json_option
def command(
    folder: Path,
    task: str | None,
    corpus: Path | None,
    examples: Path | None,
    bare: bool,
    as_json: bool,
) -> None:
    """Make a new project that compiles as it is.

    Without options it starts with the handbook of an invented company, and compiles. In a folder that has files it
    writes only those that are missing, and adds [tool.ragc] to a pyproject.toml without it. In a ragc project --task,
    --corpus and --examples add one more task to it and touch nothing else; without them nothing is written and the
    exit code is 2. Without --examples a task of your own begins with an empty table of questions, to be filled in.
    """
    from ragc.cli._scaffold import add_task, is_project, make_project

    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder} is a file; name a folder")
    named = bool(task or corpus or examples)
    own = _own_task(folder, task, corpus, examples) if bare or named else None
    more = own is not None and named and is_project(folder)
    made = add_task(folder, own) if own is not None and more else make_project(folder, own)
    if as_json:
        emit(
            {
                "project": str(folder.resolve()),
                "task": made.task,
                "written": list(made.written),
                "kept": list(made.kept),
            }
        )
    else:
        _print(made, own, more=more)
    for given in (corpus, examples):
        if given is not None and not given.resolve().is_relative_to(folder.resolve()):
            warn(
                f"{given} stays outside of the project: a clone of it will lack"
                f" {given.name}; move it to data/{made.task}/ and set its path in pyproject.toml"
            )


def _own_task(folder: Path, task: str | None, corpus: Path | None, examples: Path | None) -> OwnTask:
    """Check what was given and fill in the rest; what is not given gets a place below data/."""
    from ragc.cli._scaffold import OwnTask
    from ragc.data import read_examples

    if corpus is not None and not (corpus.is_dir() or (corpus.is_file() and corpus.suffix == ".jsonl")):
        raise ConfigError(f"--corpus {corpus}: expected a folder of documents, or a .jsonl file of them")
    if examples is not None:
        if not (examples.is_file() and examples.suffix in {".csv", ".jsonl"}):
            raise ConfigError(f"--examples {examples}: expected a .csv or .jsonl file of labelled questions")
        read_examples(examples)
    if task is None:
        guess = re.sub(r"\W", "_", corpus.resolve().stem.lower()) if corpus else "docs"
        task = guess if _importable(guess) else "docs"
    elif not _importable(task):
        raise ConfigError(f'--task "{task}": a task is imported by its name, so it must be a Python name')
    return OwnTask(
        task,
        corpus or folder / "data" / task / "corpus",
        examples or folder / "data" / task / "examples.csv",
    )


def _importable(name: str) -> bool:
    return name.isidentifier() and not keyword.iskeyword(name) and not name.startswith("_")


def _print(made: Made, own: OwnTask | None, *, more: bool) -> None:
    root = made.root.resolve()
    if more:
        row("added", f"task {made.task} in {root / 'pyproject.toml'}", *made.written[:-1])
    else:
        row("made", f"{root.name}: {counted(len(made.written), 'file')} in {root}")
    if made.kept:
        row(
            "kept", f"{len(made.kept)} that were there: {', '.join(made.kept[:5])}{', …' if len(made.kept) > 5 else ''}"
        )
    steps = [] if root == Path.cwd() else [f"cd {made.root}"]
    if made.undeclared:
        steps.append('# add "ragc" to the dependencies in pyproject.toml')
    if own:
        corpus, examples = (os.path.relpath(path, made.root) for path in (own.corpus, own.examples))
        if f"{corpus}/.gitkeep" in made.written:
            steps.append(f"# put your documents (.md, .txt) into {corpus}/")
        if examples in made.written:
            steps.append(f"# write your questions into {examples}, one a row, accepted answers parted by |;")
            steps.append("# no answer means that the documents do not say; 150 are a good start, 10 the fewest")
    row("next", *steps, f"ragc compile {made.task}" if more else "ragc compile")
    say()
    row("then", f'from compiled import {made.task}; {made.task}(question="…").answer')
