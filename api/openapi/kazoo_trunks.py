"""Trunks, as they are described."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from api.openapi import kazoo_requests as requests
from api.openapi.kazoo_answers import listed, resource
from api.openapi.kazoo_replies import Moment, Success
from api.openapi.operation import Operation, any_of


class TrunkSummary(msgspec.Struct, kw_only=True):
    """A carrier, as any account sees it."""

    id: str
    name: Annotated[str, Meta(description="As in the configuration")]
    state: Annotated[
        Literal["registered", "not registered", "up", "down", "unknown"],
        Meta(description="`unknown`: neither REGISTER nor OPTIONS is sent to it"),
    ]
    available: Annotated[bool, Meta(description="It takes a call now: it is not down and has a place")]


class Trunk(TrunkSummary, kw_only=True):
    """A carrier, as an account sees it that may act on all accounts."""

    priority: Annotated[int, Meta(description="1: tried first")]
    proxy: str
    reason: Annotated[str | None, Meta(description="Why it is not registered, or down")]
    since: Moment | None
    registered: Annotated[bool | None, Meta(description="null: it does not have to be")]
    registered_until: Moment | None
    next_try: Annotated[Moment | None, Meta(description="When the next REGISTER is sent, after one that failed")]
    answers_options: bool | None
    calls: int
    max_calls: Annotated[int, Meta(description="0: no limit")]
    calls_per_second: Annotated[float, Meta(description="At present; less than configured after a 503. 0: no limit")]
    paused_until: Annotated[Moment | None, Meta(description="It asked to be left alone (503 with Retry-After)")]
    hotlines: Annotated[list[str], Meta(description="Caller ids it may present; empty: all")]


class TrunksReply(Success, kw_only=True):
    """Trunks, in the order of their names."""

    data: list[Annotated[dict[str, Any], any_of(TrunkSummary, Trunk)]]


CARRIER = {
    "id": "carrier",
    "name": "carrier",
    "state": "not registered",
    "available": False,
    "priority": 1,
    "proxy": "sip:sip.carrier.example",
    "reason": "REGISTER: 403 Forbidden",
    "since": "2026-07-13T08:52:55.123Z",
    "registered": False,
    "registered_until": None,
    "next_try": "2026-07-13T09:52:55.123Z",
    "answers_options": None,
    "calls": 0,
    "max_calls": 10,
    "calls_per_second": 1.0,
    "paused_until": None,
    "hotlines": ["842899959300"],
}
TRUNKS: dict[str, Operation] = {
    "GET /v2/accounts/{account_id}/trunks": resource(
        "listTrunks",
        "How it stands with the carriers",
        "11",
        listed("A page of them", TrunksReply, [CARRIER]),
        text="All of a trunk is shown to an account that is the only one, or above all others; to any other whether it "
        "takes calls.",
        query=requests.PageQuery,
        headers=requests.IfNoneMatch,
    )
}
TRUNK_FORMS = {"TrunkSummary": TrunkSummary, "Trunk": Trunk}
