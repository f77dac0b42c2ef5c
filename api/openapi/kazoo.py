"""Kazoo's dialect, version 2, as it is described: every resource of its table, verb by verb."""

from __future__ import annotations

from typing import Any

from api.kazoo_shapes import Originate
from api.openapi import kazoo_replies as replies
from api.openapi import kazoo_requests as requests
from api.openapi.kazoo_answers import ALWAYS, BODY_TAKEN, TOKEN_NEEDED, answers, listed, resource
from api.openapi.kazoo_examples import CALL, ENDED, ORIGINATE, OWNER, SALES, STORED_SALES
from api.openapi.kazoo_phones import FORMS, PHONES
from api.openapi.kazoo_registrations import REGISTRATIONS
from api.openapi.kazoo_requests import API_KEY, CLICK_ID, MD5
from api.openapi.kazoo_trunks import TRUNK_FORMS, TRUNKS
from api.openapi.operation import FORM, Body, Dialect, Encoded, Operation

CLICK = "/v2/accounts/{account_id}/clicktocall"


def connect(id: str, summary: str, **more: Any) -> Operation:
    """The one that makes a call."""
    text = (
        "Rings the extension, then the contact, and joins them. Everything is checked before anything rings. The "
        "answer comes at once, or with `blocking` when the first leg has answered or failed. When the click-to-call "
        "has `auth_required: false`, anyone may do this, from any web page."
    )
    answered = answers(200, "The call is on its way", replies.ConnectReply, ORIGINATE, 409, *BODY_TAKEN)
    answered[202] = answers(202, "The same, where `connect_status` is 202", replies.ConnectReply, ORIGINATE)[202]
    more = {"query": requests.ConnectQuery, "headers": requests.Idempotent, **more}
    return resource(id, summary, "8", answered, text=text, is_open=True, **more)


