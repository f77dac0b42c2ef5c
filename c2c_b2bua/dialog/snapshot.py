"""What of a leg outlives its process: enough to go on talking, to answer what was asked, and to take back what rings.

Kept are the dialog, what was said of media and session, and the transactions whose loss the peer would notice. Left out
is what the peer or a timer brings again: challenges, early dialogs, INFO on its way, the ACKs of 2xx, our BYE and CANCEL.

`LegSnapshot` is how it stands, written anew whenever its call changes; `Agreed` what is agreed with the peer, written
when it is not what was written last.
"""

from __future__ import annotations

import msgspec

from c2c_b2bua.dialog.dialog import Dialog
from c2c_b2bua.dialog.extensions import STANDARD
from c2c_b2bua.dialog.leg import CANCELLING, INVITING, RINGING, Leg
from c2c_b2bua.dialog.party import Party
from c2c_b2bua.dialog.session_timer import SessionTimer
from c2c_b2bua.sdp import SessionDescription
from c2c_b2bua.sip.flow import Flow
from c2c_b2bua.sip.message import Request
from c2c_b2bua.sip.reason import Why
from c2c_b2bua.sip.uri import Uri
from c2c_b2bua.transaction.layer import TransactionLayer
from c2c_b2bua.transaction.matching import client_key


