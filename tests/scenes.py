"""Scenes for the gateway's promises: the small project, a provider that survives its clients, fast commands."""

from __future__ import annotations

import contextlib
import json
import random
import shutil
import sqlite3
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from launcher import Done, Launcher, Running
from provider import Asked, Provider, Script, fields

REPOSITORY = Path(__file__).resolve().parent.parent
KEY = "sk-scripted-0123456789abcdef"
THREADS = 4
LATENCY = 0.01
FEW = ("--set", "candidates=2")
"""What keeps a compile short."""


@dataclass(frozen=True)
class Scene:
    """A project whose model is a scripted provider, and commands that run there."""

    root: Path
    provider: Provider
    launcher: Launcher
    log: Path
    """A folder for what the commands print."""

    def start(self, *args: str, **given: object) -> Running:
        given.setdefault("env", {"OUR_KEY": KEY})
        return self.launcher.start(*args, cwd=self.root, log=self.log, **given)  # type: ignore[arg-type]

    def run(self, *args: str, **given: object) -> Done:
        return self.start(*args, **given).wait()

    def compile(self, *args: str, **given: object) -> Done:
        return self.run("compile", "--json", *args, **given)

    def forget(self) -> None:
        """The project as it was before its first command; the provider as if nothing had been asked."""
        for name in (".ragc", "compiled"):
            shutil.rmtree(self.root / name, ignore_errors=True)
        for file in self.root.glob("data/*/splits.json"):
            file.unlink()
        self.provider.reset()

    @property
    def asked(self) -> int:
        return len(self.provider.requests)

    def in_journal(self, table: str = "entries") -> int:
        """Rows of a table of the journal, read from a copy: what was killed is left as it lies."""
        with tempfile.TemporaryDirectory() as folder:
            for file in (self.root / ".ragc").glob("journal.db*"):
                if file.is_file():
                    _copy(file, Path(folder))
            place = Path(folder) / "journal.db"
            if not place.exists():
                return 0
            connection = sqlite3.connect(place)
            try:
                (number,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
            except sqlite3.OperationalError:  # killed before it had made its tables
                return 0
            finally:
                connection.close()
            return int(number)


def learner(root: Path, *, plain: float = 0.3, shown: float = 0.8) -> Script:
    """A script that knows a share `plain` of the answers, and a share `shown` of them with demonstrations.

    Which ones depends on the demonstrations too, so that candidates differ.
    """
    lines = (root / "data" / "allotments" / "examples.jsonl").read_text("utf-8").splitlines()
    examples: list[dict[str, Any]] = [json.loads(line) for line in lines]

    def script(asked: Asked) -> str:
        for example in examples:
            if example["question"] in asked.text:
                demos = "".join(str(message) for message in asked.messages[:-1])
                luck = random.Random(f"{example['id']} {demos}").random()
                if luck < (shown if len(asked.messages) > 2 else plain):
                    return fields(answer=(example["answers"] or ["The documents do not say."])[0])
        return fields(answer="a guess of no use")

    return script


def configure(root: Path, before: str, after: str) -> None:
    """Change one thing in the project's configuration."""
    file = root / "pyproject.toml"
    text = file.read_text("utf-8")
    if before not in text:
        raise LookupError(before)
    file.write_text(text.replace(before, after), "utf-8")


def model_table(provider: Provider, **values: Any) -> str:
    """The model's table of the configuration; a value of None leaves a key out."""
    table = {
        "model": "openai/scripted",
        "base_url": provider.base_url,
        "api_key_env": "OUR_KEY",
        "price": {"input": 1.0, "output": 2.0},
        "max_tokens": 100,
        "threads": THREADS,
        **values,
    }

    def toml(value: Any) -> str:
        if isinstance(value, dict):
            return "{ " + ", ".join(f"{name} = {toml(one)}" for name, one in value.items()) + " }"
        return json.dumps(value)

    return f"lm = {toml({name: value for name, value in table.items() if value is not None})}"


LOCAL = 'lm = "local/smollm2-135m-instruct"'


def stage(folder: Path, provider: Provider, launcher: Launcher, *, questions: int = 20, **model: Any) -> Scene:
    """The small project with so many of its questions, under `folder`; its model is the scripted provider.

    The model learns from demonstrations and answers after 10 ms; `model` changes its table.
    """
    root, log = folder / "allotments", folder / "log"
    shutil.copytree(REPOSITORY / "tests" / "small_project", root, dirs_exist_ok=True)
    for name in ("programs", "optimizers"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(REPOSITORY / name, root / name, ignore=ignored, dirs_exist_ok=True)
    file = root / "data" / "allotments" / "examples.jsonl"
    lines = file.read_text("utf-8").splitlines(keepends=True)
    file.write_text("".join(lines[:questions]), "utf-8")
    provider.script, provider.latency = learner(root), LATENCY
    configure(root, LOCAL, model_table(provider, **model))
    log.mkdir(exist_ok=True)
    return Scene(root, provider, launcher, log)


def _copy(file: Path, folder: Path) -> None:
    """Copies a file of a journal in use: what SQLite has deleted meanwhile is left out."""
    with contextlib.suppress(FileNotFoundError):
        shutil.copy(file, folder)
