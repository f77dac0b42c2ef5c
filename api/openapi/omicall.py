"""OMICall's dialect as it is described: every resource of its table."""

from __future__ import annotations

from typing import Any

from api.omicall_envelope import Failure
from api.omicall_hooks import STATES
from api.omicall_shapes import CallTransaction, Cdr, LiveEvent, LiveShown, Placed
from api.openapi import omicall_bodies as bodies
from api.openapi.kazoo_replies import DryRun
from api.openapi.kazoo_requests import ACCOUNT_ID, DEVICE_ID, Idempotent
from api.openapi.omicall_bodies import CALL_UUID
from api.openapi.operation import FORM, Answer, Body, Dialect, Operation, reference
from c2c_b2bua import __version__

KEY = ("Bearer", "x-api-key")
ENVELOPE = {"instance_id": "c2c", "instance_name": "xFzV3kYl0mQm3VQ2bQ0r6A", "instance_version": __version__}
LIVE = {
    "call_uuid": CALL_UUID,
    "state": "ringing",
    "progress": "ringing_a",
    "from_number": "1001",
    "to_number": "0395187319",
    "hotline": "842899959300",
    "created_time": 1777636800,
    "direction": "outbound",
}
TRANSACTION = {
    "transaction_id": CALL_UUID,
    "direction": "outbound",
    "source_number": "842899959300",
    "destination_number": "0395187319",
    "disposition": "answered",
    "bill_sec": 42,
    "answer_sec": 9,
    "duration": 51,
    "sip_user": "1001",
    "sip_number": "842899959300",
    "phone_number": "0395187319",
    "created_date": 1777636800000,
    "last_updated_date": 1777636851000,
}
EVENT = {
    "to_number": "0395187319",
    "created_time": 1777636800,
    "date_time": 1777636801250,
    "from_number": "1001",
    "hotline": "842899959300",
    "call_uuid": CALL_UUID,
    "state": "ringing",
    "direction": "outbound",
}
CDR = {
    "state": "cdr",
    "tenant_id": ACCOUNT_ID,
    "transaction_id": CALL_UUID,
    "call_uuid": CALL_UUID,
    "direction": "outbound",
    "from_number": "1001",
    "to_number": "0395187319",
    "phone_number": "0395187319",
    "hotline": "842899959300",
    "sip_user": "1001",
    "sip_number": "842899959300",
    "disposition": "answered",
    "answer_sec": 9,
    "bill_sec": 42,
    "duration": 51,
    "time_start_call": 1777636800,
    "time_start_to_answer": 1777636809,
    "time_end_call": 1777636851,
    "cause": "NORMAL_CLEARING",
    "sip_code": None,
    "ended_by": "b",
}
PHONE = {
    "domain": "acme.example.com",
    "outbound_proxy": "sip:192.0.2.1:5060;transport=udp",
    "sip_user": "1001",
    "password": "",
    "full_name": "Mario Rossi",
    "agent_id": DEVICE_ID,
    "email": "mrossi@acme.example.com",
    "public_number": "842899959300",
}
HOOK = {"url": "https://crm.example.com/calls", "type": "call", "status": "actived", "events": None}


def page(*items: Any) -> dict[str, Any]:
    numbers = {"page_number": 1, "page_size": 50, "total_items": len(items), "total_pages": 1}
    return {"items": [*items], **numbers, "has_next": False, "next_page": 1, "has_previous": False, "previous_page": 1}


def refused(message: str, payload: Any = None) -> dict[str, Any]:
    said = {"message": message} if message else {}
    return {"status_code": -9999, **ENVELOPE, **said, "payload": payload, "key_enabled": False}


def stopped(name: str, text: str, message: str, *headers: str) -> Answer:
    """What does not get as far as the API."""
    return Answer(text=text, name=name, form=bodies.OmicallRefusal, examples={text: refused(message)}, headers=headers)


