"""A double of Pinecone's interface: what ragc sends is checked against the client's own models, then carried out.

Run as a program it serves until it is ended: `python pinecone_double.py PORT`. It knows one key, KEY.
"""

from __future__ import annotations

import contextlib
import math
import re
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec
import uvicorn
from pinecone.models.documents.requests import (
    DeleteDocumentsRequest,
    FetchDocumentsRequest,
    SearchDocumentsRequest,
    UpsertDocumentsRequest,
)
from pinecone.models.documents.score_by import DenseVectorQuery, TextQuery
from pinecone.models.indexes.schema import IndexSchema
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

KEY = "pcsk_double_0123456789"
Documents = dict[str, dict[str, Any]]


class Double:
    """Indexes, their schemas, and the documents of their namespaces, in memory."""

    def __init__(self, port: int) -> None:
        self._host = f"http://127.0.0.1:{port}"
        self._indexes: dict[str, dict[str, Any]] = {}
        self._namespaces: dict[str, Documents] = {}
        space = "/namespaces/{namespace}"
        self.app = Starlette(
            routes=[
                Route("/indexes", self._create, methods=["POST"]),
                Route("/indexes/{name}", self._describe, methods=["GET"]),
                Route(f"{space}/documents/upsert", self._upsert, methods=["POST"]),
                Route(f"{space}/documents/search", self._search, methods=["POST"]),
                Route(f"{space}/documents/fetch", self._fetch, methods=["POST"]),
                Route(f"{space}/documents/delete", self._delete, methods=["POST"]),
                Route(space, self._remove, methods=["DELETE"]),
            ],
            exception_handlers={Refused: lambda _, error: error.response()},
        )

    async def _create(self, request: Request) -> JSONResponse:
        body = await _body(request)
        msgspec.convert(body["schema"], IndexSchema)
        made = {
            "name": body["name"],
            "status": {"ready": True, "state": "Ready"},
            "schema": body["schema"],
            "deployment": body["deployment"],
            "deletion_protection": "disabled",
            "host": self._host,
        }
        self._indexes[body["name"]] = made
        return JSONResponse(made, 201)

    async def _describe(self, request: Request) -> JSONResponse:
        await _body(request)
        found = self._indexes.get(request.path_params["name"])
        if found is None:
            raise Refused(404, "index not found")
        return JSONResponse(found)

    async def _upsert(self, request: Request) -> JSONResponse:
        body = await _checked(request, UpsertDocumentsRequest)
        (schema,) = [each["schema"]["fields"] for each in self._indexes.values()][-1:]
        space = self._namespaces.setdefault(request.path_params["namespace"], {})
        for document in body.documents:
            vector = document.get("dense")
            if not isinstance(vector, list) or len(vector) != schema["dense"]["dimension"] or not any(vector):
                raise Refused(400, f"document {document['_id']}: vector of another dimension")
            for field, value in document.items():
                if field != "dense" and not isinstance(value, (str, int, float, bool)):
                    raise Refused(400, f"document {document['_id']}: {field} is {value!r}")
            space[document["_id"]] = document
        return JSONResponse({"upserted_count": len(body.documents)}, 202)

    async def _search(self, request: Request) -> JSONResponse:
        body = await _checked(request, SearchDocumentsRequest)
        space = self._space(request)
        (clause,) = body.score_by
        if isinstance(clause, TextQuery):
            scores = _bm25(space, clause)
        else:
            assert isinstance(clause, DenseVectorQuery)
            scores = {
                id_: sum(one * other for one, other in zip(clause.values, each["dense"], strict=True))
                for id_, each in space.items()
            }
        found = [id_ for id_ in scores if _holds(space[id_], body.filter or {})]
        best = sorted(found, key=lambda id_: (-scores[id_], id_))[: body.top_k]
        matches = [{"_id": id_, "_score": scores[id_], **_some(space[id_], body.include_fields or [])} for id_ in best]
        return JSONResponse({"matches": matches, **_answer(request)})

    async def _fetch(self, request: Request) -> JSONResponse:
        body = await _checked(request, FetchDocumentsRequest)
        space = self._space(request)
        if body.ids is not None:
            found, rest = [id_ for id_ in body.ids if id_ in space], []
        else:
            fit = sorted(id_ for id_ in space if _holds(space[id_], body.filter or {}))
            after = [id_ for id_ in fit if id_ > (body.pagination_token or "")]
            size = min(body.limit or 100, 100)  # pages smaller than were asked for are Pinecone's right
            found, rest = after[:size], after[size:]
        page = {"pagination": {"next": found[-1]}} if rest else {}
        documents = {id_: {"_id": id_, **_some(space[id_], body.include_fields or ["*"])} for id_ in found}
        return JSONResponse({"documents": documents, **_answer(request), **page})

    async def _delete(self, request: Request) -> JSONResponse:
        body = await _checked(request, DeleteDocumentsRequest)
        space = self._space(request)
        gone = [id_ for id_ in space if _holds(space[id_], body.filter or {})]
        for id_ in gone:
            del space[id_]
        return JSONResponse({"matched_records": len(gone)}, 202)

    async def _remove(self, request: Request) -> JSONResponse:
        await _body(request)
        self._space(request)
        del self._namespaces[request.path_params["namespace"]]
        return JSONResponse({}, 202)

    def _space(self, request: Request) -> Documents:
        found = self._namespaces.get(request.path_params["namespace"])
        if found is None:
            raise Refused(404, "namespace not found")
        return found


