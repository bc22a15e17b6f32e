"""The routes of the web lab."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, File, Form, Query, Request, UploadFile
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, Response, StreamingResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from andersonn.errors import AndersonnError, InputError, UsageError, unknown
from andersonn.version import __version__
from andersonn.web import construct_routes, known, pages
from andersonn.web.asked import Asked, asked
from andersonn.web.constructions import Constructions, is_private
from andersonn.web.doors import Doors, own_names
from andersonn.web.guard import Guard
from andersonn.web.inputs import ENDINGS, Item, collected
from andersonn.web.lab import Lab
from andersonn.web.limits import Refusal
from andersonn.web.listing import Listing, until_gone
from andersonn.web.openapi import described, methods_at
from andersonn.web.schema import (
    Answers,
    Example,
    Explained,
    Found,
    Health,
    Look,
    Measurements,
    Race,
    Refused,
    StructureText,
    Tasks,
)
from andersonn.web.structure_text import as_cif

ABOUT = """Ask the artificial scientists: send structure files, pasted text or SMILES as a form (`multipart/form-data`).

    curl -F files=@NaCl.cif http://127.0.0.1:8000/api/predict/conduction
    curl -F smiles=CCO http://127.0.0.1:8000/api/explain/polarity

Errors name kind, cause and cure: 403 asked by another site or under another name, 404 unknown task, 413 too large or too many, 422 nothing could be read or an option has no such value, 429 busy."""
REFUSALS: dict[int | str, dict[str, Any]] = {code: {"model": Refused} for code in (403, 404, 408, 413, 422, 429)}
SKETCHER_HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'"
}
"""JSME writes scripts and styles into its page. The page has rights to that, and none to send anything anywhere."""
LINES = "application/x-ndjson"
OF_OPTIONS = ("bad_option", "bad_thresholds", "fixed_thresholds", "unknown_convention", "unknown_classes")
"""Kinds of errors about the value of an option."""
PREDICTED = REFUSALS | {
    200: {
        "headers": {"X-Inputs": {"description": "of a stream: inputs counted", "schema": {"type": "integer"}}},
        "content": {LINES: {"schema": {"$ref": "#/components/schemas/Answer"}}},
    }
}
BOTH: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/json": {"schema": {"type": "object"}}, "text/html": {"schema": {"type": "string"}}}}
}
api = APIRouter(prefix="/api", responses={403: {"model": Refused}})


async def brought(
    files: Annotated[list[UploadFile], File(description="CIF, POSCAR, xyz, SDF, MOL, MOL2, PDB, mmCIF, .smi")] = [],  # noqa: B006
    text: Annotated[str, Form(description="the content of one such file, pasted; or SMILES, one a line")] = "",
    smiles: Annotated[list[str], Form(description="one molecule each")] = [],  # noqa: B006
) -> list[Item]:
    """What the form of a request holds."""
    contents = [(file.filename or "", await file.read()) for file in files]
    return collected(contents, text, smiles)


Brought = Annotated[list[Item], Depends(brought)]


def lab_of(request: Request) -> Lab:
    """The laboratory of the application."""
    return request.app.state.lab


Own = Annotated[Lab, Depends(lab_of)]
How = Annotated[Asked, Depends(asked)]
Which = Annotated[int, Query(ge=0, description="which of the file's")]


@api.post("/predict/{task}", response_model=Answers, responses=PREDICTED, summary="Class, probabilities and estimate")
async def predict(
    request: Request,
    task: str,
    items: Brought,
    lab: Own,
    how: How,
    lenient: Annotated[
        bool, Query(description="200 also if no input could be answered; the errors are in the answers")
    ] = False,
    curves: Annotated[bool, Query(description="each answer brings the distribution that it was read from")] = False,
) -> Response:
    """One object a structure, the same as `andersonn predict --format json` prints. 422 if none could be answered.

    With the header `Accept: application/x-ndjson`, one object a line as they come, always with status 200: the header
    `X-Inputs` of the answer says how many inputs were counted. Disconnecting cancels the rest.
    """
    if LINES in request.headers.get("accept", ""):
        return _Lines(await lab.listing(task, items, replace(how, curves=curves)))
    answers = await until_gone(request, lab.predict(task, items, replace(how, curves=curves)))
    failed = all("error" in answer for answer in answers)
    body = {"answers": answers} | ({"error": answers[0]["error"]} if failed else {})
    return _json(body, 422 if failed and not lenient else 200)


@api.post("/explain/{task}", response_model=Explained, responses=REFUSALS, summary="Which atoms drove the answer")
async def explain(request: Request, task: str, items: Brought, lab: Own, how: How, structure: Which = 0) -> Response:
    """The answer to one structure and the contribution of every atom, the same as `andersonn explain --format json`."""
    return _json(await until_gone(request, lab.inspect("explain", task, items, structure, how)))


@api.post("/inspect/{task}", response_model=Look, responses=REFUSALS, summary="One structure in all its views")
async def inspect(request: Request, task: str, items: Brought, lab: Own, how: How, structure: Which = 0) -> Response:
    """The answer with structure, network, graph image, probabilities at other thresholds, and Anderson beside Picard
    iteration on this input.
    """
    return _json(await until_gone(request, lab.inspect("inspect", task, items, structure, how)))


@api.post("/race/{task}", response_model=Race, responses=REFUSALS, summary="Plain, damped and Anderson iteration")
async def race(request: Request, task: str, items: Brought, lab: Own, how: How, structure: Which = 0) -> Response:
    """Residuals of the iterations on this input's map, made to contract less and less."""
    return _json(await until_gone(request, lab.inspect("race", task, items, structure, how)))