class Snapshot(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Fields are only ever added, at the end and with a default: a release reads what the one before it has written."""


class Place(Snapshot, frozen=True, gc=False):
    """A flow without its connection, which died with the process."""

    index: int
    transport: str
    host: str
    port: int
    name: str


class DialogSnapshot(Snapshot, frozen=True, gc=False):
    local: list[str]
    remote: list[str]
    remote_tag: str
    remote_target: Uri
    routes: list[str]
    place: Place | None


class SessionSnapshot(Snapshot, frozen=True, gc=False):
    interval: int
    least: int
    is_agreed: bool
    is_ours: bool
    refresh_at: float
    ends_at: float


class Sent(Snapshot, frozen=True, gc=False):
    """A request of ours that has no final response: the INVITE, or an offer inside the dialog."""

    method: str
    branch: str
    sequence: int
    place: Place
    is_refresh: bool = False


class Asked(Snapshot, frozen=True, gc=False):
    """A re-INVITE or UPDATE of the peer that waits for our answer; with `response`, a 2xx that waits for its ACK."""

    key: str
    message: bytes
    place: Place
    wants_answer: bool = False
    sequence: int = 0


class Agreed(Snapshot, frozen=True, gc=False):
    """What is agreed with the peer: written once, and when it moves."""

    dialog: DialogSnapshot
    peer: Place | None
    """Where the INVITE went last."""
    local: SessionDescription | None
    """What was said of media, unless that is not needed any more, or not yet."""
    remote: SessionDescription | None


WrittenOf = tuple[str, Dialog, Uri, Flow | None, SessionDescription | None, SessionDescription | None]
"""What an `Agreed` was written of: the key of its leg, then what may be another object when it is to be written anew."""


class LegSnapshot(Snapshot, frozen=True, gc=False):
    """`party` is the number of the party in the order; one that it does not know is in `stranger`."""

    name: str
    key: str
    tag: str
    party: int
    stranger: Party | None
    state: str
    sequence: int
    media: str
    """Who owes whom a description."""
    has_dialog: bool
    """There is an `Agreed`."""
    remote_seq: int | None = None
    why: Why | None = None
    sip_code: int | None = None
    sip_reason: str | None = None
    invited_at: float | None = None
    ringing_at: float | None = None
    answered_at: float | None = None
    ended_at: float | None = None
    trail: bytes = b""
    phrases: dict[int, str] = {}
    session: SessionSnapshot | None = None
    takes_update: bool = False
    terms: tuple[tuple[str, ...], tuple[str, ...]] | None = None
    peer: Place | None = None
    """Where the INVITE went last, of a leg that has neither a dialog nor an INVITE under way."""
    invites: tuple[Sent, ...] = ()
    owed_ack: Sent | None = None
    offered: SessionDescription | None = None
    offer: Sent | None = None
    pending: tuple[Asked, ...] = ()
    unacked: Asked | None = None


class LegChange(Snapshot, frozen=True, gc=False):
    """What may be otherwise of a leg than it was when it was up: fields of its snapshot, by the same names."""

    state: str
    sequence: int
    media: str
    remote_seq: int | None
    why: Why | None
    ended_at: float | None
    trail: bytes
    phrases: dict[int, str]
    session: SessionSnapshot | None
    takes_update: bool
    owed_ack: Sent | None
    offered: SessionDescription | None
    offer: Sent | None
    pending: tuple[Asked, ...]
    unacked: Asked | None


def change(leg: Leg, layer: TransactionLayer) -> LegChange:
    media, dialog, reinvite = leg.media, leg.dialog, leg.reinvite
    return LegChange(
        leg.state,
        leg.sequence,
        media.state,
        dialog.remote_seq if dialog is not None else None,
        leg.why,
        leg.ended_at,
        leg.trail,
        leg.phrases,
        of_session(leg.session) if leg.session is not None else None,
        leg.takes_update,
        sent(leg.owed_ack) if leg.owed_ack is not None else None,
        media.offered,
        sent(reinvite, reinvite is leg.refresh) if reinvite is not None else None,
        pending_of(leg, layer) if leg.pending else (),
        unacked_of(leg, layer) if leg.unacked is not None else None,
    )


def with_change(leg: LegSnapshot, since: LegChange) -> LegSnapshot:
    """The leg as it stands since then."""
    return msgspec.structs.replace(leg, **msgspec.structs.asdict(since))


def snapshot(leg: Leg, parties: tuple[Party, ...], layer: TransactionLayer) -> LegSnapshot:
    """The leg as it stands, between two events."""
    party = leg.party
    number = 0 if party is parties[0] else 1 if party is parties[1] else number_of(party, parties)
    state, media, dialog, terms, reinvite = leg.state, leg.media, leg.dialog, leg.terms, leg.reinvite
    is_rung = state in (INVITING, RINGING, CANCELLING)
    return LegSnapshot(
        leg.name,
        leg.key,
        leg.tag,
        number,
        party.without_password() if number < 0 else None,
        state,
        leg.sequence,
        media.state,
        dialog is not None,
        dialog.remote_seq if dialog is not None else None,
        leg.why,
        leg.sip_code,
        leg.sip_reason,
        leg.invited_at,
        leg.ringing_at,
        leg.answered_at,
        leg.ended_at,
        leg.trail,
        leg.phrases,
        of_session(leg.session) if leg.session is not None else None,
        leg.takes_update,
        None if terms is STANDARD else (terms.offered, terms.demanded),
        peer_of(leg) if dialog is None and not is_rung else None,
        invites_of(leg, layer) if is_rung else (),
        sent(leg.owed_ack) if leg.owed_ack is not None else None,
        media.offered,
        sent(reinvite, reinvite is leg.refresh) if reinvite is not None else None,
        pending_of(leg, layer) if leg.pending else (),
        unacked_of(leg, layer) if leg.unacked is not None else None,
    )


def newly_agreed(leg: Leg, dialog: Dialog, is_joined: bool, written: WrittenOf | None) -> WrittenOf | None:
    """What `agreed` is to be written of; None when all that is needed was written.

    `is_joined`: the legs know each other's media, or are about to.
    """
    media = leg.media
    if (
        written is not None
        and written[0] is leg.key
        and written[1] is dialog
        and written[2] is dialog.remote_target
        and written[3] is dialog.flow
        and (not is_joined or (written[4] is media.local and written[5] is media.remote))
    ):
        return None
    local, remote = (media.local, media.remote) if is_joined else (None, None)
    return leg.key, dialog, dialog.remote_target, dialog.flow, local, remote


def agreed(leg: Leg, what: WrittenOf) -> Agreed:
    _, dialog, target, flow, local, remote = what
    place = None if flow is None else place_of(flow)
    known = DialogSnapshot([dialog.local], [dialog.remote], dialog.remote_tag, target, dialog.routes, place)
    return Agreed(known, peer_of(leg), local, remote)


def number_of(party: Party, parties: tuple[Party, ...]) -> int:
    """Its place among those of the order, -1 for one that is not of them."""
    for number, known in enumerate(parties):
        if known is party:
            return number
    return -1


def peer_of(leg: Leg) -> Place | None:
    """Where the INVITE went last."""
    flow = leg.way
    return None if flow is None else place_of(flow)


def place_of(flow: Flow) -> Place:
    interface = flow.interface
    return Place(interface.index, interface.transport, flow.host, flow.port, flow.name)


def of_session(session: SessionTimer) -> SessionSnapshot:
    return SessionSnapshot(
        session.interval, session.least, session.is_agreed, session.is_ours, session.refresh_at, session.ends_at
    )


def sent(request: Request, is_refresh: bool = False) -> Sent | None:
    """None for one that has not left yet: its next hop is still looked up."""
    flow, via = request.flow, request.headers.get("Via")
    if flow is None or not via:
        return None
    # Our own Via, which needs no reading.
    branch = via[0].partition(";branch=")[2].partition(";")[0]
    return Sent(request.method, branch, request.cseq.number, place_of(flow), is_refresh)


def invites_of(leg: Leg, layer: TransactionLayer) -> tuple[Sent, ...]:
    """The INVITE as it went to its last target, then as it went to those that were left behind."""
    last = sent(leg.invite) if leg.invite is not None else None
    if last is None:
        return ()
    search = layer.searches.get(client_key(last.branch, "INVITE")) if layer.searches else None
    if search is None:
        return (last,)
    left = [sent(layer.clients[key].request) for key in search.left if key in layer.clients]
    return (last, *(one for one in left if one is not None))


def pending_of(leg: Leg, layer: TransactionLayer) -> tuple[Asked, ...]:
    return tuple(
        Asked(key, bytes(request), place_of(layer.servers[key].flow))
        for key, request in leg.pending.items()
        if request.method in ("INVITE", "UPDATE") and key in layer.servers
    )


def unacked_of(leg: Leg, layer: TransactionLayer) -> Asked | None:
    unacked = leg.unacked
    server = layer.servers.get(unacked.key) if unacked is not None else None
    if unacked is None or server is None:
        return None
    return Asked(unacked.key, bytes(unacked.response), place_of(server.flow), unacked.wants_answer, unacked.sequence)
