"""What goes over the wire in TVox's dialect, beside the parameters of its methods; these structs describe."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from api.openapi.kazoo_replies import Moment
from api.openapi.operation import any_of

Id = str | int | float | None


class CallHead(msgspec.Struct, kw_only=True):
    """One call of JSON-RPC 2.0; without an `id` it is a notification, which is not answered."""

    jsonrpc: Literal["2.0"]
    id: Id | UnsetType = UNSET


class TvoxSession(msgspec.Struct, kw_only=True, rename="camel"):
    """Who has logged in. The session is also in the cookie `JSESSIONID`."""

    username: str
    surname: str
    name: str
    public_username: str
    access_token: str
    session_id: Annotated[str, Meta(description="For the cookie")]
    status: str
    language: str | None
    anonymous: bool
    pwd_changeable: bool
    chat_user_id: str | None
    chat_auth_token: str | None
    chat_uri: str | None
    profile_roles: list[str]
    user_permissions: list[str]
    logged: bool


class TvoxCall(msgspec.Struct, kw_only=True, rename="camel"):
    """A call that goes on."""

    call_id: str
    username: Annotated[str, Meta(description="Whose phone it is, or its number")]
    number: Annotated[str, Meta(description="The other side")]
    job_label: str
    service_code: str
    state: Literal["queued", "dialling", "ringing_a", "answered_a", "ringing_b", "bridged"]
    start_time: Moment


class Fault(msgspec.Struct, kw_only=True):
    """Why not. Codes from -32700 to -32600 are JSON-RPC's; -32001, -32002, -32003 are ours."""

    code: Annotated[
        int,
        Meta(
            description="-32700 no JSON, -32600 no call, -32601 no such method, -32602 wrong parameters, "
            "-32603 our fault, -32001 not logged in, -32002 no such user or phone, -32003 refused"
        ),
    ]
    message: str
    data: (
        Annotated[
            dict[str, Any],
            Meta(description="`cause` for programs, `field` that is wrong, `retry_after` in seconds, `callId`"),
        ]
        | UnsetType
    ) = UNSET


class TvoxResult(msgspec.Struct, kw_only=True):
    """A call that was done."""

    jsonrpc: Literal["2.0"]
    id: Id
    result: Annotated[
        Any,
        Meta(description="Versions, session, id of a call, true, calls that go on, or what a dry run found"),
        any_of(
            {"type": "string"},
            {"type": "boolean"},
            {"type": "array", "items": {"type": "string"}},
            TvoxSession,
            "TvoxCalls",
            "DryRun",
        ),
    ]


class TvoxError(msgspec.Struct, kw_only=True):
    """A call that was not."""

    jsonrpc: Literal["2.0"]
    id: Id
    error: Fault
