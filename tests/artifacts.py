"""An artifact of the small project without a compile run: the starter program, sealed as it is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ragc.artifact import Content, Sealed, collect_sources, package, quoted_documents, seal
from ragc.data import read_corpus
from ragc.project import Project, load_program
from ragc.retrieval import Passages, index, open_index, search


def seal_program(
    root: Path,
    *,
    lm: dict[str, Any] | None = None,
    k: int = 3,
    shown: Mapping[str, str] | None = None,
    retrieve: Mapping[str, Any] | None = None,
) -> Sealed:
    """Seal the only task of the project at `root`, with the `lm` table given or the configured one.

    The index is not built; the artifact says that nothing was tested. `shown`, questions with their answers, become
    demonstrations with the best passage of each, and then the index is built. `retrieve` has settings of the program's
    `Retrieve`.
    """
    import dspy

    from ragc.models import describe, make_adapter
    from ragc.project import ModelSettings

    project = Project.find(root)
    task = project.task()
    settings = ModelSettings(**lm) if lm else project.settings.lm
    program = load_program(project, task.program)()
    program.retrieve.load_state({"k": k, **(retrieve or {})})
    if shown:
        index(project=project)
        program.respond.demos = [
            dspy.Example(passages=Passages(passages=search(None, question, k=1, project=project)), **asked)
            for question, answer in shown.items()
            for asked in ({"question": question, "answer": answer},)
        ]
    state = program.dump_state(json_mode=True)
    corpus = read_corpus(project.path(task.corpus))
    made_with = open_index(project, task, check=False).made_with
    content = Content(
        task=task.name,
        program=task.program,
        state=state,
        sources=collect_sources(project.root, task.program.partition(":")[0]),
        model=describe(settings),
        lm=settings.model_dump(mode="json"),
        adapter=type(make_adapter(settings)).__name__,
        embedder={
            "name": made_with.embedder,
            "fingerprint": made_with.fingerprint,
            "dimensions": made_with.dimensions,
        },
        embedder_settings=project.settings.embedder.model_dump(mode="json"),
        chunking=task.chunk.model_dump(mode="json"),
        fingerprints={"examples": "0" * 64, "splits": "0" * 64, "corpus": corpus.fingerprint if shown else "0" * 64},
        quoted=quoted_documents(state, corpus),
        documents={document.id: document.digest for document in corpus.documents},
        optimizer=None,
        metric=task.metric,
        scores={},
        verdict={"word": "not tested", "sentence": ""},
        sealed="baseline",
        cost={"usd": 0, "calls": 0, "input_tokens": 0, "output_tokens": 0},
        built={"corpus": task.corpus},
    )
    sealed = seal(content, project.compiled_path(task))
    package(sealed.path.parent)
    return sealed


def hosted_lm(base_url: str) -> dict[str, Any]:
    """The `lm` table of a scripted endpoint; its key variable is SCRIPTED_KEY."""
    return {"model": "openai/scripted", "base_url": base_url, "api_key_env": "SCRIPTED_KEY"}