class Refused(Exception):
    """An answer with an error's status."""

    def __init__(self, status: int, said: str) -> None:
        self._status = status
        self._said = said

    def response(self) -> JSONResponse:
        return JSONResponse({"error": {"code": "X", "message": self._said}, "status": self._status}, self._status)


async def _body(request: Request) -> dict[str, Any]:
    if request.headers.get("Api-Key") != KEY:
        raise Refused(401, "Invalid API Key")
    if not request.headers.get("X-Pinecone-Api-Version"):
        raise Refused(400, "no version of the interface")
    data = await request.body()
    found: dict[str, Any] = msgspec.json.decode(data) if data else {}
    return found


async def _checked(request: Request, kind: type[Any]) -> Any:
    body = await _body(request)
    unknown = set(body) - set(kind.__struct_fields__)
    if unknown:
        raise Refused(400, f"unknown fields {unknown}")
    try:
        return kind(**body)  # which checks what it is made of; msgspec cannot convert to its unions
    except (msgspec.ValidationError, ValueError, TypeError) as error:
        raise Refused(400, str(error)) from error


def _answer(request: Request) -> dict[str, Any]:
    return {"namespace": request.path_params["namespace"], "usage": {"read_units": 1}}


def _some(document: dict[str, Any], fields: list[str]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name != "_id" and ("*" in fields or name in fields)}


def _holds(document: dict[str, Any], where: dict[str, Any]) -> bool:
    """Filters as https://docs.pinecone.io/guides/search/filter-by-metadata has them, those of them that ragc uses."""
    for field, test in where.items():
        if field == "$and":
            if not all(_holds(document, each) for each in test):
                return False
            continue
        if field in ("dense", "body"):
            raise Refused(400, f"{field} is a data field")
        ((operator, wanted),) = test.items()
        if not _passes(document.get(field), operator, wanted):
            return False
    return True


def _passes(value: Any, operator: str, wanted: Any) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if operator in ("$gt", "$gte", "$lt", "$lte"):
        if isinstance(wanted, (str, bool)):
            raise Refused(400, f"{operator} takes a number")
        compared = {"$gt": lambda: value > wanted, "$gte": lambda: value >= wanted}
        compared |= {"$lt": lambda: value < wanted, "$lte": lambda: value <= wanted}
        return number and bool(compared[operator]())
    if operator == "$exists":
        return (value is not None) is wanted
    if operator == "$eq":
        return bool(value == wanted)
    if operator == "$in":
        return value in wanted
    if operator == "$nin":
        return value not in wanted  # a field that is not there is in nothing
    raise Refused(400, f"unknown operator {operator}")


def _bm25(space: Documents, clause: TextQuery) -> dict[str, float]:
    (field,) = clause.fields or []
    bodies = {id_: re.findall(r"[^\W_]+", each[field].lower()) for id_, each in space.items() if field in each}
    average = sum(map(len, bodies.values())) / max(1, len(bodies))
    found: dict[str, float] = {}
    counts = {id_: Counter(words) for id_, words in bodies.items()}
    for word in set(re.findall(r"[^\W_]+", clause.query.lower())):
        holding = [id_ for id_, count in counts.items() if word in count]
        weight = math.log(1 + (len(bodies) - len(holding) + 0.5) / (len(holding) + 0.5))
        for id_ in holding:
            times = counts[id_][word]
            length = 1.2 * (0.25 + 0.75 * len(bodies[id_]) / average)
            found[id_] = found.get(id_, 0.0) + weight * times * 2.2 / (times + length)
    return found


@contextlib.contextmanager
def running_double() -> Iterator[str]:
    """Its address, until the end of the block."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen([sys.executable, __file__, str(port)])
    try:
        ends = time.monotonic() + 30
        while time.monotonic() < ends:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=30)


def main(port: int) -> None:
    uvicorn.run(Double(port).app, host="127.0.0.1", port=port, log_level="critical")


if __name__ == "__main__":
    main(int(sys.argv[1]))
