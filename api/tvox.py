"""TVox's WebAPI: what each method does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from api.client_limits import LOG_IN
from api.tvox_errors import refused
from api.tvox_parameters import (
    CurrentCalls,
    Dial,
    DialNumber,
    DialNumberByEmail,
    EndRecord,
    LogIn,
    OneCall,
    Parameters,
    Record,
)
from api.tvox_rpc import Call, RpcError
from api.tvox_session import log_in
from api.tvox_visit import Caller, Visit
from c2c_b2bua import __version__
from c2c_b2bua.service.live_call import LiveCall
from c2c_b2bua.service.moment import timestamp
from c2c_b2bua.service.originate import Connect, Plan, Wording, checked_metadata
from c2c_b2bua.service.rehearsal import rehearse

WEBAPI = "10.26.0"
"""The version of TVox's WebAPI that is spoken here."""
LONGEST_NAME = 128
encoder = msgspec.json.Encoder()


class Outcome(msgspec.Struct):
    """What a connect tells this dialect; `cause` is why the phone did not ring."""

    call_id: str
    cause: str = ""


def accepted(_plan: Plan, call: LiveCall) -> bytes:
    return encoder.encode(Outcome(call.call_id))


def outcome(call: LiveCall, cause: str) -> bytes:
    return encoder.encode(Outcome(call.call_id, cause))


WORDING = Wording(accepted, outcome)
decoder = msgspec.json.Decoder(Outcome)


async def get_version(_visit: Visit, _params: Parameters, _call: Call) -> list[str]:
    """§14.1: ours, and that of the WebAPI."""
    return [__version__, WEBAPI]


async def login(visit: Visit, params: LogIn, _call: Call) -> dict[str, Any]:
    """§14.2"""
    session = log_in(visit.exchange.accounts, params.username, params.password)
    visit.new_token = session.grant.token
    return session.shown()


async def logout(visit: Visit, _params: Parameters, _call: Call) -> bool:
    """The session is good no longer."""
    await visit.exchange.accounts.revoke(visit.who().grant)
    visit.new_token = ""
    return True


async def dial_number(visit: Visit, params: DialNumber, call: Call) -> Any:
    """§14.3"""
    caller = visit.caller(params.username) if isinstance(params.username, str) else visit.own_caller()
    return await dial(visit, params, caller, call)


async def dial_number_by_email(visit: Visit, params: DialNumberByEmail, call: Call) -> Any:
    """§14.4"""
    return await dial(visit, params, visit.caller(params.email), call)


async def dial(visit: Visit, params: Dial, caller: Caller, call: Call) -> Any:
    """Ring the caller's phone, then the number: the call's id if it was asked for, else true."""
    if params.record_call:
        raise no_recording("recordCall")
    exchange = visit.exchange
    name = params.number.encode()[:LONGEST_NAME].decode(errors="ignore")
    order = Connect(
        account=caller.account,
        document=exchange.documents.unstored(
            caller.account.id,
            caller.phone.id,
            name=name,
            extension=caller.phone.number,
            outbound_callee_id_name=caller.phone.name,
        ),
        contact=params.number,
        until="ringing",
        auto_answer=False,
        details=details(params),
        prefix=params.access_code,
        idempotency_key=visit.idempotency_key(call.position),
        wording=WORDING,
    )
    if params.dry_run:
        return await rehearse(exchange.calls, order)
    told = decoder.decode(await exchange.calls.connect(order))
    if told.cause:
        raise refused("The phone did not ring", told.cause, field="username", callId=told.call_id)
    return told.call_id if params.return_call_id else True


def details(params: Dial) -> dict[str, Any]:
    """What is kept with the call; InvalidError."""
    found: dict[str, Any] = {}
    if params.job_label:
        found["job_label"] = params.job_label
    if params.service_code:
        found["service_code"] = params.service_code
    if params.metadata is not None:
        found["metadata"] = checked_metadata(params.metadata)
    return found


async def hangup_call(visit: Visit, params: OneCall, _call: Call) -> bool:
    """§14.4: any call of the user's accounts."""
    if not visit.exchange.calls.hang_up(live_call(visit, params.call_id)):
        raise no_such_call()
    return True


async def get_service_current_calls(visit: Visit, params: CurrentCalls, _call: Call) -> list[dict[str, Any]]:
    """§14.4: those of the user's phone, whoever asked for them and how; newest first."""
    caller = visit.caller(params.username) if isinstance(params.username, str) else visit.own_caller()
    calls = visit.exchange.calls.of(caller.account.id)
    return [shown(call, caller) for call in calls if caller.is_in(call)]


def shown(call: LiveCall, caller: Caller) -> dict[str, Any]:
    user = caller.phone.user
    return {
        "callId": call.call_id,
        "username": user.username if user else caller.phone.number,
        "number": call.contact,
        "jobLabel": call.details.get("job_label", ""),
        "serviceCode": call.details.get("service_code", ""),
        "state": call.state,
        "startTime": timestamp(call.accepted_at),
    }


async def recording(visit: Visit, params: Record | EndRecord, _call: Call) -> bool:
    """§14.4, recOn and recOff: what they name has to be there; but there is no media here to record."""
    if isinstance(params.username, str):
        visit.caller(params.username)
    if isinstance(params.call_id, str):
        live_call(visit, params.call_id)
    raise no_recording()


def live_call(visit: Visit, call_id: str) -> LiveCall:
    """The call, if it goes on and the user may see it; else RpcError."""
    found = visit.exchange.calls.live.get(call_id)
    if found is None or not visit.exchange.accounts.may_act_on(visit.who().account.id, found.account_id):
        raise no_such_call()
    return found


def no_such_call() -> RpcError:
    return refused("No call with this id goes on", "UNKNOWN_CALL", field="callId")


def no_recording(field: str = "") -> RpcError:
    text = "Recording is not available: the voice of a call does not pass through this service"
    return refused(text, "RECORDING_UNAVAILABLE", **({"field": field} if field else {}))


class Method(msgspec.Struct, frozen=True):
    """What runs, with which parameters, without a session or not, and what it costs a client."""

    run: Callable[[Visit, Any, Call], Awaitable[Any]]
    parameters: type[Parameters] = Parameters
    is_public: bool = False
    cost: float = 1.0


METHODS = {
    "getVersion": Method(get_version, is_public=True),
    "login": Method(login, LogIn, is_public=True, cost=LOG_IN),
    "logout": Method(logout),
    "dialNumber": Method(dial_number, DialNumber),
    "dialNumberByEmail": Method(dial_number_by_email, DialNumberByEmail),
    "hangupCall": Method(hangup_call, OneCall),
    "getServiceCurrentCalls": Method(get_service_current_calls, CurrentCalls),
    "recOn": Method(recording, Record),
    "recOff": Method(recording, EndRecord),
}
