"""Kazoo's Crossbar API: the phones that are registered, to be read."""

from __future__ import annotations

from api.envelope import Reply
from api.kazoo_accounts import some
from api.kazoo_request import KazooRequest
from c2c_b2bua.service.registrations import shown

COLUMNS = ("username", "realm", "contact", "network_ip", "network_port", "user_agent", "expires", "reachable")


async def list_registrations(request: KazooRequest) -> Reply:
    """GET /v2/accounts/A/registrations"""
    account, registrations = request.account, request.exchange.registrations
    now = registrations.engine.now()
    return some(request, [shown(account, phone, binding, now) for phone, binding in registrations.of(account)], COLUMNS)
