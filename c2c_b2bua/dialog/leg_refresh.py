"""How a leg keeps its session alive: by UPDATE where the peer takes it, else by an unchanged re-INVITE (RFC 4028 §7.4, §10)."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from c2c_b2bua.dialog.extensions import ALLOW
from c2c_b2bua.dialog.session_timer import EXPIRED, SessionTimer, seconds
from c2c_b2bua.sip.message import Message, Request, Response
from c2c_b2bua.sip.tokens import Tokens
from c2c_b2bua.transaction.actions import StartTimer, Work

if TYPE_CHECKING:
    from c2c_b2bua.dialog.leg import Leg

MAX_REFUSALS = 10
"""Refreshes in a row that meet a peer which is busy; one that says no for another reason is asked once more."""


def agree(leg: Leg, response: Response, now: float) -> Work:
    """The peer accepted an INVITE or UPDATE of ours: take what it says of the session's length."""
    if leg.session is None:
        if "Session-Expires" not in response.headers:
            return []
        leg.session = SessionTimer(0)
    leg.session.agree(response, now)
    return watch(leg)


def grant(leg: Leg, request: Request, response: Response, now: float) -> Work:
    """We accept an INVITE or UPDATE of the peer: say how long the session lasts."""
    if leg.session is None:
        if "Session-Expires" not in request.headers:
            return []
        leg.session = SessionTimer(0)
    leg.session.grant(request, response, now)
    return watch(leg)


def watch(leg: Leg) -> Work:
    session = leg.session
    return [] if session is None or session.due == inf else [StartTimer(leg.key, "session", session.due)]


def tend(leg: Leg, now: float) -> Work:
    """The timer of the session: refresh it, or end it when nobody did."""
    session = leg.session
    if session is None or now < session.due:
        return []
    if now >= session.ends_at:
        return leg.break_off(EXPIRED)
    if not leg.can_offer or leg.refresh is not None:
        # An offer is under way in some direction; should it be accepted, that counts as a refresh.
        session.refresh_at = now + pause(leg.tokens)
        return watch(leg)
    session.refresh_at = inf
    return [*send_refresh(leg, now), *watch(leg)]


def send_refresh(leg: Leg, now: float) -> Work:
    said = leg.media.local
    if not leg.takes_update and said is not None:
        work = leg.reoffer(said, now)
        leg.refresh = leg.reinvite
        return work
    leg.refresh = target_refresh(leg, "UPDATE")
    return leg.send_inside(leg.refresh)


def target_refresh(leg: Leg, method: str) -> Request:
    """An INVITE or UPDATE inside the dialog, with all that it says of us and of the session."""
    request = leg.inside(method)
    request.headers["Contact"] = []
    request.headers["Allow"] = [ALLOW]
    leg.terms.put_on(request.headers)
    if leg.session is not None:
        leg.session.put_on(request.headers)
    return request


def not_refreshed(leg: Leg, response: Response, now: float) -> Work:
    """The peer refused: later again when it is busy, once more for anything else; then the session runs out (§10)."""
    session = leg.session
    if session is None:
        return []
    session.refusals += 1
    wait = seconds(response, "Retry-After")
    if response.status == 491:
        at = now + pause(leg.tokens)
    elif wait and response.status in (480, 486, 500, 503):
        at = now + wait
    elif session.refusals == 1:
        at = (now + session.ends_at) / 2
    else:
        return watch(leg)
    session.refresh_at = at if session.refusals <= MAX_REFUSALS else inf
    return watch(leg)


def pause(tokens: Tokens) -> float:
    """2.1 to 4 seconds: the Call-ID is ours (RFC 3261 §14.1)."""
    return 2.1 + tokens.number(191) / 100


def learn_methods(leg: Leg, message: Message) -> None:
    """Whether the peer takes UPDATE (RFC 3311 §4) and REFER."""
    allowed = message.headers.get("Allow")
    if allowed is not None:
        methods = ",".join(allowed)
        leg.takes_update, leg.takes_refer = "UPDATE" in methods, "REFER" in methods