STOPS = {
    401: stopped("OmicallUnauthorized", "No token or API key that is good", "unauthorized"),
    409: stopped("OmicallConflict", "The idempotency key was used for something else", "conflict: …"),
    413: stopped("OmicallTooLong", "The body is too long", "request_body_invalid: it has more than 8000000 bytes"),
    415: stopped("OmicallUnsupported", "A body of a type that is not read here", "content_type_invalid: …"),
    429: stopped("OmicallTooMany", "Over a limit", "too_many_requests", "Retry-After"),
    503: stopped(
        "OmicallUnavailable", "The service is stopping, or has no database", "service_unavailable: …", "Retry-After"
    ),
}
ALWAYS = (429, 503)


def resource(
    id: str, summary: str, section: str, form: type, payload: Any, *refusals: tuple[str, Any], **more: Any
) -> Operation:
    """One resource. What is refused is told with HTTP 200 and `status_code` -9999."""
    yes = {"status_code": 9999, **ENVELOPE, "payload": payload, "key_enabled": False}
    answer = Answer(
        text="Done, or refused: `status_code` tells which",
        form={"anyOf": [reference(form.__name__), reference("OmicallRefusal")]},
        examples={
            "Done": yes,
            **{f"Refused: {message or said['error']}": refused(message, said) for message, said in refusals},
        },
    )
    stops = (401, *ALWAYS) if more.get("security", KEY) else ALWAYS
    if "body" in more:
        stops = (*stops, 413, 415)
    return Operation(
        id=id,
        summary=summary,
        section=section,
        answers={200: answer, **{status: STOPS[status] for status in (*stops, *more.pop("stops", ()))}},
        **{"security": KEY, **more},
    )


def failure(error: str, message: str) -> tuple[str, Any]:
    return "", {"status": "fail", "error": error, "message": message}


