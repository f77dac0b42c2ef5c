"""The answers of Kazoo's dialect: one that says yes, with its example, and all that say no."""

from __future__ import annotations

from typing import Any

from api.openapi import kazoo_replies as replies
from api.openapi.kazoo_requests import CLICK_ID, Path
from api.openapi.operation import Answer, Operation

TOKEN = ("X-Auth-Token", "Bearer", "Basic", "auth_token")
ENVELOPE = {
    "status": "success",
    "request_id": "8a5f5b0e6a3a4f0b9d4f5a6b7c8d9e0f",
    "node": "xFzV3kYl0mQm3VQ2bQ0r6A",
    "version": "0.1.0",
    "timestamp": "2026-05-01T12:00:00Z",
}


def refused(status: int, name: str, text: str, message: str, data: Any, *headers: str) -> Answer:
    """An answer that says no, shared by all who give it."""
    body = {**ENVELOPE, "status": "error", "error": str(status), "message": message, "data": data}
    examples = {message: body}
    return Answer(text=text, name=name, form=replies.ErrorReply, examples=examples, headers=("X-Request-ID", *headers))


REQUIRED = {"name": {"required": {"message": "Field is required but missing", "value": "name"}}}
REFUSALS = {
    304: Answer(text="Nothing new: `If-None-Match` names this revision", name="KazooNotModified", headers=("ETag",)),
    400: refused(
        400, "KazooInvalid", "Not valid; `data` names every field that is wrong", "validation error", REQUIRED
    ),
    401: refused(401, "KazooUnauthenticated", "No token, or none that is good", "invalid credentials", {}),
    403: refused(403, "KazooForbidden", "Not yours", "forbidden", {"message": "forbidden"}),
    404: refused(
        404, "KazooUnknown", "Nothing is there", "bad_identifier", {"message": "bad identifier", "cause": CLICK_ID}
    ),
    406: Answer(text="`Accept` takes nothing that is sent here", name="KazooNotAcceptable"),
    409: refused(
        409, "KazooConflict", "Somebody else was faster", "datastore_conflict", {"message": "conflicting documents"}
    ),
    412: Answer(text="`If-Match` names another revision", name="KazooOtherRevision"),
    415: Answer(text="A body of a type that is not read here", name="KazooUnsupportedType"),
    416: refused(416, "KazooTooMuch", "More than fits into one answer", "range not satisfiable", {"message": "…"}),
    423: refused(
        423,
        "KazooLocked",
        "The account is disabled or expired",
        "locked",
        {"account": {"disabled": {"message": "account disabled"}}},
    ),
    429: refused(
        429, "KazooTooMany", "Over a limit", "too_many_requests", {"message": "too many requests"}, "Retry-After"
    ),
    503: refused(
        503,
        "KazooUnavailable",
        "The service is stopping, or its database does not answer",
        "datastore_unreachable",
        {"message": "datastore timeout"},
        "Retry-After",
    ),
}
ALWAYS = (400, 404, 406, 429, 503)
TOKEN_NEEDED = (401, 403, 423, *ALWAYS)
BODY_TAKEN = (415, *TOKEN_NEEDED)
CSV = {"text/csv": {"type": "string"}}
PAGE = {"page_size": 1, "start_key": "MGM5NmU2NGE"}


def answers(
    status: int, text: str, form: Any, data: Any, *refusals: int, headers: tuple[str, ...] = (), **more: Any
) -> dict[int, Answer]:
    """The answer that says yes, an example of it, and those that say no."""
    body = {**ENVELOPE, **more, "data": data}
    yes = Answer(text=text, form=form, examples={text: body}, headers=("X-Request-ID", "X-Auth-Token", *headers))
    return {status: yes, **{code: REFUSALS[code] for code in refusals}}


def listed(text: str, form: Any, data: list[Any]) -> dict[int, Answer]:
    """A page of a list, as JSON or CSV."""
    body = {**ENVELOPE, **PAGE, "data": data}
    headers = ("X-Request-ID", "X-Auth-Token", "ETag", "X-Next-Start-Key")
    yes = Answer(text=text, form=form, examples={text: body}, others=CSV, headers=headers)
    return {200: yes, **{code: REFUSALS[code] for code in (304, 416, *TOKEN_NEEDED)}}


def resource(id: str, summary: str, section: str, answered: dict[int, Any], **more: Any) -> Operation:
    """An operation on something of an account, or on a token."""
    return Operation(
        id=id, summary=summary, section=section, answers=answered, **{"security": TOKEN, "path": Path, **more}
    )
