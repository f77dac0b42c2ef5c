"""OMICall's API: a token for an API key, click-to-call, and beyond it the calls that go on."""

from __future__ import annotations

from typing import Any

from api.omicall_envelope import RefusedError, failed, succeeded
from api.omicall_hooks import call_uuid, history_id_of, live, transaction
from api.omicall_request import OmicallRequest
from api.omicall_shapes import Placed, Token
from c2c_b2bua.service.errors import (
    ConflictingError,
    InvalidError,
    LockedError,
    OrphanedError,
    ServiceError,
    TooManyError,
    UnavailableError,
    UnknownError,
    UnroutableError,
)
from c2c_b2bua.service.live_call import LiveCall
from c2c_b2bua.service.originate import Connect, Plan, Wording, checked_metadata
from c2c_b2bua.service.phones import Phone
from c2c_b2bua.service.rehearsal import rehearse
from c2c_b2bua.storage.database import StorageError

TOKEN_LIFE = 86_400.0
LONGEST_NAME = 128
MESSAGES = {
    "data_is_required": "Please check your input param",
    "tenant_invalid": "Your tenant not found",
    "user_not_registered": "User not registered extension with Softphone, IP Phone, Web",
    "number_call_out_invalid": "Your hotline invalid",
    "extension_invalid": "Extension not found or disabled",
    "user_busy": "User busy",
    "do_not_call": "Do not call",
}
OF_CAUSE = {
    "USER_BUSY": "user_busy",
    "SUBSCRIBER_ABSENT": "user_not_registered",
    "USER_NOT_REGISTERED": "user_not_registered",
    "UNALLOCATED_NUMBER": "extension_invalid",
}
"""Why the extension did not even ring."""
OF_ROUTE = {
    ("extension", "not_registered"): "user_not_registered",
    ("extension", "no_route"): "extension_invalid",
    ("extension", "do_not_call"): "do_not_call",
    ("contact", "do_not_call"): "do_not_call",
}


async def auth(request: OmicallRequest) -> bytes:
    """GET /api/auth?apiKey="""
    api_key = request.asked("apiKey").strip()
    if not api_key:
        raise RefusedError("api_key_is_required")
    accounts = request.exchange.accounts
    try:
        account, grant = await accounts.log_in_with_key(api_key, TOKEN_LIFE)
    except UnknownError:
        raise RefusedError("api_key_invalid") from None
    access = "bussiness" if accounts.descendants(account.id) else "normal"
    return succeeded(Token(access_token=grant.token, access_type=access))


async def click2call(request: OmicallRequest) -> bytes:
    """POST /api/click2call"""
    try:
        return await placed(request)
    except ServiceError as cause:
        raise refusal(cause) from None
    except StorageError as cause:
        raise failed("Unknown", f"datastore: {cause}", 503, wait=1.0) from None


async def placed(request: OmicallRequest) -> bytes:
    """The answer, when the extension rings or the patience for it is over; ServiceError, StorageError."""
    calls = request.exchange.calls
    names = ("extension", "hotline", "phone_number")
    extension, hotline, phone_number = (request.text(name) for name in names)
    if not (extension and hotline and phone_number):
        raise failed("data_is_required", MESSAGES["data_is_required"])
    request.account.require_enabled(request.exchange.engine.now())
    phone = request.account.phones.get(extension)
    if phone is None:
        raise failed("extension_invalid", MESSAGES["extension_invalid"])
    shown = calls.routes.hotline(hotline)
    if shown is None:
        raise failed("number_call_out_invalid", MESSAGES["number_call_out_invalid"])
    details: dict[str, Any] = {"extension": phone.number, "hotline": hotline, "phone_number": phone_number}
    if (metadata := request.structure("metadata")) is not None:
        details["metadata"] = checked_metadata(metadata)
    document = request.exchange.documents.unstored(
        request.account.id,
        phone.id,
        name=calls.planner.contact(phone_number)[:LONGEST_NAME],
        extension=phone.number,
        outbound_callee_id_name=shown,
        outbound_callee_id_number=shown,
    )
    order = Connect(
        account=request.account,
        document=document,
        contact=phone_number,
        until="ringing",
        details=details,
        idempotency_key=request.idempotency_key(),
        wording=WORDING,
    )
    if request.is_true("dry_run"):
        return succeeded(await rehearse(calls, order))
    return await calls.connect(order)


def accepted(_plan: Plan, call: LiveCall) -> bytes:
    """The answer while nothing has gone wrong."""
    return succeeded(Placed(call_uuid(call.history_id)))


def outcome(call: LiveCall, cause: str) -> bytes:
    """The answer when the extension rings, or has failed."""
    if not cause:
        return succeeded(Placed(call_uuid(call.history_id)))
    error = OF_CAUSE.get(cause, "Unknown")
    return failed(error, MESSAGES.get(error, f"the extension could not be rung: {cause}")).encoded()


WORDING = Wording(accepted, outcome)


def refusal(cause: ServiceError) -> RefusedError:
    """Why a click-to-call is not made, in OMICall's words where it has some."""
    match cause:
        case LockedError() | OrphanedError():
            return failed("tenant_invalid", MESSAGES["tenant_invalid"])
        case UnroutableError():
            error = OF_ROUTE.get((cause.field, cause.code), "Unknown")
            return failed(error, MESSAGES.get(error, cause.text))
        case InvalidError():
            return failed("Unknown", reasons(cause))
        case TooManyError():
            return failed("Unknown", str(cause), wait=cause.wait)
        case UnavailableError():
            return failed("Unknown", str(cause), 503, cause.wait)
        case ConflictingError():
            return failed("Unknown", str(cause), 409)
        case _:
            return failed("Unknown", str(cause))


def reasons(cause: InvalidError) -> str:
    """All that is wrong, in one line."""
    return "; ".join(
        f"{path}: {complaint['message']}" for path, codes in cause.complaints.items() for complaint in codes.values()
    )


async def list_calls(request: OmicallRequest) -> bytes:
    """GET /api/calls"""
    return succeeded([live(call) for call in request.exchange.calls.of(request.account.id)])


async def read_call(request: OmicallRequest) -> bytes:
    """GET /api/calls/UUID: one that goes on, or what became of it"""
    if call := live_call(request):
        return succeeded(live(call))
    return await detail(request)


async def hang_up(request: OmicallRequest) -> bytes:
    """DELETE /api/calls/UUID"""
    call = live_call(request)
    shown = live(call) if call else None
    if call is None or not request.exchange.calls.hang_up(call):
        raise RefusedError("call_not_found")
    return succeeded(shown)


async def detail(request: OmicallRequest) -> bytes:
    """GET /api/call_transaction/detail/UUID"""
    transactions = request.exchange.transactions
    found = await transactions.one(request.account.id, history_id_of(request.names[0]))
    if found is None:
        raise RefusedError("call_not_found")
    return succeeded(transaction(found, phone_of(request, found.extension)))


def live_call(request: OmicallRequest) -> LiveCall | None:
    """The call that the path names, by its call_uuid or its call_id."""
    name = request.names[0]
    return request.exchange.transactions.live(request.account.id, history_id_of(name) or name)


def phone_of(request: OmicallRequest, extension: str) -> Phone | None:
    return request.account.phones.get(extension)
