"""A phone hands the call over to somebody else by REFER: the one it names is rung, and takes its place (RFC 5589 §6).

    B -> REFER
    + Refer-To: <sip:1003@acme.example.com>
    api: transfer to B2
    B <- 202
    B <- NOTIFY 100
    B -> 200
    B2 <- INVITE answer-a
    B2 -> 180
    B <- NOTIFY 180
    B -> 200
    B2 -> 200 answer-b2
    B2 <- ACK
    B <- NOTIFY 200
    B <- BYE
    A <- INVITE answer-b2
    A -> 200 answer-a
    A <- ACK
    B -> 200 NOTIFY
    B -> 200 BYE

Whom it may name is for others to say: `TransferAsked` goes out, `start` or `refuse` comes back. A phone that hangs up before
the new one has answered has left the call to it. When nobody answers, the two are as before; if the phone has left by then,
the call ends.

A phone with two calls may join the others of both (attended, RFC 3891): its REFER in one names its dialog in the other.
What became of the legs is told (`LegAnswered`, `LegStays`, `LegJoined`): whoever counts them has to know.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from c2c_b2bua.call import hunt
from c2c_b2bua.call.news import LegAnswered, LegJoined, LegStays, TransferAsked
from c2c_b2bua.call.payload_types import as_offer
from c2c_b2bua.call.record import leg_name
from c2c_b2bua.call.reinvite import tell
from c2c_b2bua.dialog import events
from c2c_b2bua.dialog.leg import DOWN, UP, Leg
from c2c_b2bua.dialog.party import Party
from c2c_b2bua.dialog.referral import accept_refer, notify
from c2c_b2bua.sip.reason import Why
from c2c_b2bua.transaction.actions import Work

if TYPE_CHECKING:
    from c2c_b2bua.call.call import Call
    from c2c_b2bua.call.record import EndedBy

HANDED_OVER = Why("BLIND_TRANSFER", None, "the call was handed over")
JOINED = Why("ATTENDED_TRANSFER", None, "the call was joined with another")


class Transfer:
    """One that is under way: `leg` is who asked for it, `event` the Event of its NOTIFYs, `""` when it wants none."""

    __slots__ = ("event", "leg")

    def __init__(self, leg: str, event: str) -> None:
        self.leg = leg
        self.event = event


def asked(call: Call, event: events.TransferWanted, now: float) -> Work:
    """A REFER came: somebody has to say whether this phone may have that."""
    if call.state != "BRIDGED" or len(event.leg) > 1:
        return call.leg(event.leg).refuse(event.key, 480)
    return [TransferAsked(call.id, now, leg_name(event.leg), event.key, event.target, event.replaces)]


def start(call: Call, name: str, key: str, parties: tuple[Party, ...], now: float) -> Work:
    """It may: ring these at once."""
    leg, stays = call.leg(name), call.other(name)
    if key not in leg.pending:
        return [call.news(LegStays, now, name)]
    if call.state != "BRIDGED" or stays.remote is None:
        return [*leg.refuse(key, 480), call.news(LegStays, now, name)]
    work, event = accept_refer(leg, key)
    call.transfer = Transfer(name, event)
    call.state = "TRANSFERRING"
    call.groups, call.failure = (), None
    call.offer = as_offer(stays.remote.with_direction("sendrecv")).with_origin(call.new_origin())
    legs = [hunt.new_leg(call, name, party) for party in parties]
    return [*work, *told(call, 100), *hunt.ring_group(call, name, legs, now)]


def refuse(call: Call, name: str, key: str, status: int, reason: str = "") -> Work:
    """It may not."""
    leg = call.leg(name)
    return leg.refuse(key, status, reason) if key in leg.pending else []


def told(call: Call, status: int) -> Work:
    """Whoever asked hears how it goes, if it is there and wants to."""
    transfer = call.transfer
    if transfer is None or not transfer.event or call.leg(transfer.leg).state != UP:
        return []
    return notify(call.leg(transfer.leg), transfer.event, status)


def answered(call: Call, event: events.Answered, now: float) -> Work:
    """The new one is there: it takes the place of whoever asked, and the other one learns where it is."""
    assert call.transfer is not None
    side = call.transfer.leg
    news = told(call, 200)
    before = call.leg(side)
    others = hunt.answered(call, event, now)
    call.transfer = None
    call.state = "BRIDGED"
    if before.state == DOWN:
        call.put_aside(before)
    work = [*others, call.news(LegAnswered, now, side), *news, *before.hang_up(HANDED_OVER, now)]
    call.tellings = 0
    call.owed = frozenset({call.other(side).name})
    return [*work, *tell(call, now)]


def failed(call: Call, ended_by: EndedBy, why: Why, now: float) -> Work:
    """Nobody took the call."""
    assert call.transfer is not None
    side = call.transfer.leg
    work = told(call, why.status or 500)
    # One may have spoken for all (6xx).
    work += [action for leg in hunt.ringing(call, side) for action in leg.hang_up(why, now)]
    call.transfer = None
    call.state = "BRIDGED"
    work.append(call.news(LegStays, now, side))
    if call.leg(side).state == DOWN:
        work += call.end(ended_by, why, now)
    return work


def attended(call: Call, event: events.TransferWanted, second: Call, replaced: Leg, now: float) -> Work:
    """The phone has a second call: its other end is joined with the other end of this one, and the second call is over."""
    leg = call.leg(event.leg)
    is_ready = all(one.state == "BRIDGED" and one.relay is None for one in (call, second)) and call is not second
    if not is_ready or len(event.leg) > 1 or len(replaced.name) > 1:
        return leg.refuse(event.key, 480)
    joined = second.other(replaced.name)
    if joined.state != UP or call.other(event.leg).state != UP:
        return leg.refuse(event.key, 480)
    work, subscription = accept_refer(leg, event.key)
    if subscription:
        work += notify(leg, subscription, 200)
    side = leg.name
    work.append(LegJoined(call.id, now, leg_name(side), second.id, leg_name(joined.name)))
    second.leave(joined, now)
    call.named += 1
    joined.call, joined.name = call.id, f"{side}{call.named}"
    call.rivals += (joined,)
    hunt.take_place(call, side, joined)
    work += leg.hang_up(JOINED, now)
    work += second.end(leg_name(replaced.name), JOINED, now)
    call.tellings = 0
    call.owed = frozenset({"a", "b"} - {side})
    return [*work, *tell(call, now)]


def replaced_by(replaces: str, legs: Mapping[str, Leg]) -> Leg | None:
    """The leg whose dialog a Replaces header names: its tags are from our point of view (RFC 3891 §3)."""
    call_id, *parameters = replaces.split(";")
    tags = dict(parameter.strip().partition("=")[::2] for parameter in parameters)
    leg = legs.get(call_id.strip())
    if leg is None or leg.dialog is None or leg.tag != tags.get("to-tag"):
        return None
    return leg if leg.dialog.remote_tag == tags.get("from-tag") else None
