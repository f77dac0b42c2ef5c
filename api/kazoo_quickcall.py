"""Kazoo's quickcall: one request rings a device, or the device of a user, and joins it with a number (§11)."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from api.envelope import Reply, encoder, error
from api.kazoo_accounts import device, user
from api.kazoo_calls import details, idempotency_key, is_true
from api.kazoo_originate import originate, variables
from api.kazoo_request import KazooRequest
from c2c_b2bua.service.documents import PatternError, compiled_pattern
from c2c_b2bua.service.errors import InvalidError, UnroutableError
from c2c_b2bua.service.live_call import LiveCall
from c2c_b2bua.service.originate import Connect, Plan, Wording
from c2c_b2bua.service.phones import Phone
from c2c_b2bua.service.rehearsal import rehearse
from c2c_b2bua.service.validation import Schema

NAME = "Device QuickCall"
FAILED = "quickcall initiation failed"
QUICKCALL: Schema = {
    "type": "object",
    "properties": {
        "auto_answer": {"type": "boolean", "default": True},
        "cid-name": {"type": "string"},
        "cid-number": {"type": "string"},
        "timeout": {"type": "integer", "minimum": 3},
        "ignore-early-media": {"type": "boolean", "default": True},
        "media": {"type": "string", "enum": ["bypass", "process"], "default": "process"},
        "number_filter": {"oneOf": [{"type": "boolean"}, {"type": "string"}]},
    },
}
REMOVED = str.maketrans("", "", " ,.-()")
OTHER_NAMES = {"outbound_callee_id_name": "cid-name", "outbound_callee_id_number": "cid-number"}


class Endpoint(NamedTuple):
    """Who is rung: a device or a user, by its id, and the phone of it."""

    kind: str
    id: str
    phone: Phone | None


async def from_device(request: KazooRequest) -> Reply:
    """GET, POST …/devices/ID/quickcall/NUMBER"""
    phone = device(request.account, request.names[1])
    return await quickcall(request, Endpoint("device", phone.id, phone))


async def from_user(request: KazooRequest) -> Reply:
    """GET, POST …/users/ID/quickcall/NUMBER"""
    found = user(request.account, request.names[1])
    return await quickcall(request, Endpoint("user", found.id, request.account.phones.get(found.extension)))


async def quickcall(request: KazooRequest, endpoint: Endpoint) -> Reply:
    """GET answers at once; POST when the device has answered, or with an error why it has not."""
    is_blocking = request.verb == "POST"
    try:
        order = ordered(request, endpoint, is_blocking)
        if is_true(request, "dry_run"):
            return Reply(data=await rehearse(request.exchange.calls, order))
        answer = await request.exchange.calls.connect(order)
    except UnroutableError as cause:
        if is_blocking and cause.field == "extension":
            return error(500, FAILED, {"error_message": cause.cause, "reason": cause.text})
        raise
    if not is_blocking:
        return Reply(status=request.exchange.settings.api.connect_status, data=msgspec.Raw(answer))
    data = msgspec.json.decode(answer)
    if data.get("result") == "error":
        return error(500, FAILED, {"error_message": data["cause"], "request": data})
    return Reply(data=data)


def ordered(request: KazooRequest, endpoint: Endpoint, is_blocking: bool) -> Connect:
    """The connect that this quickcall is; InvalidError."""
    given = request.fields(QUICKCALL)
    if request.value("target_call_id"):
        raise InvalidError.of("target_call_id", "forbidden", "A call that goes on cannot be joined by a quickcall")
    phone = endpoint.phone
    if phone is None:
        text = f"{endpoint.kind} {endpoint.id} has no phone"
        raise UnroutableError("extension", "no_route", text, "NO_ROUTE_DESTINATION", endpoint.id)
    body = {
        "name": NAME,
        "extension": phone.number,
        "outbound_callee_id_name": given.get("cid-name") or phone.name,
        "outbound_callee_id_number": given.get("cid-number") or phone.number,
        "media": {"ignore_early_media": given["ignore-early-media"]},
    }
    if "timeout" in given:
        body["timeout"] = given["timeout"]
    try:
        document = request.exchange.documents.unstored(request.account.id, phone.id, **body)
    except InvalidError as cause:
        raise InvalidError({OTHER_NAMES.get(name, name): why for name, why in cause.complaints.items()}) from None
    return Connect(
        account=request.account,
        document=document,
        contact=filtered(request.names[2], given.get("number_filter", True)),
        until="answered" if is_blocking else "accepted",
        auto_answer=given["auto_answer"],
        variables=variables(request.data, request.query),
        idempotency_key=idempotency_key(request),
        details=details(request),
        wording=wording(endpoint, given),
    )


def filtered(number: str, wanted: bool | str) -> str:
    """The number without separators, or what a pattern (RE2) takes out of it; InvalidError."""
    if wanted is True or wanted == "true":
        return number.translate(REMOVED)
    if wanted is False or wanted == "false":
        return number
    try:
        found = compiled_pattern(wanted).search(number)
    except PatternError as cause:
        raise InvalidError.of("number_filter", "pattern", str(cause), value=wanted) from None
    return str(found[1]) if found and found.re.groups and found[1] else number


def wording(endpoint: Endpoint, given: dict[str, Any]) -> Wording:
    """The originate request; the answer to a quickcall that waited has its outcome too."""
    kept: dict[str, Any] = {}

    def accepted(plan: Plan, call: LiveCall) -> bytes:
        kept.update(msgspec.to_builtins(originate(plan, call)))
        kept["custom_channel_vars"] |= {
            "authorizing_id": endpoint.id,
            "authorizing_type": endpoint.kind,
            "retain_cid": "cid-number" in given,
        }
        kept["endpoints"][0]["endpoint_id"] = plan.request.document.id
        kept.update(dial_endpoint_method="simultaneous", continue_on_fail=False, media=given["media"])
        return encoder.encode(kept)

    def outcome(_call: LiveCall, cause: str) -> bytes:
        told = (
            {"result": "error", "cause": cause} if cause else {"result": "success", "application_response": "SUCCESS"}
        )
        return encoder.encode({**kept, **told})

    return Wording(accepted, outcome)