NOT_FOUND = ("call_not_found", None)
OMICALL = Dialect(
    name="OMICall",
    text="""OMICall's public API: `GET /api/auth` for a token, `POST /api/click2call` for a call.

The token, or the API key itself, stands in `Authorization` with or without `Bearer`; the API key may stand in \
`x-api-key`. Every answer is `{"status_code": 9999, "payload": …}`; what is refused is HTTP 200 with `status_code` \
-9999. Bodies are JSON or forms.""",
    operations={
        "GET /api/auth": resource(
            "omicallLogIn",
            "A token for an API key",
            "15.1",
            bodies.TokenSuccess,
            {"access_token": "TOKEN", "access_type": "normal", "token_type": "Bearer"},
            ("api_key_is_required", None),
            ("api_key_invalid", None),
            query=bodies.ApiKeyQuery,
            security=(),
            text="Good for 24 hours. `access_type` is `bussiness` for an account that has others below it.",
        ),
        "POST /api/click2call": resource(
            "click2call",
            "Make a call",
            "15.2",
            bodies.PlacedSuccess,
            {"call_uuid": CALL_UUID},
            failure("data_is_required", "Please check your input param"),
            failure("user_not_registered", "User not registered extension with Softphone, IP Phone, Web"),
            failure("number_call_out_invalid", "Your hotline invalid"),
            body=Body(
                form=bodies.Click2Call,
                others={FORM: bodies.Click2CallForm},
                example={"extension": "1001", "hotline": "842899959300", "phone_number": "2001"},
            ),
            headers=Idempotent,
            stops=(409,),
            text="Rings the extension, and when it has answered, the number. The answer comes when the extension "
            "rings, or cannot be rung. `payload.error` is one of `data_is_required`, `tenant_invalid`, "
            "`user_not_registered`, `number_call_out_invalid`, `extension_invalid`, `user_busy`, `do_not_call`, `Unknown`.",
        ),
        "GET /api/calls": resource(
            "omicallCalls", "The calls that go on", "15.3", bodies.CallsSuccess, [LIVE], text="An addition of ours."
        ),
        "GET /api/calls/{call_uuid}": resource(
            "omicallCall",
            "One call, that goes on or is over",
            "15.3",
            bodies.CallSuccess,
            LIVE,
            NOT_FOUND,
            path=bodies.CallPath,
            text="An addition of ours.",
        ),
        "DELETE /api/calls/{call_uuid}": resource(
            "omicallHangUp",
            "Hang up",
            "15.3",
            bodies.LiveSuccess,
            LIVE,
            NOT_FOUND,
            path=bodies.CallPath,
            text="An addition of ours.",
        ),
        "GET /api/call_center/hotline/list": resource(
            "listHotlines",
            "The hotlines",
            "15.3",
            bodies.HotlinesSuccess,
            ["842899959300"],
            ("extension_invalid", None),
            query=bodies.HotlineQuery,
        ),
        "GET /api/call_center/internal_phone/list": resource(
            "listInternalPhones",
            "The extensions",
            "15.3",
            bodies.PhonesSuccess,
            page(PHONE),
            query=bodies.PhonesQuery,
            text="Passwords are not shown.",
        ),
        "GET /api/call_transaction/list": resource(
            "listTransactions",
            "Calls of the past",
            "15.3",
            bodies.TransactionsSuccess,
            page(TRANSACTION),
            ("from_date_is_required", None),
            ("date_is_too_long", None),
            query=bodies.TransactionsQuery,
            text="Newest first, of at most 30 days.",
        ),
        "GET /api/call_transaction/detail/{call_uuid}": resource(
            "readTransaction",
            "What became of a call",
            "15.3",
            bodies.TransactionSuccess,
            TRANSACTION,
            NOT_FOUND,
            path=bodies.CallPath,
        ),
        "GET /api/webhooks/list": resource("listWebhooks", "The webhooks", "15.3", bodies.WebhooksSuccess, [HOOK]),
        "POST /api/webhooks/register": resource(
            "registerWebhook",
            "Be told of calls",
            "15.3",
            bodies.WebhooksSuccess,
            [{**HOOK, "secret": "whsec_…"}],
            ("webhook_is_required", None),
            body=Body(
                form=bodies.WebhookRequest,
                example={"webhook": {"type": "call", "url": "https://crm.example.com/calls", "events": None}},
            ),
            text="One for each account; a second registration replaces the first. What is sent is signed with the "
            "`secret`, as Standard Webhooks has it.",
        ),
        "POST /api/webhooks/destroy": resource(
            "destroyWebhook",
            "Be told no longer",
            "15.3",
            bodies.WebhooksSuccess,
            [{**HOOK, "status": "destroyed"}],
            ("hook_type_is_required", None),
            ("webhook_not_found", None),
            query=bodies.HookQuery,
            stops=(413, 415),
        ),
    },
    webhooks={
        "callEvent": Operation(
            id="callEvent",
            summary="What a registered webhook is told",
            section="15.3",
            text="Sent to the URL of `POST /api/webhooks/register`, in order, and again for a while where no 2xx comes back. "
            f"`state` is {', '.join(f'`{state}`' for state in STATES.values())}. Signed in the headers `webhook-id`, "
            "`webhook-timestamp` and `webhook-signature`.",
            body=Body(
                form={"anyOf": [reference("LiveEvent"), reference("Cdr")]},
                examples={"While it goes on": EVENT, "When it is over": CDR},
            ),
            answers={200: Answer(text="Any 2xx: it has arrived")},
        ),
    },
    forms={
        "OmicallRefusal": bodies.OmicallRefusal,
        "Failure": Failure,
        "Placed": Placed,
        "DryRun": DryRun,
        "LiveShown": LiveShown,
        "CallTransaction": CallTransaction,
        "LiveEvent": LiveEvent,
        "Cdr": Cdr,
        **{
            form.__name__: form
            for form in vars(bodies).values()
            if isinstance(form, type) and issubclass(form, bodies.OmicallSuccess) and form is not bodies.OmicallSuccess
        },
    },
)
