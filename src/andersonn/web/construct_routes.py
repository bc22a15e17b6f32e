"""The routes by which the web lab constructs scientists."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Depends, File, Form, Request, UploadFile
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, Response

from andersonn.web import pages
from andersonn.web.construct_schema import Construction, ConstructionList, TableLook
from andersonn.web.construction_job import REPORT
from andersonn.web.constructions import Constructions
from andersonn.web.inputs import Item
from andersonn.web.schema import Refused
from andersonn.web.table_question import KINDS, Question, table_of

REFUSALS: dict[int | str, dict[str, Any]] = {code: {"model": Refused} for code in (403, 404, 408, 409, 413, 422, 429)}
REPORT_HEADERS = {
    "content-security-policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
}
"""The report quotes a stranger's table: it has no rights but to its own styles."""
HTML: dict[int | str, dict[str, Any]] = {200: {"content": {"text/html": {"schema": {"type": "string"}}}}}
ZIP: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}}}
}
api = APIRouter(prefix="/api/construct", responses={code: REFUSALS[code] for code in (403, 404)})
page = APIRouter()


def constructions_of(request: Request) -> Constructions:
    """The constructions of the application."""
    return request.app.state.constructions


Own = Annotated[Constructions, Depends(constructions_of)]


async def table(
    file: Annotated[UploadFile | None, File(description=KINDS)] = None,
    text: Annotated[str, Form(description="a table that was pasted, as CSV")] = "",
) -> Item:
    """The table of a request."""
    name, content = (file.filename or "table", await file.read()) if file else ("", b"")
    return table_of(name, content, text)


def question(
    target: Annotated[str, Form(description="column to be predicted")] = "",
    name: Annotated[
        str, Form(description="of the scientist: small letters, digits and _; made of the column's name if empty")
    ] = "",
    unit: Annotated[str, Form(description="of the numbers; as the table says if empty")] = "",
    thresholds: Annotated[str, Form(description="numbers that cut the values into classes, parted by commas")] = "",
    classes: Annotated[
        str, Form(description="names of the classes in rising order, or labels to keep, parted by commas")
    ] = "",
    structures: Annotated[str, Form(description="column of SMILES or structures, if it has no usual name")] = "",
    split: Annotated[
        str, Form(description="auto, random, scaffold, group, or a column of train, validation and test")
    ] = "auto",
    minutes: Annotated[float, Form(description="that the work may take")] = 10.0,
    seed: Annotated[int, Form(ge=0, description="of split and draws")] = 0,
) -> Question | None:
    """What is asked of it; None without a target."""
    if not target.strip():
        return None
    return Question.of(
        target,
        thresholds,
        classes,
        split,
        name=name,
        unit=unit,
        structures=structures,
        seconds=60.0 * minutes,
        seed=seed,
    )


Brought = Annotated[Item, Depends(table)]
Asked = Annotated[Question | None, Depends(question)]


@api.post("/look", response_model=TableLook, responses=REFUSALS, summary="What a table says")
async def look(brought: Brought, asked: Asked, own: Own) -> Response:
    """Its columns and, with a `target`, what was understood of it: structures, values, unusable rows, split, findings. Nothing is kept."""
    return JSONResponse(await own.look(brought, asked))


@api.post("", status_code=202, response_model=Construction, responses=REFUSALS, summary="Construct a scientist")
async def begin(brought: Brought, asked: Asked, own: Own) -> Response:
    """Begins in the background; `GET /api/construct/{id}` tells how far it is. One at a time."""
    wanted = Question.of("", "", "", "") if asked is None else asked
    job = await own.begin(brought, wanted)
    return JSONResponse(own.shown(job), 202)


@api.get("", response_model=ConstructionList, summary="All constructions")
async def listed(own: Own) -> Response:
    """Whether constructing is allowed here, limits, and all constructions."""
    return JSONResponse(own.as_dict())


@api.get("/{id}", response_model=Construction, summary="How far a construction is")
async def state(id: str, own: Own) -> Response:
    """Progress, and when it is done the verdict."""
    return JSONResponse(own.shown(own.job(id)))


@api.delete(
    "/{id}",
    status_code=204,
    responses={409: {"model": Refused}},
    response_class=Response,
    summary="Delete a construction",
)
async def delete(id: str, own: Own) -> Response:
    """Deletes its table, model and report; its scientist answers no more. One that is running is to be cancelled first."""
    await own.delete(id)
    return Response(status_code=204)


@api.post("/{id}/cancel", response_model=Construction, summary="Cancel a construction")
async def cancel(id: str, own: Own) -> Response:
    """Stops it; what is done is kept, and it can be resumed."""
    return JSONResponse(own.shown(await own.cancel(id)))


@api.post(
    "/{id}/resume",
    status_code=202,
    response_model=Construction,
    responses=REFUSALS,
    summary="Go on with a construction",
)
async def resume(id: str, own: Own) -> Response:
    """Goes on where it was cancelled or interrupted."""
    return JSONResponse(own.shown(await own.resume(id)), 202)


@api.get(
    "/{id}/report",
    response_class=Response,
    responses=HTML | {409: {"model": Refused}},
    summary="Report of a constructed scientist",
)
async def report(id: str, own: Own) -> Response:
    """The report as HTML, which may run no script and load nothing."""
    return FileResponse(own.finished(id).model / REPORT, media_type="text/html", headers=REPORT_HEADERS)


@api.get(
    "/{id}/model.zip",
    response_class=Response,
    responses=ZIP | {409: {"model": Refused}},
    summary="Model folder of a constructed scientist",
)
async def model(id: str, own: Own) -> Response:
    """The folder that `andersonn predict --model` takes."""
    job = own.finished(id)
    path = await asyncio.to_thread(job.zipped)
    return FileResponse(path, media_type="application/zip", filename=path.name)


@page.get("/construct", include_in_schema=False)
async def index() -> Response:
    """The page."""
    return HTMLResponse(pages.html("construct"))
