"""What of a call outlives its process: the order once, and how the call stands whenever that changes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import msgspec

from c2c_b2bua.call.call import ENDED, Call
from c2c_b2bua.call.order import CallOrder
from c2c_b2bua.call.record import CallRecord, EndedBy, LegRecord
from c2c_b2bua.dialog.leg import Leg
from c2c_b2bua.dialog.party import Party
from c2c_b2bua.dialog.snapshot import LegSnapshot, Snapshot, snapshot
from c2c_b2bua.sdp import SessionDescription
from c2c_b2bua.sip.reason import Why
from c2c_b2bua.transaction.actions import Action
from c2c_b2bua.transaction.layer import TransactionLayer

ORDER, STATE, RECORD, RANG = 0, 1, 2, 3
"""The parts of what is kept of a call: `CallOrder`, `CallSnapshot`, `CallRecord` once it has ended, `at` of `Rang`."""


class CallSnapshot(Snapshot, frozen=True, gc=False):
    """A call between two events; `legs` are `a`, `b`, then those beside them, none of a call that has ended.

    `lingering` are legs that the call has done with, but whose phone may turn up yet and is then to be told.
    """

    state: str
    address: str
    accepted_at: float
    legs: tuple[LegSnapshot, ...]
    bridged_at: float | None = None
    ended_by: EndedBy | None = None
    why: Why | None = None
    owed: tuple[str, ...] = ()
    backing_off: tuple[str, ...] = ()
    tellings: int = 0
    retries: int = 0
    relay: tuple[str, str] | None = None
    named: int = 1
    attempts: tuple[LegRecord, ...] = ()
    lingering: tuple[LegSnapshot, ...] = ()
    early: SessionDescription | None = None


class Keep(Action, frozen=True, gc=False):
    """Remember this of a call, before anything that follows is done; `order` comes with the first one."""

    call_id: str
    snapshot: CallSnapshot
    order: CallOrder | None


class Rang(Action, frozen=True, gc=False):
    """Nothing but this has changed: legs ring, by their keys, since `at`."""

    call_id: str
    at: dict[str, float]


class Release(Action, frozen=True, gc=False):
    """Nothing of this call is alive any more; it comes after `CallEnded`, sometimes half a minute after."""

    call_id: str


encode = msgspec.msgpack.Encoder().encode
decode_order = msgspec.msgpack.Decoder(CallOrder).decode
decode_snapshot = msgspec.msgpack.Decoder(CallSnapshot).decode
decode_rang = msgspec.msgpack.Decoder(dict[str, float]).decode
decode_record = msgspec.msgpack.Decoder(CallRecord).decode


def parties_of(order: CallOrder) -> tuple[Party, ...]:
    """All that the order knows, each at a place of its own."""
    if not (order.a_beside or order.b_beside or order.a_instead or order.b_instead):
        return (order.a, order.b)
    groups = (order.a_beside, order.b_beside, *order.a_instead, *order.b_instead)
    return (order.a, order.b, *(party for group in groups for party in group))


def snapshot_of(call: Call, lingering: Iterable[Leg], layer: TransactionLayer) -> CallSnapshot:
    parties = parties_of(call.order)
    return CallSnapshot(
        call.state,
        call.address,
        call.accepted_at,
        tuple([snapshot(leg, parties, layer) for leg in call.legs]) if call.state != ENDED else (),
        call.bridged_at,
        call.ended_by,
        call.why,
        tuple(call.owed),
        tuple(call.backing_off),
        call.tellings,
        call.retries,
        call.relay,
        call.named,
        call.attempts,
        tuple([snapshot(leg, parties, layer) for leg in lingering]),
        call.early,
    )


def with_rang(kept: CallSnapshot, at: Mapping[str, float]) -> CallSnapshot:
    """The snapshot, with what `Rang` said after it."""
    legs = tuple(
        msgspec.structs.replace(leg, ringing_at=at[leg.key]) if leg.ringing_at is None and leg.key in at else leg
        for leg in kept.legs
    )
    return msgspec.structs.replace(kept, legs=legs)


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
    if not any(party.password and party.trunk for party in parties_of(order)):
        return order
    return changed(order, lambda party: msgspec.structs.replace(party, password="") if party.trunk else party)


def with_passwords(order: CallOrder, passwords: Mapping[str, str]) -> CallOrder:
    """The order as it was, by the passwords of the trunks that there are now."""
    if not any(party.username and party.trunk for party in parties_of(order)):
        return order

    def known(party: Party) -> Party:
        password = passwords.get(party.trunk) if party.username else None
        return party if password is None else msgspec.structs.replace(party, password=password)

    return changed(order, known)
