"""Seal what a compile run made: all of it or nothing, and the previous artifact is whole at every moment."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ragc._files import digest, write_error
from ragc._secrets import find_secret, has_password, redact_json
from ragc.artifact import _card
from ragc.artifact._content import Candidate, Content
from ragc.artifact._folder import replace_folder
from ragc.artifact._manifest import (
    ANSWERS,
    CARD,
    CORPUS,
    DIGITS,
    MANIFEST,
    PLACE,
    REPORT,
    SCHEMA,
    SOURCE,
    STATE,
    Manifest,
    fingerprint,
    plain,
    pretty,
    real,
    render,
)
from ragc.artifact._study import study_of
from ragc.errors import ArtifactError
from ragc.report import Question
from ragc.report import render as render_report


@dataclass(frozen=True)
class Sealed:
    """Where the artifact stands, and its id."""

    path: Path
    id: str


def seal(content: Content, target: Path) -> Sealed:
    """Write the artifact at `target` (`compiled/<task>`), in the place of the one that is there.

    A process that is killed at any moment leaves the old artifact or the new one. Raises ArtifactError when the
    content cannot be sealed (a secret in it, an LM in the state), RagcError when the disk is full or cannot be
    written; both leave the old artifact as it is.
    """
    target = real(target)
    check_target(target)
    content = _told(content)
    try:
        files = _files(content, target)
    except (TypeError, ValueError) as error:
        raise ArtifactError(f"{target} cannot be sealed: JSON has no form for a part of it: {error}") from error
    refuse_secrets(files, content.lm, content.embedder_settings, *content.built.get("rerankers", ()))
    try:
        replace_folder(target, files)
    except OSError as error:
        raise write_error(target, error) from error
    return Sealed(target, _identity_id(content))


def check_target(target: Path) -> None:
    """Raise what `seal` would raise on `target`, so that a run need not be paid for to learn it.

    ArtifactError: something that is no artifact stands there. RagcError: the folder cannot be written.
    """
    target = real(target)
    probe = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        if target.exists() and not target.is_dir():
            raise ArtifactError(f"{target} is a file; move it away, the artifact goes there")
        if target.is_dir() and any(target.iterdir()) and not (target / MANIFEST).is_file():
            raise ArtifactError(f"{target} is not an artifact and not empty; move it away, the artifact goes there")
        probe.mkdir(parents=True, exist_ok=True)
        probe.rmdir()
    except OSError as error:
        raise write_error(target, error) from error


def _identity(content: Content) -> dict[str, Any]:
    """What the id is made of."""
    _refuse_models(content.state)
    return {
        "program": {
            "spec": content.program,
            "source": {path: digest(data) for path, data in content.sources.items()},
        },
        "state": fingerprint(content.state),
        "model": content.model,
        "lm": {key: value for key, value in content.lm.items() if key not in PLACE},
        "adapter": content.adapter,
        "embedder": content.embedder,
        "embedder_settings": {key: value for key, value in content.embedder_settings.items() if key not in PLACE},
        "chunking": content.chunking,
        "fingerprints": content.fingerprints,
        "optimizer": content.optimizer,
        "metric": content.metric,
        **({"method": content.method} if content.method is not None else {}),
        **({"judge": _judge(content.judge)} if content.judge is not None else {}),
        "scores": content.scores,
        "verdict": {**content.verdict, "sealed": content.sealed},
        "cost": content.cost,
    }


def _judge(judge: Mapping[str, Any]) -> dict[str, Any]:
    """What decides on a judge's scores; what people found of it may change, and the scores do not."""
    return {key: judge[key] for key in ("metric", "model", "prompt")}


def _identity_id(content: Content) -> str:
    return fingerprint(_identity(content))