OPERATIONS: dict[str, Operation] = {
    "PUT /v2/api_auth": Operation(
        id="logInWithKey",
        summary="Log in by API key",
        text="Answers a token, good for an hour unless configured otherwise.",
        section="3.2",
        body=Body(form=requests.ApiKeyRequest, example={"data": {"api_key": API_KEY}}),
        answers=answers(201, "A token", replies.TokenReply, OWNER, *ALWAYS, 415, 423, auth_token="TOKEN"),
    ),
    "PUT /v2/user_auth": Operation(
        id="logInUser",
        summary="Log in by user name and password",
        section="3.3",
        body=Body(
            form=requests.CredentialsRequest,
            example={"data": {"credentials": MD5, "account_name": "acme", "method": "md5"}},
        ),
        answers=answers(201, "A token", replies.TokenReply, OWNER, *ALWAYS, 401, 415, 423, auth_token="TOKEN"),
    ),
    "GET /v2/user_auth/{token}": resource(
        "readToken",
        "Whose token is it?",
        "3.3",
        answers(200, "Its owner", replies.TokenReply, OWNER, *TOKEN_NEEDED),
    ),
    "GET /v2/token_auth": resource(
        "readOwnToken",
        "Whose token is mine?",
        "3.4",
        answers(200, "Its owner", replies.TokenReply, OWNER, *TOKEN_NEEDED),
    ),
    "DELETE /v2/token_auth": resource(
        "endToken",
        "Log out: the token is good no longer",
        "3.4",
        answers(200, "It was this one's", replies.TokenReply, OWNER, *TOKEN_NEEDED),
    ),
    "GET /v2/schemas": Operation(
        id="listSchemas",
        summary="Names of the schemas",
        section="3.6",
        answers=answers(200, "The names", replies.NamesReply, ["clicktocall"], *ALWAYS),
    ),
    "GET /v2/schemas/{schema_id}": Operation(
        id="readSchema",
        summary="What a click-to-call may hold",
        section="3.6",
        path=requests.Path,
        answers=answers(200, "A JSON Schema", replies.SchemaReply, {"type": "object"}, *ALWAYS),
    ),
    f"GET {CLICK}": resource(
        "listClickToCalls",
        "List the click-to-calls",
        "7.1",
        listed("A page of them", replies.DocumentsReply, [{"id": CLICK_ID, **SALES}]),
        query=requests.ListQuery,
        headers=requests.IfNoneMatch,
    ),
    f"PUT {CLICK}": resource(
        "createClickToCall",
        "Create a click-to-call",
        "7.2",
        answers(
            201,
            "It is there",
            replies.DocumentReply,
            STORED_SALES,
            *BODY_TAKEN,
            headers=("ETag", "Location"),
            revision="1-3b5e",
        ),
        body=Body(form=requests.ClickToCallRequest, example={"data": SALES}),
        text="Fields that are not known are kept. Text that reads as a wanted number or boolean is taken as that.",
    ),
    f"GET {CLICK}/{{click_id}}": resource(
        "readClickToCall",
        "Read one",
        "7.3",
        answers(
            200,
            "The whole of it",
            replies.DocumentReply,
            STORED_SALES,
            304,
            *TOKEN_NEEDED,
            headers=("ETag",),
            revision="1-3b5e",
        ),
        headers=requests.IfNoneMatch,
    ),
    f"POST {CLICK}/{{click_id}}": resource(
        "replaceClickToCall",
        "Replace one",
        "7.4",
        answers(
            200,
            "As it is now",
            replies.DocumentReply,
            STORED_SALES,
            409,
            412,
            *BODY_TAKEN,
            headers=("ETag",),
            revision="2-9f2a",
        ),
        body=Body(form=requests.ClickToCallRequest, example={"data": SALES}),
        headers=requests.IfMatch,
        text="What is not sent is gone; defaults come back.",
    ),
    f"PATCH {CLICK}/{{click_id}}": resource(
        "changeClickToCall",
        "Change some fields",
        "7.5",
        answers(
            200,
            "As it is now",
            replies.DocumentReply,
            STORED_SALES,
            409,
            412,
            *BODY_TAKEN,
            headers=("ETag",),
            revision="3-4c1d",
        ),
        body=Body(form=requests.ChangeRequest, example={"data": {"whitelist": ["^2"]}}, is_required=False),
        headers=requests.IfMatch,
    ),
    f"DELETE {CLICK}/{{click_id}}": resource(
        "deleteClickToCall",
        "Delete one",
        "7.6",
        answers(
            200,
            "As it was",
            replies.DocumentReply,
            {**STORED_SALES, "_read_only": {"deleted": True}},
            409,
            412,
            *TOKEN_NEEDED,
            headers=("ETag",),
            revision="4-77aa",
        ),
        headers=requests.IfMatch,
        text="Its history stays.",
    ),
    f"GET {CLICK}/{{click_id}}/connect": connect("connectByAddress", "Make the call, by an address alone"),
    f"POST {CLICK}/{{click_id}}/connect": connect(
        "connect",
        "Make the call",
        query=requests.ConnectOptions,
        body=Body(
            form=requests.ConnectRequest,
            others={FORM: requests.ConnectForm},
            is_required=False,
            example={"data": {"contact": "2001", "metadata": {"order": 4711}}},
        ),
    ),
    f"GET {CLICK}/{{click_id}}/history": resource(
        "readHistory",
        "What became of the calls",
        "9",
        listed("Newest first", replies.HistoryReply, [ENDED]),
        query=requests.ListQuery,
        headers=requests.IfNoneMatch,
        text="The last 31 days, or what `created_from` and `created_to` say, at most as much.",
    ),
    f"GET {CLICK}/{{click_id}}/calls": resource(
        "listCalls",
        "The calls that go on",
        "8",
        answers(200, "Newest first", replies.LiveCallsReply, [{**CALL, "state": "ringing_a"}], *TOKEN_NEEDED),
    ),
    f"GET {CLICK}/{{click_id}}/calls/{{call_id}}": resource(
        "readCall",
        "One call, that goes on or is over",
        "8",
        answers(200, "The call", replies.CallReply, {**CALL, "state": "bridged"}, *TOKEN_NEEDED),
    ),
    f"DELETE {CLICK}/{{click_id}}/calls/{{call_id}}": resource(
        "hangUp",
        "Hang up",
        "8",
        answers(
            200,
            "The call as it was; both sides get their BYE",
            replies.LiveCallReply,
            {**CALL, "state": "bridged"},
            *TOKEN_NEEDED,
        ),
    ),
}

KAZOO = Dialect(
    name="Kazoo v2",
    text="""Click-to-call as Kazoo's Crossbar has it: log in, create a click-to-call once, connect it as often as \
wanted, read what became of the calls.

Bodies are `{"data": …}`. A token stands in `X-Auth-Token`, in `Authorization`, or as `auth_token` in query or body. \
JSON is read under curl's default content type too; a form's fields are data. A field that is null is not there; \
text that reads as a wanted number or boolean is that. `X-Request-ID` comes back. `?jsonp=name` \
wraps the answer, `?pretty_print=true` indents it, `POST ?verb=PUT` does what PUT does.""",
    operations={**OPERATIONS, **PHONES, **REGISTRATIONS, **TRUNKS},
    forms={
        "ClickToCall": requests.SENT,
        "StoredClickToCall": replies.STORED,
        "Originate": Encoded(Originate),
        "HistoryItem": replies.HistoryItem,
        "LiveCall": replies.LiveCall,
        **FORMS,
        **TRUNK_FORMS,
    },
)
