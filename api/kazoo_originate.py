"""What Kazoo answers to a connect that does not wait: the originate request it would send to its switch."""

from __future__ import annotations

from typing import Any

import msgspec

from api.kazoo_shapes import ApplicationData, ChannelVars, Endpoint, Originate
from c2c_b2bua.service.errors import InvalidError
from c2c_b2bua.service.live_call import LiveCall
from c2c_b2bua.service.moment import timestamp
from c2c_b2bua.service.originate import Plan, Wording

encoder = msgspec.json.Encoder()
MOST_VARIABLES = 8192
RESERVED = frozenset(
    {
        "account-id",
        "account-name",
        "account-realm",
        "auth-token",
        "authorizing-id",
        "authorizing-type",
        "owner-id",
        "realm",
        "reseller-id",
        "username",
    }
)
"""Query parameters that do not become variables of the call; a token has no place in an answer either."""
AS_IN_DOCUMENT = ("bypass_media", "presence_id", "ringback", "custom_sip_headers")


def rendered(plan: Plan, call: LiveCall) -> bytes:
    """The `data` of the answer, as JSON."""
    return encoder.encode(originate(plan, call))


def originate(plan: Plan, call: LiveCall) -> Originate:
    """The originate request."""
    call_id = call.call_id
    request = plan.request
    document, account = request.document, request.account
    body = document.body
    first, second = plan.first, plan.second
    request_uri = f"{plan.contact.number}@{account.realm}"
    found = Originate(
        application_data=ApplicationData(second.route),
        call_id=call_id,
        outbound_call_id=call_id,
        origination_call_id=call_id,
        endpoints=[Endpoint(route=first.route, to_did=first.number, to_realm=account.realm)],
        timeout=int(plan.timeout) if plan.timeout.is_integer() else plan.timeout,
        ignore_early_media=body["media"].get("ignore_early_media", True) if "media" in body else True,
        outbound_callee_id_name=first.name,
        outbound_callee_id_number=first.number,
        outbound_caller_id_name=second.name,
        outbound_caller_id_number=second.number,
        custom_channel_vars=ChannelVars(
            account_id=account.id,
            authorizing_id=document.id,
            auto_answer_loopback=request.auto_answer,
            from_uri=f"{plan.extension.number}@{account.realm}",
            request_uri=request_uri,
            loopback_request_uri=request_uri,
        ),
        custom_application_vars=request.variables,
    )
    for name in AS_IN_DOCUMENT:
        if name in body:
            setattr(found, name, body[name])
    if call.state == "queued":
        found.queued = True
        found.expected_start = timestamp(call.expected_start)
    if hold_media := body.get("music_on_hold", {}).get("media_id"):
        found.hold_media = hold_media
    return found


def outcome(call: LiveCall, cause: str) -> bytes:
    """The `data` of the answer to a connect that waited: the history item as it stands now."""
    item = {**call.item(), "result": "error" if cause else "success"}
    if cause:
        item["cause"] = cause
    return encoder.encode(item)


WORDING = Wording(rendered, outcome)


def variables(data: Any, query: dict[str, str]) -> dict[str, Any]:
    """The call's variables: those of the body, and every query parameter that is not reserved. InvalidError."""
    found: dict[str, Any] = {}
    if isinstance(data, dict) and (given := data.get("custom_application_vars")) is not None:
        found.update(checked_variables(given))
    for name, value in query.items():
        if name.lower().replace("_", "-") not in RESERVED:
            found[name] = value
    return found


def checked_variables(given: Any) -> dict[str, Any]:
    """An object of a size that can be sent back, and kept with an answer; InvalidError."""
    name = "custom_application_vars"
    if not isinstance(given, dict):
        message = "Value did not match type(s): object"
        raise InvalidError.of(name, "type", message, target="object", value=given)
    if len(encoder.encode(given)) > MOST_VARIABLES:
        message = f"Variables must not be more than {MOST_VARIABLES} bytes of JSON"
        raise InvalidError.of(name, "maxLength", message, target=MOST_VARIABLES)
    return given
