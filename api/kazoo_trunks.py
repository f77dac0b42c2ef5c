"""Trunks, to be read: how it stands with each carrier, and how busy it is. Kazoo's own word would be resources."""

from __future__ import annotations

from api.envelope import Reply
from api.kazoo_accounts import some
from api.kazoo_request import KazooRequest
from c2c_b2bua.service.trunk_watch import shown, summary

COLUMNS = ("id", "name", "state", "available")
ALL_COLUMNS = (
    "id",
    "priority",
    "state",
    "reason",
    "since",
    "registered_until",
    "calls",
    "max_calls",
    "calls_per_second",
)


async def list_trunks(request: KazooRequest) -> Reply:
    """GET /v2/accounts/A/trunks: every account calls by all of them; what lies behind one is the operator's."""
    exchange = request.exchange
    now = exchange.engine.now()
    trunks = exchange.calls.routes.trunks
    if request.grant and exchange.accounts.may_act_on_all(request.grant.account_id):
        found = [shown(trunk, priority, now) for priority, trunk in enumerate(trunks, 1)]
        return some(request, found, ALL_COLUMNS)
    return some(request, [summary(trunk, now) for trunk in trunks], COLUMNS)
