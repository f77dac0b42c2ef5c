"""What of a call outlives its process, in parts: the order once, then whatever changes.

STEP                             WHAT IS WRITTEN                  A PROCESS THAT DOES NOT KNOW
connect, INVITE to A             the order, how the call stands   could not stop A from ringing
180 of A, of B                   later: since when they ring      would not have it in the record
200 of A, INVITE to B            how it stands, A's dialog        would leave A waiting and B ringing
200 of B, re-INVITE to A         how it stands, dialogs, media    would leave B waiting
200 of A's re-INVITE, ACK        how it stands, media             would repeat the re-INVITE, and hear nothing (RFC 6026)
hold, re-INVITE, UPDATE, INFO    how it stands, media             would not bring them across, or use a CSeq twice
BYE of either, BYE to the other  how it stands                    would let the other wait for half a minute
200 of the last BYE              later: the record                would say BYE once more, and then that the call ended
its record is in the database    later: that it is over           would end it once more, and nobody would hear of it

What is written later waits a moment, because nothing was sent for it: without it the next process does what it would
do had the message been lost that it came from. Media is written from when B has answered: before that, whoever is there
is hung up. Once both are up and that is written, only what may change since then is written of how it stands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import msgspec
from msgspec import Raw

from c2c_b2bua.call.call import BRIDGED, ENDED, ENDING, JOINING, NOBODY, RINGING_A, TRANSFERRING, Call
from c2c_b2bua.call.order import CallOrder
from c2c_b2bua.call.record import CallRecord, EndedBy, LegRecord
from c2c_b2bua.dialog.leg import IDLE, UP, Leg
from c2c_b2bua.dialog.party import Party
from c2c_b2bua.dialog.snapshot import (
    Agreed,
    LegChange,
    LegSnapshot,
    Snapshot,
    WrittenOf,
    agreed,
    change,
    newly_agreed,
    snapshot,
    with_change,
)
from c2c_b2bua.sdp import SessionDescription
from c2c_b2bua.sip.reason import Why
from c2c_b2bua.transaction.layer import TransactionLayer

ORDER, STATE, RECORD, RANG, CHANGE = 0, 1, 2, 3, 4
"""The parts of what is kept of a call: `CallOrder`, `CallSnapshot`, `CallRecord` once it has ended, since when its legs ring,
`CallChange` where that is newer than the snapshot, else nothing."""
AGREED = 16
"""The first of the parts that are an `Agreed`, each by the number of its leg."""
JOINED = (JOINING, BRIDGED, TRANSFERRING)
"""Where a call goes on with what was said of media."""


class CallSnapshot(Snapshot, frozen=True, gc=False):
    """A call between two events; `legs` are `a`, `b` once it is rung, then those beside them, none once it has ended.

    `lingering` are legs that the call has done with, but whose phone may turn up yet and is then to be told.
    """

    state: str
    address: str
    accepted_at: float
    legs: list[LegSnapshot]
    bridged_at: float | None = None
    ended_by: EndedBy | None = None
    why: Why | None = None
    owed: frozenset[str] = NOBODY
    backing_off: frozenset[str] = NOBODY
    tellings: int = 0
    retries: int = 0
    relay: tuple[str, str] | None = None
    named: int = 1
    attempts: tuple[LegRecord, ...] = ()
    lingering: tuple[LegSnapshot, ...] = ()
    early: SessionDescription | None = None


class CallChange(Snapshot, frozen=True, gc=False):
    """How a call stands of which a snapshot was written when both its legs were up, and nobody else has been rung since.

    Fields of its snapshot, by the same names.
    """

    state: str
    legs: tuple[LegChange, LegChange]
    bridged_at: float | None
    ended_by: EndedBy | None
    why: Why | None
    owed: frozenset[str]
    backing_off: frozenset[str]
    tellings: int
    retries: int
    relay: tuple[str, str] | None


Parts = dict[int, CallOrder | CallSnapshot | CallRecord | dict[str, float] | CallChange | Agreed | None]
"""What is kept of a call, by part; each takes the place of what was kept in that part before."""


class Written:
    """What was written of a call."""

    __slots__ = ("legs", "of_both")

    def __init__(self) -> None:
        self.legs: dict[str, WrittenOf] = {}
        """What is agreed with them, by their names."""
        self.of_both: tuple[str, str] | None = None
        """Keys of the two legs of which the snapshot is, if both were up and nobody else was rung."""


class KeptCall(msgspec.Struct, frozen=True):
    """All that is known of a call; `agreed` by the names of its legs."""

    order: CallOrder
    snapshot: CallSnapshot
    agreed: dict[str, Agreed] = {}


decode_order = msgspec.msgpack.Decoder(CallOrder).decode
decode_snapshot = msgspec.msgpack.Decoder(CallSnapshot).decode
decode_agreed = msgspec.msgpack.Decoder(Agreed).decode
decode_rang = msgspec.msgpack.Decoder(dict[str, float]).decode
decode_change = msgspec.msgpack.Decoder(CallChange | None).decode
decode_record = msgspec.msgpack.Decoder(CallRecord).decode


def parties_of(order: CallOrder) -> tuple[Party, ...]:
    """All that the order knows, each at a place of its own."""
    if not (order.a_beside or order.b_beside or order.a_instead or order.b_instead):
        return (order.a, order.b)
    groups = (order.a_beside, order.b_beside, *order.a_instead, *order.b_instead)
    return (order.a, order.b, *(party for group in groups for party in group))


def parts_of(call: Call, lingering: list[Leg], layer: TransactionLayer, written: Written) -> Parts:
    """What of a call has to be written; `written` is what was, and then is what this says."""
    state, legs = call.state, call.legs
    if written.of_both is not None and not lingering and state != ENDED and is_of_both(call, written.of_both):
        parts: Parts = {CHANGE: change_of(call, layer)}
        if state == ENDING:
            return parts
    else:
        if state == ENDED:
            legs = ()
        elif state == RINGING_A and call.b.state == IDLE and len(legs) == 2:
            legs = (call.a,)
        parts = {STATE: snapshot_of(call, legs, lingering, layer)}
        if written.of_both is not None:
            parts[CHANGE] = written.of_both = None
        if call.a.state == call.b.state == UP and not lingering:
            keys = (call.a.key, call.b.key)
            written.of_both = keys if is_of_both(call, keys) else None
    is_joined = state in JOINED
    for leg in (*legs, *lingering) if lingering else legs:
        dialog = leg.dialog
        if dialog is not None:
            what = newly_agreed(leg, dialog, is_joined, written.legs.get(leg.name))
            if what is not None:
                parts[part_of(leg.name)] = agreed(leg, what)
                written.legs[leg.name] = what
    return parts


def snapshot_of(call: Call, legs: Iterable[Leg], lingering: list[Leg], layer: TransactionLayer) -> CallSnapshot:
    parties = parties_of(call.order)
    return CallSnapshot(
        call.state,
        call.address,
        call.accepted_at,
        [snapshot(leg, parties, layer) for leg in legs],
        call.bridged_at,
        call.ended_by,
        call.why,
        call.owed,
        call.backing_off,
        call.tellings,
        call.retries,
        call.relay,
        call.named,
        call.attempts,
        tuple([snapshot(leg, parties, layer) for leg in lingering]) if lingering else (),
        call.early,
    )


def is_of_both(call: Call, keys: tuple[str, str]) -> bool:
    """Whether a call is between the two legs that have these keys, and nobody else has to do with it."""
    return call.a.key is keys[0] and call.b.key is keys[1] and not (call.rivals or call.attempts or call.early)


def change_of(call: Call, layer: TransactionLayer) -> CallChange:
    return CallChange(
        call.state,
        (change(call.a, layer), change(call.b, layer)),
        call.bridged_at,
        call.ended_by,
        call.why,
        call.owed,
        call.backing_off,
        call.tellings,
        call.retries,
        call.relay,
    )


def part_of(name: str) -> int:
    """The part that is the `Agreed` of a leg called so: `a` and `b` are 0 and 1, `b3` is 3."""
    return AGREED + (int(name[1:]) if len(name) > 1 else name == "b")


def read(parts: Mapping[int, Raw]) -> KeptCall:
    """The call that these are the parts of; KeyError, or msgspec's own, when they are not of any."""
    kept = decode_snapshot(parts[STATE])
    if RANG in parts:
        kept = with_rang(kept, decode_rang(parts[RANG]))
    if CHANGE in parts and (since := decode_change(parts[CHANGE])) is not None:
        kept = with_changes(kept, since)
    found = {
        leg.name: decode_agreed(parts[part_of(leg.name)]) for leg in (*kept.legs, *kept.lingering) if leg.has_dialog
    }
    return KeptCall(decode_order(parts[ORDER]), kept, found)


