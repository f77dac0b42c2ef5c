"""What version 1 of Kazoo's API says otherwise than version 2: `throttle`, `realm`, history, errors, no pages.

On version 1 `throttle` is how many calls of a click-to-call may go on at a time, which is stored, and shown on version
2, as `max_active`. The `throttle` of version 2 is another property: version 1 neither shows nor changes it. As since
Kazoo 3.22, `auth_required` is true unless the client says otherwise.
"""

from __future__ import annotations

from typing import Any

from c2c_b2bua.service.accounts import Account
from c2c_b2bua.service.documents import ClickToCall
from c2c_b2bua.service.schema import CLICK_TO_CALL

THROTTLE = {"type": "integer", "description": "Calls at a time; 0: no limit"}
SCHEMA = {
    **CLICK_TO_CALL,
    "properties": {
        **{name: inner for name, inner in CLICK_TO_CALL["properties"].items() if name != "max_active"},
        "throttle": THROTTLE,
    },
}
NOT_GIVEN = frozenset({"throttle", "max_active", "history_items"})


def given(data: Any, before: ClickToCall | None = None) -> Any:
    """A client's document as version 2 would have sent it; it replaces `before`."""
    if not isinstance(data, dict):
        return data
    fields = {name: value for name, value in data.items() if name not in NOT_GIVEN}
    if "throttle" in data:
        fields["max_active"] = data["throttle"]
    if before and "throttle" in before.body:
        fields["throttle"] = before.body["throttle"]
    return fields


def shown(document: ClickToCall, account: Account) -> dict[str, Any]:
    """The public document."""
    fields = document.shown()
    fields.pop("throttle", None)
    if "max_active" in fields:
        fields["throttle"] = fields.pop("max_active")
    fields["realm"] = fields.get("realm") or account.realm
    return fields


def item(found: dict[str, Any]) -> dict[str, Any]:
    """A history item; `cdr_id` is the SIP Call-ID of the leg to the contact, once that has been dialled."""
    for leg in reversed(found.get("legs", ())):
        if leg["target"] == found["contact"]:
            return {**found, "cdr_id": leg["call_id"]}
    return found


def collapsed(data: Any) -> Any:
    """The `data` of an error: where there is an object with a message, the message alone."""
    if not isinstance(data, dict):
        return data
    if isinstance(message := data.get("message"), str):
        return message
    return {("throttle" if name == "max_active" else name): collapsed(value) for name, value in data.items()}
