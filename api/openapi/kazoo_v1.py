"""Kazoo's dialect, version 1, as it is described: version 2 with what is said otherwise."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from api import kazoo_v1
from api.envelope import Envelope
from api.openapi import kazoo_replies as replies
from api.openapi import kazoo_requests as requests
from api.openapi.kazoo import KAZOO
from api.openapi.kazoo_replies import HistoryItem, LiveCall, Success, Summary
from api.openapi.operation import Answer, Dialect, Operation, any_of

SENT = {name: value for name, value in kazoo_v1.SCHEMA.items() if name not in ("$schema", "id")}
STORED = {
    **SENT,
    "description": "A click-to-call as it is kept: with its id, its realm, and how many calls it has had",
    "required": ["id", "name", "extension", "auth_required", "custom_application_vars", "realm", "history_items"],
    "properties": {
        "id": replies.STORED["properties"]["id"],
        **SENT["properties"],
        "_read_only": replies.STORED["properties"]["_read_only"],
        "realm": {"type": "string"},
        "history_items": {"type": "integer"},
    },
}


class SummaryV1(Summary, kw_only=True):
    """A click-to-call in a list."""

    realm: str


class DocumentReplyV1(Success, kw_only=True):
    """One click-to-call."""

    data: Annotated[dict[str, Any], any_of("StoredClickToCallV1")]


class DocumentsReplyV1(Success, kw_only=True):
    """All click-to-calls."""

    data: list[SummaryV1]


class HistoryItemV1(HistoryItem, kw_only=True):
    """What became of a call."""

    cdr_id: (
        Annotated[str, Meta(description="The SIP Call-ID of the leg to the contact, if that was dialled")] | UnsetType
    ) = UNSET


class HistoryReplyV1(Success, kw_only=True):
    """Calls of the past and those going on."""

    data: list[HistoryItemV1]


class CallReplyV1(Success, kw_only=True):
    """One call, that goes on or is over."""

    data: Annotated[dict[str, Any], any_of(LiveCall, HistoryItemV1)]


class ErrorReplyV1(Envelope, kw_only=True):
    """Around every answer that says no; `data` is a text, or a text for each field that is wrong."""

    data: Any
    status: Literal["error"]
    error: Annotated[str, Meta(pattern="^[45][0-9][0-9]$")]
    message: str


FORMS: dict[Any, Any] = {
    replies.DocumentReply: DocumentReplyV1,
    replies.DocumentsReply: DocumentsReplyV1,
    replies.HistoryReply: HistoryReplyV1,
    replies.CallReply: CallReplyV1,
    replies.ErrorReply: ErrorReplyV1,
    requests.ListQuery: requests.ListQueryV1,
    requests.PageQuery: requests.ItemsQuery,
    requests.ClickToCallRequest: requests.ClickToCallRequestV1,
}


def answered(status: int, answer: Answer) -> Answer:
    """The answer of version 1."""
    examples = {title: example(status, body) for title, body in answer.examples.items()}
    name = answer.name and answer.name + "V1"
    return msgspec.structs.replace(answer, form=FORMS.get(answer.form, answer.form), examples=examples, name=name)


def example(status: int, body: dict[str, Any]) -> dict[str, Any]:
    """What version 1 shows of it."""
    kept = {name: value for name, value in body.items() if name not in ("page_size", "start_key")}
    data = kept["data"]
    if status >= 400:
        return {**kept, "data": kazoo_v1.collapsed(data)}
    if isinstance(data, dict) and "custom_application_vars" in data and "extension" in data:
        kept["data"] = {**data, "realm": "acme.example.com", "history_items": 0}
    elif isinstance(data, list) and data and "extension" in data[0] and "username" not in data[0]:
        kept["data"] = [{**item, "realm": "acme.example.com"} for item in data]
    return kept


def of_version_1(operation: Operation) -> Operation:
    """The same operation, below `/v1`."""
    body = operation.body
    return msgspec.structs.replace(
        operation,
        id=operation.id + "V1",
        section="10",
        query=FORMS.get(operation.query, operation.query),
        body=body and msgspec.structs.replace(body, form=FORMS.get(body.form, body.form)),
        answers={status: answered(status, answer) for status, answer in operation.answers.items()},
    )


KAZOO_V1 = Dialect(
    name="Kazoo v1",
    text="""Version 1 of the same: the same paths below `/v1`, the same bodies.

Lists have no pages. The `data` of an error is a text, or a text for each field. `throttle` is how many calls of a \
click-to-call may go on at a time. A click-to-call shows its `realm` and how many calls it has had as \
`history_items`; a call in history has the `cdr_id` of the leg to the contact.""",
    operations={
        re.sub("/v2/", "/v1/", key, count=1): of_version_1(operation) for key, operation in KAZOO.operations.items()
    },
    forms={
        **KAZOO.forms,
        "ClickToCallV1": SENT,
        "StoredClickToCallV1": STORED,
        "HistoryItemV1": HistoryItemV1,
    },
)
