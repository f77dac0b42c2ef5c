"""What is no dialect: health, figures, and the description itself."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from api.openapi.operation import Answer, Dialect, Operation

SECTION = "DESIGN 1"


class Alive(msgspec.Struct, kw_only=True):
    """The process answers."""

    status: Literal["ok"]


class Ready(msgspec.Struct, kw_only=True):
    """A connect would be taken."""

    status: Literal["ready"]


class NotReady(msgspec.Struct, kw_only=True):
    """A connect would not be taken."""

    status: Annotated[
        Literal["draining", "storage"], Meta(description="`draining`: it is being stopped; `storage`: no database")
    ]
    message: str | UnsetType = UNSET


class IfNoneMatch(msgspec.Struct, kw_only=True, rename={"tag": "If-None-Match"}):
    """A question about news."""

    tag: Annotated[str, Meta(description="Only if it is another than this; else 304")] | UnsetType = UNSET


UNCHANGED = Answer(text="Nothing new", headers=("ETag",))
SERVICE = Dialect(
    name="Service",
    text="For whoever runs the service, and this description. Nobody needs to log in.",
    operations={
        "GET /healthz": Operation(
            id="isAlive",
            summary="Does the process answer?",
            section=SECTION,
            answers={200: Answer(text="Yes", form=Alive, examples={"Yes": {"status": "ok"}})},
        ),
        "GET /readyz": Operation(
            id="isReady",
            summary="Would a connect be taken?",
            section=SECTION,
            answers={
                200: Answer(text="Yes", form=Ready, examples={"Yes": {"status": "ready"}}),
                503: Answer(text="No", form=NotReady, examples={"Stopping": {"status": "draining"}}),
            },
        ),
        "GET /metrics": Operation(
            id="readMetrics",
            summary="Figures for Prometheus",
            section=SECTION,
            answers={200: Answer(text="The figures", form={"type": "string"}, kind="text/plain")},
        ),
        "GET /openapi.json": Operation(
            id="readDescription",
            summary="This description",
            section=SECTION,
            headers=IfNoneMatch,
            answers={200: Answer(text="OpenAPI 3.1", form={"type": "object"}, headers=("ETag",)), 304: UNCHANGED},
        ),
        "GET /docs": Operation(
            id="readPage",
            summary="This description as a page",
            section=SECTION,
            headers=IfNoneMatch,
            answers={
                200: Answer(text="HTML", form={"type": "string"}, kind="text/html", headers=("ETag",)),
                304: UNCHANGED,
            },
        ),
    },
)
