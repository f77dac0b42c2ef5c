"""OMICall's webhooks: list, register, destroy."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET

from api.omicall_envelope import RefusedError, succeeded
from api.omicall_hooks import STATES
from api.omicall_request import OmicallRequest
from api.omicall_shapes import WebhookShown
from c2c_b2bua.service.errors import UnknownError
from c2c_b2bua.service.events import KINDS, Kind
from c2c_b2bua.service.webhooks import Webhook

KIND_OF = {state: kind for kind, state in STATES.items()}
RECORD: Kind = "recorded"


async def list_webhooks(request: OmicallRequest) -> bytes:
    """GET /api/webhooks/list"""
    return succeeded([shown(hook) for hook in request.exchange.webhooks.of(request.account.id)])


async def register(request: OmicallRequest) -> bytes:
    """POST /api/webhooks/register: the account's one webhook of this type, new or as it is from now on"""
    given = request.body.get("webhook", request.body if "url" in request.body else None)
    if given is None:
        raise RefusedError("webhook_is_required")
    if not isinstance(given, dict):
        raise RefusedError("webhook_invalid: expected an object with type, url and events")
    hook = await request.exchange.webhooks.register(
        request.account.id, given.get("type", "call"), given.get("url"), kinds_of(given.get("events"))
    )
    return succeeded([shown(hook, with_secret=True)])


async def destroy(request: OmicallRequest) -> bytes:
    """POST /api/webhooks/destroy?hook_type=call"""
    kind_of_hook = request.value("hook_type")
    if kind_of_hook in (None, ""):
        raise RefusedError("hook_type_is_required")
    try:
        hook = await request.exchange.webhooks.destroy(request.account.id, kind_of_hook)
    except UnknownError:
        raise RefusedError("webhook_not_found") from None
    return succeeded([shown(hook, status="destroyed")])


def kinds_of(events: Any) -> frozenset[Kind]:
    """Which moments are wanted; RefusedError. The record always is: the type `call` is the history of calls."""
    if events is None or events == []:
        return frozenset(KINDS)
    if not isinstance(events, list) or not all(isinstance(event, str) and event in KIND_OF for event in events):
        raise RefusedError(f"events_invalid: expected a list of {', '.join(KIND_OF)}, or null for all of them")
    return frozenset({*(KIND_OF[event] for event in events), RECORD})


def shown(hook: Webhook, with_secret: bool = False, status: str = "actived") -> WebhookShown:
    events = None if hook.kinds == frozenset(KINDS) else [STATES[kind] for kind in KINDS if kind in hook.kinds]
    return WebhookShown(
        url=hook.url, type=hook.type, status=status, events=events, secret=str(hook.secret) if with_secret else UNSET
    )
