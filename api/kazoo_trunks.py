"""Trunks, to be read: how it stands with each carrier, and how busy it is. Kazoo's own word would be resources."""

from __future__ import annotations

from api.envelope import Reply
from api.kazoo_accounts import some
from api.kazoo_request import KazooRequest
from c2c_b2bua.service.trunk_watch import shown

COLUMNS = ("id", "priority", "state", "reason", "since", "registered_until", "calls", "max_calls", "calls_per_second")


async def list_trunks(request: KazooRequest) -> Reply:
    """GET /v2/accounts/A/trunks"""
    exchange = request.exchange
    now = exchange.engine.now()
    trunks = enumerate(exchange.calls.routes.trunks, 1)
    return some(request, [shown(trunk, priority, now) for priority, trunk in trunks], COLUMNS)