def _files(content: Content, target: Path) -> dict[str, bytes]:
    """Every file of the artifact, the manifest last: it holds the hashes of the others."""
    identity = _identity(content)
    document: dict[str, Any] = plain(
        {
            "schema": SCHEMA,
            "id": fingerprint(identity),
            "task": content.task,
            "identity": identity,
            "built": {
                **content.built,
                **_here(target.parent.parent),
                "quoted": content.quoted,
                "lm": _place(content.lm, "lm"),
                "embedder_settings": _place(content.embedder_settings, "embedder"),
            },
            "results": {
                **content.results,
                "baseline_settings": content.baseline_settings,
                **({"judge": content.judge} if content.judge is not None else {}),
            },
            "candidates": [asdict(candidate) for candidate in content.candidates],
        }
    )
    manifest = Manifest(path=target, files={}, **{**document, "candidates": tuple(document["candidates"])})
    files = {
        STATE: pretty(content.state),
        CARD: _card.render(manifest, content.state).encode("utf-8"),
        REPORT: render_report(study_of(manifest, content)).encode("utf-8"),
        **({CORPUS: _documents(content.documents)} if content.documents else {}),
        **({ANSWERS: _answers(content.questions)} if content.questions else {}),
        **{SOURCE + path: data for path, data in content.sources.items()},
    }
    document["files"] = {name: digest(data) for name, data in files.items()}
    return {**files, MANIFEST: render(document)}


def _documents(digests: Mapping[str, str]) -> bytes:
    return pretty({"documents": {id_: digests[id_][:DIGITS] for id_ in sorted(digests)}})


def _answers(questions: Sequence[Question]) -> bytes:
    """What each program answered, cleaned as all that is told is: an answer may quote a key."""
    given = {
        one.id: {"question": one.question, "given": {arm: answer.text for arm, answer in one.given.items()}}
        for one in questions
    }
    return pretty({"answers": redact_json(given)})


def _place(table: Mapping[str, Any], name: str) -> dict[str, Any]:
    place = {key: table[key] for key in PLACE if table.get(key) is not None}
    if has_password(str(place.get("base_url", ""))):
        raise ArtifactError(f"{name}.base_url carries a password; put it in the variable that api_key_env names")
    return place


def _refuse_models(state: Mapping[str, Any]) -> None:
    for name, part in state.items():
        if isinstance(part, Mapping) and part.get("lm"):
            raise ArtifactError(
                f"predictor {name} has an LM of its own; leave the choice of model to [tool.ragc] and to ragc.load"
            )


def refuse_secrets(files: Mapping[str, bytes], *tables: Mapping[str, Any]) -> None:
    """Raise ArtifactError for a key in one of `files`: it would be in every copy of the artifact.

    `tables` are those of the models whose key variables are configured.
    """
    variables = [str(table["api_key_env"]) for table in tables if table.get("api_key_env")]
    for name, data in files.items():
        secret = find_secret(data, variables)
        if secret is not None:
            raise ArtifactError(f"{name} holds the value of {secret}; take it out, keys stay in the environment")


def _told(content: Content) -> Content:
    """The content with every text of a provider or a program cleaned that is told and not run: it may quote a key.

    What the report alone shows is cleaned there.
    """
    return replace(
        content,
        built=redact_json(content.built),
        results=redact_json(content.results),
        candidates=tuple(Candidate(**redact_json(asdict(one))) for one in content.candidates),
    )


def _here(root: Path) -> dict[str, Any]:
    """When, where and with what this run was made; no names of hosts or people."""
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "versions": {
            "ragc": importlib.metadata.version("ragc"),
            "dspy": importlib.metadata.version("dspy"),
            "python": platform.python_version(),
        },
        "git": _git(root),
    }


def _git(root: Path) -> dict[str, Any] | None:
    """Commit and whether anything was changed since; None where there is no commit or no git."""

    def ask(*arguments: str) -> str:
        return subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True, timeout=20
        ).stdout.strip()

    try:
        return {"commit": ask("rev-parse", "HEAD"), "dirty": bool(ask("status", "--porcelain"))}
    except (OSError, subprocess.SubprocessError):
        return None