@api.get("/tasks", response_model=Tasks, summary="Tasks, classes, thresholds, geometries, limits")
async def tasks(lab: Own) -> Response:
    """What can be asked, and what cannot since a model is missing or damaged. Waits for the models."""
    await lab.ready()
    found = [
        pages.about(lab.scientists[name]) | {"geometries": lab.geometries(name)} for name in sorted(lab.scientists)
    ]
    return _json(
        {"tasks": found, "unavailable": lab.unavailable, "limits": lab.limits.as_dict(), "endings": sorted(ENDINGS)}
    )


@api.get("/examples", response_model=list[Example], summary="Structures to try")
async def examples(lab: Own) -> Response:
    """Each with task and text. Waits for the models."""
    await lab.ready()
    return _json([example for example in pages.examples() if example["task"] in lab.scientists])


@api.get(
    "/known",
    response_model=Found,
    responses={422: {"model": Refused}},
    summary="Known substances by name or composition",
)
async def known_substances(
    q: Annotated[str, Query(max_length=200, description="part of a name, or a formula: paracetamol, SrTiO3, mp-149")],
) -> Response:
    """Substances of the data sets in this package, with a reference value where there is one."""
    return _json({"found": [found.as_dict() for found in await asyncio.to_thread(known.find, q)]})


@api.get(
    "/known/{name}",
    response_model=StructureText,
    responses={404: {"model": Refused}, 422: {"model": Refused}},
    summary="A known crystal",
)
async def known_crystal(name: str) -> Response:
    """The structure of a known crystal, as CIF."""
    structure = await asyncio.to_thread(known.crystal, name)
    return _json({"name": f"{name}.cif", "text": as_cif(structure)})


@api.get("/cards/{task}", responses=BOTH | {404: {"model": Refused}, 422: {"model": Refused}}, summary="Model card")
async def card(task: str, lab: Own, format: Annotated[str, Query(pattern="^(json|html)$")] = "json") -> Response:
    """The card of the model that answers, as `andersonn card --format json`, or as HTML."""
    from andersonn.training.card import content_of, page_of

    await lab.ready()
    folder = lab.folder(task)
    if format == "html":
        return Response(pages.as_html(page_of(folder)), media_type="text/html")
    return _json(content_of(folder))


@api.get("/measurements", response_model=Measurements, summary="What was measured, as figures")
async def measurements() -> Response:
    """Figures with a sentence, numbers and the command that prints them."""
    return _json(await asyncio.to_thread(pages.figures))


@api.get("/report", response_class=Response, responses=construct_routes.HTML, summary="What was measured, as HTML")
async def report() -> Response:
    """The measurement report."""
    return HTMLResponse(pages.report())


@api.get("/health", response_model=Health, summary="Whether questions are answered at once")
async def health(lab: Own) -> Response:
    """`loading` or `ready`, and the version."""
    return _json({"status": "ready" if lab.is_ready else "loading", "version": __version__, **lab.counts()})


