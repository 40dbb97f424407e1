"""What is compiled in this project, behind HTTP.

pip install fastapi uvicorn
uvicorn service:app --workers 2

    POST /ask {"question": "…"}         an answer, with the passages that support it, from the only task
    POST /ask/TASK {"question": "…"}    the same from any task in compiled/
    GET /health                         200: model, key, index and store are in place; it does not call a model

The sealed model answers, reached where [tool.ragc] in pyproject.toml says when that names the same model, else where it
was when the artifact was compiled. RAGC_LM names another model, RAGC_STORE another store. Start the service again after
`ragc compile`; `ragc index` needs no restart.

Who may see what is decided in `may_see` below. Answers are logged where `audit` in [tool.ragc] or RAGC_AUDIT says
(jsonl:///var/log/ragc/answers.jsonl), and one that cannot be logged is not given; `ragc audit ID` shows what stood
behind the answer with that id.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from pydantic import BaseModel, ConfigDict, Field

import compiled
from ragc.errors import ExampleError, RagcError

log = logging.getLogger("uvicorn.error")

ARTIFACTS = {name: getattr(compiled, name) for name in dir(compiled)}
"""Every artifact in compiled/, by its task's name; nothing is loaded yet."""


class Question(BaseModel):
    """What is asked."""

    model_config = ConfigDict(str_strip_whitespace=True)

    question: str = Field(min_length=1, max_length=2_000)


class Passage(BaseModel):
    """A part of a document that the answer was looked for in."""

    id: str
    document: str
    title: str
    text: str
    score: float


class Answer(BaseModel):
    """What is answered."""

    answer: str
    citations: list[str]
    """Ids of the passages that support the answer; none: it was found in no passage, do not rely on it."""
    passages: list[Passage]
    artifact: str
    """Id of the artifact that answered: keep it with the answer."""
    corpus_version: str | None
    """Fingerprint of the documents that were searched."""
    id: str | None
    """The answer's id in the answer log; None where answers are not logged."""


def may_see(request: Request) -> dict[str, Any] | None:
    """Return the metadata that every passage must match for whoever asks; None: every document is for everybody.

    Take it from what your login or your proxy vouches for, never from the question. It holds whatever the question, the
    model or the program asks for, and a document without that metadata is found by nobody:

        team = request.headers.get("x-team")  # set by the proxy in front, which takes out what callers send
        if not team:
            raise HTTPException(403, "whose team is not known may ask nothing")
        return {"team": team}
    """
    return None


async def ready() -> dict[str, str | RagcError]:
    """Load every artifact; what each answers with, or what it lacks."""
    found: dict[str, str | RagcError] = {}
    for name, artifact in ARTIFACTS.items():
        try:
            found[name] = await asyncio.to_thread(artifact.ready)
        except RagcError as error:
            found[name] = error
    return found


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Load everything before the first question; what is missing is logged here and said by /health."""
    for name, line in (await ready()).items():
        log.log(logging.ERROR if isinstance(line, RagcError) else logging.INFO, "%s: %s", name, line)
    yield


app = FastAPI(title=", ".join(ARTIFACTS) or "nothing compiled", lifespan=lifespan)


@app.post("/ask")
@app.post("/ask/{task}")
async def ask(asked: Question, request: Request, task: str | None = None) -> Answer:
    """Answer one question. Many are in flight at once, without a thread each."""
    if task is None and len(ARTIFACTS) == 1:
        task = next(iter(ARTIFACTS))
    if task is None or task not in ARTIFACTS:
        there = ", ".join(f"/ask/{name}" for name in ARTIFACTS) or "none; ragc compile makes one"
        raise HTTPException(404, f"which task? There are: {there}")
    filters = may_see(request)
    try:
        artifact = ARTIFACTS[task] if filters is None else ARTIFACTS[task].with_filters(filters)
        found = await artifact.acall(question=asked.question)
    except ExampleError as error:  # this question alone: the model's answer has not the expected form, or none came
        log.warning(error)
        raise HTTPException(502, str(error)) from error
    except RagcError as error:
        log.error(error)  # the reason is for you, not for whoever asks
        raise HTTPException(503, "the question cannot be answered now") from error
    return Answer(
        answer=found.answer,
        citations=list(found.get("citations", ())),
        passages=[Passage.model_validate(passage, from_attributes=True) for passage in found.get("passages", ())],
        artifact=found.provenance["artifact"],
        corpus_version=found.provenance.get("corpus_version"),
        id=found.provenance.get("answer_id"),
    )


@app.get("/health")
async def health() -> dict[str, str]:
    """Say of every task what it answers with; 503 with the reasons where one cannot. Does not call a model."""
    found = await ready()
    missing = [f"{name}: {line}" for name, line in found.items() if isinstance(line, RagcError)]
    if missing or not found:
        raise HTTPException(503, "; ".join(missing) or "nothing is compiled; ragc compile makes an artifact")
    return {name: str(line) for name, line in found.items()}
