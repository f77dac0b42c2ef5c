"""INFO on its way from one leg to the other: DTMF and whatever else phones say inside a call (RFC 6086)."""

from __future__ import annotations

from c2c_b2bua.dialog.leg import Leg
from c2c_b2bua.sip.message import Request
from c2c_b2bua.transaction.actions import Reply, Work

PASSED_HEADERS = ("Content-Type", "Content-Disposition", "Content-Encoding", "Content-Language", "Info-Package")


def pass_info(leg: Leg, request: Request, key: str) -> Work:
    """Send a leg the INFO of the other one; `InformAnswered` with `key` follows."""
    passed = leg.inside("INFO")
    for name in PASSED_HEADERS:
        if name in request.headers:
            passed.headers[name] = request.headers[name]
    passed.body = request.body
    leg.informs = {**leg.informs, passed.cseq.number: key}
    return leg.send_inside(passed)


def answer_info(leg: Leg, key: str, status: int, reason: str = "") -> Work:
    """Answer the INFO that `Informed` told."""
    request = leg.pending.pop(key, None)
    return [Reply(key, request.response(status, reason))] if request is not None else []
