"""The shapes of what the API answers about constructions, for its documentation."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from andersonn.web.schema import Problem


class TableLook(BaseModel):
    """What a table says."""

    rows: int
    columns: list[dict[str, Any]] = Field(description="name, sample (first values), numbers (whether these are)")
    understanding: dict[str, Any] | None = Field(
        description="as `andersonn construct --dry-run --format json`; null without a target"
    )
    text: str | None = Field(description="the same for people")


class Construction(BaseModel):
    """A construction."""

    id: str
    state: str = Field(description="running, done, cancelled, interrupted or failed")
    name: str = Field(description="of the scientist, and of its task in the lab")
    source: str = Field(description="file name of the table")
    target: str
    text: str = Field(description="what was understood of the table")
    error: Problem | None = None
    verdict: str | None = None
    progress: dict[str, Any] | None = Field(description="work, share (0 to 1), left (seconds), note")
    said: list[str] = Field(description="messages")
    stopping: bool = Field(description="whether it was cancelled and is about to end")
    resumable: bool
    answers: bool = Field(description="whether the scientist is one of the lab's")
    megabytes: float | None = Field(None, description="of its folder")
    begun: str | None = Field(None, description="ISO 8601, UTC")
    command: str = Field(description="the same by the command line")
    python: str = Field(description="the same in Python")


class ConstructionList(BaseModel):
    """All constructions of the server."""

    allowed: bool = Field(description="whether visitors may construct here")
    temporary: bool = Field(description="whether all are removed when the server ends")
    limits: dict[str, float] = Field(description="megabytes and rows of a table, minutes of a construction")
    jobs: list[Construction]
