"""The compiled handbook behind HTTP.

pip install fastapi uvicorn
uvicorn service:app --workers 2

    POST /ask {"question": "…"}    an answer, with the passages that support it
    GET /health                    200: model, key, index and store are in place; it does not call the model

The sealed model answers, reached where [tool.ragc] in pyproject.toml says when that names the same model, else where it
was when the artifact was compiled. RAGC_LM names another model, RAGC_STORE another store. Start the service again after
`ragc compile`; `ragc index` needs no restart.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, HTTPException
from pydantic import BaseModel, ConfigDict, Field

from compiled import handbook
from ragc.errors import ExampleError, RagcError

log = logging.getLogger("uvicorn.error")


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


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Load everything before the first question; what is missing is logged here and said by /health."""
    try:
        log.info(await asyncio.to_thread(handbook.ready))
    except RagcError as error:
        log.error(error)
    yield


app = FastAPI(title="handbook", lifespan=lifespan)


@app.post("/ask")
async def ask(asked: Question) -> Answer:
    """Answer one question. Many are in flight at once, without a thread each."""
    try:
        found = await handbook.acall(question=asked.question)
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
    )


@app.get("/health")
async def health() -> dict[str, str]:
    """Say whether model, key, index and store are in place; 503 with the reason where not. Does not call the model."""
    try:
        return {"status": await asyncio.to_thread(handbook.ready)}
    except RagcError as error:
        raise HTTPException(503, str(error)) from error
