"""What comes back in Kazoo's dialect, as structs; they describe, nothing is encoded by them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from api.envelope import Envelope
from api.kazoo_shapes import ExpectedStart, Id, Originate
from api.openapi.kazoo_requests import SENT, Metadata
from api.openapi.operation import any_of

Moment = Annotated[str, Meta(description="RFC 3339, UTC, milliseconds; null: it did not happen")]
Gregorian = Annotated[int, Meta(description="Seconds since the year 0: Unix time + 62167219200")]
StoredDocument = Annotated[dict[str, Any], any_of("StoredClickToCall")]

STORED = {
    **SENT,
    "description": "A click-to-call as it is kept: with its id, and with the defaults filled in",
    "required": ["id", "name", "extension", "auth_required", "custom_application_vars"],
    "properties": {
        "id": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
        **SENT["properties"],
        "_read_only": {
            "type": "object",
            "properties": {"deleted": {"type": "boolean"}},
            "description": "Only in the answer to DELETE",
        },
    },
}


class TokenOwner(msgspec.Struct, kw_only=True):
    """Whose token it is."""

    account_id: Id
    account_name: str
    reseller_id: Id
    is_reseller: bool
    language: str
    apps: list[Any]
    owner_id: Annotated[str, Meta(description="The user, if it was a user who logged in")] | UnsetType = UNSET


class Summary(msgspec.Struct, kw_only=True):
    """A click-to-call in a list."""

    id: Id
    name: str
    extension: str


class Leg(msgspec.Struct, kw_only=True):
    """One side of a call, as far as it was dialled."""

    leg: Literal["a", "b"]
    call_id: Annotated[str, Meta(description="The SIP Call-ID")]
    target: str
    trunk: str | None
    invited_at: Moment | None
    ringing_at: Moment | None
    answered_at: Moment | None
    ended_at: Moment | None
    sip_code: Annotated[int | None, Meta(description="The final response to the INVITE")]
    reason: str | None
    cause: Annotated[str | None, Meta(description="`USER_BUSY`, `NO_ANSWER`, `NORMAL_CLEARING`, …")]


class Call(msgspec.Struct, kw_only=True):
    """What is the same while a call goes on and after it."""

    id: Id
    timestamp: Gregorian
    contact: Annotated[str, Meta(description="The normalized number or URI")]
    call_id: str
    metadata: Metadata | UnsetType = UNSET
    job_label: Annotated[str, Meta(description="Of a call made through TVox's dialect")] | UnsetType = UNSET
    service_code: Annotated[str, Meta(description="Of a call made through TVox's dialect")] | UnsetType = UNSET
    extension: Annotated[str, Meta(description="As OMICall's dialect was given it")] | UnsetType = UNSET
    hotline: Annotated[str, Meta(description="As OMICall's dialect was given it")] | UnsetType = UNSET
    phone_number: Annotated[str, Meta(description="As OMICall's dialect was given it")] | UnsetType = UNSET


class LiveCall(Call, kw_only=True):
    """A call that goes on."""

    state: Literal["queued", "dialling", "ringing_a", "answered_a", "ringing_b", "bridged"]
    expected_start: ExpectedStart | UnsetType | None = UNSET


class LegTiming(msgspec.Struct, kw_only=True):
    """How long each part of a leg took, each by itself."""

    dns: Annotated[float | None, Meta(description="Seconds until the next hop was found and the first INVITE went")]
    auth: Annotated[float | None, Meta(description="Seconds more until the INVITE with credentials went")]
    ring: Annotated[float | None, Meta(description="Seconds more until it rang")]
    answer: Annotated[float | None, Meta(description="Seconds more until it answered")]


class Timing(msgspec.Struct, kw_only=True):
    """How long each part of a call took."""

    queue: Annotated[float | None, Meta(description="Seconds from the request to the first INVITE, or to the end")]
    a: LegTiming | None
    b: LegTiming | None
    join: Annotated[float | None, Meta(description="Seconds from the second answer until each leg knew the other")]
    talk: Annotated[float | None, Meta(description="Seconds from then to the end")]


class LadderRung(msgspec.Struct, kw_only=True):
    """One message that was sent or received, or what was concluded from there being none."""

    at: Moment
    leg: Literal["a", "b"]
    direction: Annotated[
        Literal["sent", "received"] | None, Meta(description="As this service sees it; null: it is no message")
    ]
    message: Annotated[str, Meta(examples=["INVITE sip:1001@192.0.2.10", "180 Ringing", "no answer in time"])]
    method: Annotated[str | None, Meta(description="Of the request, or of the request that is answered")]
    times: Annotated[int, Meta(description="How often it came or went; of messages left out: how many")]
    attempt: (
        Annotated[int, Meta(description="Which of `attempts` it belongs to, from 1; absent: the leg")] | UnsetType
    ) = UNSET


class HistoryItem(Call, kw_only=True):
    """What became of a call; one that goes on has neither result nor end."""

    result: Annotated[Literal["success", "error"], Meta(description="`success`: the two were joined")] | UnsetType = (
        UNSET
    )
    cause: (
        Annotated[
            str | None, Meta(description="`USER_BUSY`, `NO_ANSWER`, …; absent when somebody hung up a bridged call")
        ]
        | UnsetType
    ) = UNSET
    sip_code: int | UnsetType | None = UNSET
    reason: str | UnsetType | None = UNSET
    ended_by: Literal["a", "b", "api", "timer", "error"] | UnsetType | None = UNSET
    bridged_at: Moment | UnsetType | None = UNSET
    ended_at: Moment | UnsetType | None = UNSET
    legs: list[Leg] | UnsetType = UNSET
    attempts: Annotated[list[Leg], Meta(description="Those that were rung too, and are not the leg")] | UnsetType = (
        UNSET
    )
    explanation: (
        Annotated[
            str,
            Meta(
                description="Why it ended as it did, in plain words, with what can be done about it",
                examples=["2001 is busy (486 Busy Here): try again later."],
            ),
        ]
        | UnsetType
    ) = UNSET
    timing: Timing | UnsetType = UNSET
    ladder: Annotated[list[LadderRung], Meta(description="All that was said, in order")] | UnsetType = UNSET


class Verdict(msgspec.Struct, kw_only=True):
    """What one policy says to a dry run."""

    policy: Annotated[
        str,
        Meta(
            description="`service`, `account`, `throttle`, `contact`, `whitelist`, `limits`, `route`, `trunk`, `address`"
        ),
    ]
    passed: bool
    message: str | UnsetType = UNSET
    errors: dict[str, Any] | UnsetType = UNSET
    retry_after: Annotated[float, Meta(description="Seconds")] | UnsetType = UNSET
    queued: Annotated[bool, Meta(description="The call would wait for a place on a trunk")] | UnsetType = UNSET


class PlannedLeg(msgspec.Struct, kw_only=True):
    """Where a leg would go."""

    leg: Literal["a", "b"]
    target: str
    trunk: str | None
    uri: str


class DryRun(msgspec.Struct, kw_only=True):
    """What a connect would do."""

    dry_run: Annotated[bool, Meta(extra_json_schema={"const": True})]
    accepted: bool
    verdicts: list[Verdict]
    legs: list[PlannedLeg]
    invite: Annotated[str | None, Meta(description="The INVITE that would be sent first")]


class Success(Envelope, kw_only=True):
    """Around every answer that says yes."""

    status: Literal["success"]


class TokenReply(Success, kw_only=True):
    """The token is in `auth_token`."""

    data: TokenOwner


class DocumentReply(Success, kw_only=True):
    """One click-to-call; its revision is its ETag too."""

    data: StoredDocument


class DocumentsReply(Success, kw_only=True):
    """A list of click-to-calls."""

    data: list[Summary]


class ConnectReply(Success, kw_only=True):
    """The call that was accepted; of a blocking connect its history item, of a dry run what it would do."""

    data: Annotated[dict[str, Any], any_of(Originate, HistoryItem, DryRun)]


class HistoryReply(Success, kw_only=True):
    """Calls of the past and those going on."""

    data: list[HistoryItem]


class LiveCallsReply(Success, kw_only=True):
    """Calls that go on."""

    data: list[LiveCall]


class CallReply(Success, kw_only=True):
    """One call, that goes on or is over."""

    data: Annotated[dict[str, Any], any_of(LiveCall, HistoryItem)]


class LiveCallReply(Success, kw_only=True):
    """The call that was hung up, as it was."""

    data: LiveCall


class NamesReply(Success, kw_only=True):
    """Names."""

    data: list[str]


class SchemaReply(Success, kw_only=True):
    """A JSON Schema, draft 4."""

    data: dict[str, Any]


class ErrorReply(Envelope, kw_only=True):
    """Around every answer that says no; `error` is the HTTP status."""

    data: Any
    status: Literal["error"]
    error: Annotated[str, Meta(pattern="^[45][0-9][0-9]$")]
    message: str
