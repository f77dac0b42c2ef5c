"""REFER inside a leg's dialog, ours and the peer's, and the NOTIFYs that tell how it goes (RFC 3515, RFC 6665, RFC 4488).

The subscription that a REFER makes is a usage of the dialog of its own (RFC 5057): it outlives the peer's BYE for a moment.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote

from c2c_b2bua.dialog import events
from c2c_b2bua.sip.errors import SipError
from c2c_b2bua.sip.fields import NameAddr
from c2c_b2bua.sip.message import Request, Response
from c2c_b2bua.sip.phrases import REASON_PHRASES
from c2c_b2bua.sip.reason import Why
from c2c_b2bua.transaction.actions import Reply, StartTimer, Work

if TYPE_CHECKING:
    from c2c_b2bua.dialog.leg import Leg

SIPFRAG = re.compile(rb"SIP/2\.0 +([1-6]\d\d)(?: ([^\r\n]*))?")
SUBSCRIPTION = 60
"""Seconds that we promise news for, in each NOTIFY that is not the last."""
LINGER = 4.0
"""Seconds after a BYE in which the last NOTIFY may still come."""


class Referral:
    """A REFER of ours; `request` as it was sent last."""

    __slots__ = ("is_heard", "is_over", "left", "request")

    def __init__(self, request: Request) -> None:
        self.request = request
        self.is_heard = False
        """A NOTIFY came."""
        self.is_over = False
        """The last one did, or none is listened to any more."""
        self.left: Why | None = None
        """Why the peer hung up before its last NOTIFY."""


# ── ours ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def refer(leg: Leg, target: str, referred_by: str) -> Work:
    """Tell the peer to call `target` itself. `ReferAnswered` follows, and `Notified` if it keeps us informed."""
    request = leg.inside("REFER")
    request.headers["Contact"] = []
    request.headers["Refer-To"] = [f"<{target}>"]
    request.headers["Referred-By"] = [f"<{referred_by}>"]
    leg.referral = Referral(request)
    return leg.send_inside(request)


def refer_response(leg: Leg, response: Response) -> Work:
    """What the peer says to the REFER itself."""
    if response.status < 200 or leg.referral is None:
        return []
    leg.referral.is_over = leg.referral.is_over or response.status >= 300
    return [events.ReferAnswered(leg.call, leg.name, response.status)]


def notified(leg: Leg, key: str, request: Request, now: float) -> Work:
    """A NOTIFY: the status line that the referred call got, in a sipfrag (RFC 3420)."""
    referral = leg.referral
    if referral is None or referral.is_over:
        return [Reply(key, request.response(481))]
    if (request.get("Event") or "").partition(";")[0].strip().lower() != "refer":
        response = request.response(489)
        response.headers["Allow-Events"] = ["refer"]
        return [Reply(key, response)]
    found = SIPFRAG.match(request.body.lstrip())
    if found is None:
        return [Reply(key, request.response(400, "no status line in the sipfrag"))]
    status, reason = int(found[1]), (found[2] or b"").decode("utf-8", "replace")
    state = (request.get("Subscription-State") or "").partition(";")[0].strip().lower()
    # Some phones leave a subscription active after the last word (linphone 5.1).
    referral.is_over = status >= 200 or state == "terminated"
    referral.is_heard = True
    news = events.Notified(leg.call, leg.name, status, reason, referral.is_over)
    return [Reply(key, request.response(200)), news, *(leave(leg, now) if referral.is_over else [])]


def hung_up(leg: Leg, referral: Referral, why: Why, now: float) -> Work:
    """The peer's BYE came before its last NOTIFY, which has a moment left."""
    referral.left = why
    leg.state = "ENDING"
    return [StartTimer(leg.key, "notify", now + LINGER)]


def leave(leg: Leg, now: float) -> Work:
    """Nothing more is to be heard of a peer that has hung up."""
    if leg.referral is None or leg.referral.left is None or leg.state != "ENDING":
        return []
    return leg.down(now, events.HungUp(leg.call, leg.name, leg.referral.left, False))


# ── the peer's ───────────────────────────────────────────────────────────────────────────────────────────────────────


def referred(leg: Leg, key: str, request: Request) -> Work:
    """The peer wants us to call somebody in its place: `TransferWanted`, to be settled by `accept_refer` or `refuse`."""
    wanted = request.values("Refer-To")
    try:
        if len(wanted) != 1:
            raise SipError("a REFER has one Refer-To (RFC 3515 §2.4.2)")
        uri = NameAddr.parse(wanted[0], "Refer-To").uri
    except SipError as error:
        return [Reply(key, request.response(error.status, error.reason))]
    headers = dict(header.partition("=")[::2] for header in uri.headers.split("&"))
    replaces = unquote(next((value for name, value in headers.items() if name.lower() == "replaces"), ""))
    target = str(uri).partition("?")[0]
    leg.hold(key, request)
    return [events.TransferWanted(leg.call, leg.name, key, target, replaces)]


def accept_refer(leg: Leg, key: str) -> tuple[Work, str]:
    """202, and what each NOTIFY has for its Event; `""` when the peer wants none (RFC 4488)."""
    request = leg.pending.pop(key)
    response = request.response(202)
    wants_none = (request.get("Refer-Sub") or "").partition(";")[0].strip().lower() == "false"
    if wants_none:
        response.headers["Refer-Sub"] = ["false"]
    event = "" if wants_none else f"refer;id={request.cseq.number}"
    return [Reply(key, response)], event


def notify(leg: Leg, event: str, status: int, reason: str = "") -> Work:
    """Tell the peer how the call that it wanted goes; a final status is the last word."""
    request = leg.inside("NOTIFY")
    over = status >= 200
    request.headers["Contact"] = []
    request.headers["Event"] = [event]
    request.headers["Subscription-State"] = [
        "terminated;reason=noresource" if over else f"active;expires={SUBSCRIPTION}"
    ]
    request.headers["Content-Type"] = ["message/sipfrag;version=2.0"]
    request.body = f"SIP/2.0 {status} {reason or REASON_PHRASES.get(status, '')}\r\n".encode()
    return leg.send_inside(request)