def make_app(
    lab: Lab, host: str = "127.0.0.1", allowed: Sequence[str] = (), constructions: Constructions | None = None
) -> FastAPI:
    """The application around a laboratory, which starts and ends with it.

    Args:
        lab: that answers.
        host: on which it is listened.
        allowed: further names under which it may be asked, see :func:`andersonn.web.doors.own_names`.
        constructions: of own scientists; None for those of a temporary folder, allowed if no other machine can ask.

    Raises:
        UsageError: one of them is no name.
    """
    names = own_names(host, allowed)
    constructed = constructions or Constructions(lab, allowed=is_private(host, allowed))

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        lab.start()
        constructed.start()
        yield
        await constructed.close()
        await lab.close()

    app = FastAPI(
        title="Deep AndersoNN",
        description=ABOUT,
        version=__version__,
        docs_url=None,  # these pages load their scripts from elsewhere; ours is /#api
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.lab, app.state.constructions = lab, constructed
    app.include_router(api)
    app.include_router(construct_routes.api)
    app.include_router(construct_routes.page)
    app.add_exception_handler(AndersonnError, _told)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(404, _missing)
    app.add_exception_handler(ClientDisconnect, _gone)
    app.openapi = partial(described, app.openapi, lab)  # type: ignore[method-assign]  # as FastAPI's manual has it
    app.add_middleware(Guard, megabytes=lab.limits.megabytes)
    app.add_middleware(Doors, names=names, allowed=allowed)  # the last one added is the first one asked

    @app.get("/", include_in_schema=False)
    async def index() -> Response:
        return HTMLResponse(pages.html("lab"))

    @app.get("/sketcher", include_in_schema=False)
    async def sketcher() -> Response:
        return FileResponse(pages.STATIC / "sketcher.html", headers=SKETCHER_HEADERS)

    app.mount("/static", StaticFiles(directory=pages.STATIC), name="static")
    return app


def _told(_: Request, error: Exception) -> Response:
    """An error of the package, with the status that fits."""
    assert isinstance(error, AndersonnError)
    # what an address names is missing; what an option says has no such value
    missing = isinstance(error, UsageError) and error.kind not in OF_OPTIONS
    status = 404 if missing else 413 if error.kind in ("too_large", "too_many") else 422
    status = error.status if isinstance(error, Refusal) else status
    headers = {"retry-after": "3"} if status == 429 else {}
    return _json({"error": error.as_dict()}, status, headers)


def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"][1:])
    return _json({"error": InputError("bad_request", f"{where}: {first['msg']}", "see /#api").as_dict()}, 422)


def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    large = error.status_code == 400 and ("exceeded" in str(error.detail) or "Too many" in str(error.detail))
    kind, status = (
        ("too_large", 413) if large else ("bad_request", 422 if error.status_code == 400 else error.status_code)
    )
    hint, headers = "send less" if large else "send a multipart form, see /#api", dict(error.headers or {})
    if status == 405:
        taken = methods_at(request.app.openapi()["paths"], request.url.path)
        headers["Allow"] = ", ".join(taken) or headers.get("Allow", "GET")
        kind, hint = "bad_method", f"this address takes {headers['Allow']}, see /#api"
    told = InputError(kind, str(error.detail), hint)
    return _json({"error": told.as_dict()}, status, headers)


def _gone(_: Request, error: Exception) -> Response:
    """What nobody reads: the client is gone."""
    return Response(status_code=499)


def _missing(request: Request, _: Exception) -> Response:
    told = unknown("page", request.url.path, ["/", "/construct", "/api/tasks", "/api/examples", "/openapi.json"])
    return _json({"error": told.as_dict()}, 404)


class _Lines(StreamingResponse):
    """Rows as JSON, one a line, as they come; a client that disconnects ends the work."""

    def __init__(self, listing: Listing[Any]) -> None:
        self._listing, self._pieces = listing, self._texts(listing)
        super().__init__(self._pieces, media_type=LINES, headers={"x-inputs": str(len(listing))})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._pieces.aclose()
            self._listing.close()  # also where nobody has asked for a row

    @staticmethod
    async def _texts(listing: Listing[Any]) -> AsyncGenerator[bytes, None]:
        async with aclosing(listing.rows()) as rows:
            async for some in rows:
                yield "".join(f"{json.dumps(_finite(row), ensure_ascii=False)}\n" for row in some).encode()


def _json(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse(_finite(content), status, headers)


def _finite(content: Any) -> Any:
    """The same with None for numbers that JSON does not know, such as the residual of a solve that broke down."""
    if isinstance(content, float):
        return content if math.isfinite(content) else None
    if isinstance(content, dict):
        return {key: _finite(value) for key, value in content.items()}
    return [_finite(value) for value in content] if isinstance(content, (list, tuple)) else content
