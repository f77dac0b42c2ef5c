"""What is no dialect: health, figures, and the description itself."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from api.openapi.operation import Answer, Dialect, Operation

SECTION = "DESIGN 1"


class Alive(msgspec.Struct, kw_only=True):
    """The process answers."""

    status: Annotated[Literal["ok", "draining"], Meta(description="`draining`: it takes no calls any more")]
    calls: Annotated[int, Meta(description="While it drains: those that still go on")] | UnsetType = UNSET


class Ready(msgspec.Struct, kw_only=True):
    """A connect would be taken."""

    status: Literal["ready"]


class NotReady(msgspec.Struct, kw_only=True):
    """A connect would not be taken."""

    status: Annotated[
        Literal["draining", "storage"], Meta(description="`draining`: it is being stopped; `storage`: no database")
    ]
    message: str | UnsetType = UNSET


class Draining(msgspec.Struct, kw_only=True):
    """No call is taken any more."""

    status: Literal["draining"]
    calls: Annotated[int, Meta(description="Those that still go on")]


class NotDrained(msgspec.Struct, kw_only=True):
    """Everything goes on as before."""

    status: Literal["error"]
    message: str


class IfNoneMatch(msgspec.Struct, kw_only=True, rename={"tag": "If-None-Match"}):
    """A question about news."""

    tag: Annotated[str, Meta(description="Only if it is another than this; else 304")] | UnsetType = UNSET


UNCHANGED = Answer(text="Nothing new", headers=("ETag",))
SERVICE = Dialect(
    name="Service",
    text="For whoever runs the service, and this description. Nobody needs to log in, but to drain it.",
    operations={
        "GET /healthz": Operation(
            id="isAlive",
            summary="Does the process answer?",
            section=SECTION,
            answers={
                200: Answer(
                    text="Yes",
                    form=Alive,
                    examples={"Yes": {"status": "ok"}, "Draining": {"status": "draining", "calls": 3}},
                )
            },
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
        "POST /drain": Operation(
            id="drain",
            summary="Take no more calls, and end when the last one has",
            text="Connects are answered 503 from then on, `/readyz` too; calls that ring or talk go on as long as they "
            "like, then the process ends with exit code 0. SIGTERM cuts that short.",
            section=SECTION,
            security=("admin_token",),
            answers={
                202: Answer(
                    text="It drains", form=Draining, examples={"It drains": {"status": "draining", "calls": 3}}
                ),
                401: Answer(text="That is not the `admin_token`", form=NotDrained),
                403: Answer(text="The configuration has no `admin_token`", form=NotDrained),
                429: Answer(text="Not now", form=NotDrained, headers=("Retry-After",)),
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