def with_rang(kept: CallSnapshot, at: Mapping[str, float]) -> CallSnapshot:
    """The snapshot, with what was said after it of since when its legs ring."""
    legs = [
        msgspec.structs.replace(leg, ringing_at=at[leg.key]) if leg.ringing_at is None and leg.key in at else leg
        for leg in kept.legs
    ]
    return msgspec.structs.replace(kept, legs=legs)


def with_changes(kept: CallSnapshot, since: CallChange) -> CallSnapshot:
    """The snapshot, with what has happened since."""
    legs = [with_change(leg, now) for leg, now in zip(kept.legs, since.legs, strict=True)]
    return msgspec.structs.replace(kept, **(msgspec.structs.asdict(since) | {"legs": legs}))


def changed(order: CallOrder, change: Callable[[Party], Party]) -> CallOrder:
    """The order with each of its parties changed."""

    def all_of(parties: tuple[Party, ...]) -> tuple[Party, ...]:
        return tuple([change(party) for party in parties])

    return msgspec.structs.replace(
        order,
        a=change(order.a),
        b=change(order.b),
        a_beside=all_of(order.a_beside),
        b_beside=all_of(order.b_beside),
        a_instead=tuple([all_of(group) for group in order.a_instead]),
        b_instead=tuple([all_of(group) for group in order.b_instead]),
    )


def without_passwords(order: CallOrder) -> CallOrder:
    """As it may be written down: the configuration has the passwords of trunks."""
    for party in parties_of(order):
        if party.password and party.trunk:
            break
    else:
        return order
    return changed(order, Party.without_password)


def with_passwords(kept: KeptCall, passwords: Mapping[str, str]) -> KeptCall:
    """The call as it was, by the passwords of the trunks that there are now."""

    def known(party: Party) -> Party:
        return party.with_password(passwords)

    def with_strangers(legs: Iterable[LegSnapshot]) -> list[LegSnapshot]:
        return [
            leg if leg.stranger is None else msgspec.structs.replace(leg, stranger=known(leg.stranger)) for leg in legs
        ]

    order = kept.order
    if any(party.username and party.trunk for party in parties_of(order)):
        order = changed(order, known)
    stands = kept.snapshot
    if any(leg.stranger is not None for leg in (*stands.legs, *stands.lingering)):
        lingering = tuple(with_strangers(stands.lingering))
        stands = msgspec.structs.replace(stands, legs=with_strangers(stands.legs), lingering=lingering)
    return msgspec.structs.replace(kept, order=order, snapshot=stands)
