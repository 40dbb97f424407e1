"""Run as a script: seals over an artifact again and again, and is killed or loses the disk at every step in turn.

    seal_under_fire.py FOLDER kill|fail exchange|aside|unprotected

Prints one JSON object: how many steps a seal has, and what was found damaged. A step is an audit event of Python's file
functions. `aside` is a file system that cannot exchange names; `unprotected` removes the old artifact first, as a seal
without protection would: the damage must be seen.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ragc.artifact import Content, _folder, _seal, seal, verify
from ragc.errors import ArtifactError, RagcError

STEPS = ("open", "os.", "shutil.", "ctypes.")
WATCHED = ("compiled", "renameat2")


def main(folder: Path, attack: str, variant: str) -> None:
    target = folder / "compiled" / "plain"
    protect(variant)
    _seal._git = lambda root: None  # another process, and no part of the seal
    os.fsync = lambda descriptor: None  # type: ignore[assignment]  # a killed process loses no written byte
    ids = {name: seal(content(name), target).id for name in ("old", "new")}
    damaged: list[str] = []
    step = 0
    while True:
        step += 1
        restore(target)
        code = in_a_child(lambda at=step: attacked(target, attack, at))  # type: ignore[misc]
        try:
            found = verify(target).id
            if found not in ids.values():
                damaged.append(f"step {step}: id {found}")
            elif code == 1 and found != ids["old"]:
                damaged.append(f"step {step}: reported as failed, but replaced")
        except ArtifactError as error:
            damaged.append(f"step {step}: {error}")
        if code == 0:  # this seal came to its end before the step: there are no more
            break
        seal(content("new"), target)
        if verify(target).id != ids["new"] or len(list(target.parent.iterdir())) != 1:
            damaged.append(f"step {step}: the next seal did not tidy up")
    sys.stdout.write(json.dumps({"steps": step, "damaged": damaged}))


def protect(variant: str) -> None:
    """Take a part of the protection out."""

    def cannot(one: Path, other: Path) -> None:
        raise OSError(errno.EINVAL, "cannot exchange", str(other))

    def unprotected(temporary: Path, target: Path) -> None:
        shutil.rmtree(target, ignore_errors=True)
        os.rename(temporary, target)

    if variant == "aside":
        _folder._exchange = cannot
    if variant == "unprotected":
        _folder._swap = unprotected


def attacked(target: Path, attack: str, at: int) -> int:
    """Seal, and at the step `at` die or meet a full disk. Returns 0 when no such step came, 1 after an error."""
    steps = 0
    hit = False

    def on_event(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal steps, hit
        if not event.startswith(STEPS) or not any(word in str(arguments) for word in WATCHED):
            return
        steps += 1
        if steps != at:
            return
        hit = True
        if attack == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    sys.addaudithook(on_event)
    try:
        seal(content("new"), target)
    except RagcError as error:
        return 1 if "\n" not in str(error) and "no space left" in str(error) else 3
    return 2 if hit else 0


def in_a_child(work: Callable[[], int]) -> int:
    child = os.fork()
    if child == 0:
        os._exit(work())
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def restore(target: Path) -> None:
    shutil.rmtree(target.parent)
    seal(content("old"), target)


def content(name: str) -> Content:
    return Content(
        task="plain",
        program="programs.plain:Plain",
        state={"name": name, "long": "x" * 1000},
        sources={"programs/plain.py": b"x = 1\n", "programs/__init__.py": b""},
        model={"model": "openai/scripted"},
        lm={"model": "openai/scripted"},
        adapter="RepairingChatAdapter",
        embedder={"name": "none", "fingerprint": "", "dimensions": 1},
        embedder_settings={"model": "none"},
        chunking={},
        fingerprints={},
        optimizer=None,
        metric="answer_f1",
        scores={},
        verdict={"word": "not tested", "sentence": "Not tested: no test."},
        sealed="candidate",
        cost={"usd": None, "calls": 0, "input_tokens": 0, "output_tokens": 0},
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
