"""A connect in which nothing rings: every policy says yes or no, and the INVITE is written and not sent."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from c2c_b2bua.service.calls import Calls, contact_key
from c2c_b2bua.service.errors import InvalidError, ServiceError, TooManyError, UnauthenticatedError, UnavailableError
from c2c_b2bua.service.originate import Connect, Plan
from c2c_b2bua.service.trunks import give_back
from c2c_b2bua.throttle import Buckets

CALL_ID = "c2c-dry-run"


class Verdicts:
    """What each policy said, in the order in which a connect asks them."""

    def __init__(self) -> None:
        self.given: list[dict[str, Any]] = []

    def ask(self, policy: str, check: Callable[[], object]) -> bool:
        """Whether `check` raises no ServiceError."""
        try:
            check()
        except ServiceError as error:
            verdict: dict[str, Any] = {"policy": policy, "passed": False, "message": str(error)}
            if isinstance(error, InvalidError):
                verdict["errors"] = error.complaints
            if isinstance(error, TooManyError | UnavailableError):
                verdict["retry_after"] = error.wait
            self.given.append(verdict)
            return False
        self.given.append({"policy": policy, "passed": True})
        return True


async def rehearse(calls: Calls, request: Connect) -> dict[str, Any]:
    """`accepted`, `verdicts`, and as far as they are known `legs` and the first `invite`; no limit is used up.

    A policy that cannot be asked because an earlier one failed has no verdict. Strangers are not told our addresses:
    UnauthenticatedError.
    """
    if not request.trusted:
        raise UnauthenticatedError
    verdicts = Verdicts()
    now = calls.engine.now()
    document, planner = request.document, calls.planner
    plans: list[Plan] = []
    verdicts.ask("service", calls.require_open)
    verdicts.ask("account", lambda: request.account.require_enabled(now))
    with kept(calls.buckets, document.id):
        verdicts.ask("throttle", lambda: calls.throttle(document, now))
    legs: list[dict[str, Any]] = []
    waits: list[bool] = []
    invite = None
    if verdicts.ask("contact", lambda: plans.append(planner.plan(request))):
        plan = plans[0]
        verdicts.ask("whitelist", lambda: calls.check_whitelist(plan))
        with kept(calls.contact_buckets, contact_key(plan)):
            verdicts.ask("limits", lambda: calls.check_limits(plan, now))
        if verdicts.ask("route", lambda: planner.find_routes(plan)) and verdicts.ask(
            "trunk", lambda: waits.append(calls.needs_to_wait(plan, now))
        ):
            if waits[0]:
                verdicts.given[-1]["queued"] = True
                planner.choose_trunks(plan)
            else:
                give_back(plan.ways)
            order = planner.order(plan, CALL_ID)
            legs = [
                {"leg": name, "target": party.target, "trunk": party.trunk or None, "uri": party.uri}
                for name, party in (("a", order.a), ("b", order.b))
            ]
            invite = await calls.engine.rehearse(order)
            if not invite:
                verdict = {"policy": "address", "passed": False, "message": "the next hop has no address"}
                verdicts.given.append(verdict)
    return {
        "dry_run": True,
        "accepted": all(verdict["passed"] for verdict in verdicts.given),
        "verdicts": verdicts.given,
        "legs": legs,
        "invite": invite or None,
    }


@contextlib.contextmanager
def kept(buckets: Buckets, key: str) -> Iterator[None]:
    """Whatever the block takes out of this bucket is put back."""
    bucket = buckets.buckets.get(key)
    full_at = bucket.full_at if bucket else 0.0
    yield
    if bucket is None:
        buckets.buckets.pop(key, None)
    else:
        bucket.full_at = full_at
        buckets.buckets[key] = bucket
