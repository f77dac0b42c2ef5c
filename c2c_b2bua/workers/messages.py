"""What the desk, the process with HTTP, service and storage, and a worker, a process with an engine, tell each other."""

from __future__ import annotations

import msgspec

from c2c_b2bua.call.news import (
    CallBridged,
    CallEnded,
    CallNews,
    LegAnswered,
    LegFailed,
    LegJoined,
    LegRerouted,
    LegRinging,
    LegStays,
    TransferAsked,
)
from c2c_b2bua.call.order import CallOrder, Party
from c2c_b2bua.call.record import CallRecord, LegName
from c2c_b2bua.config import Sip
from c2c_b2bua.storage.entries import encoded


class Message(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One frame; its first member says which it is. Both ends are always of one release."""


# ── from the desk ────────────────────────────────────────────────────────────────────────────────────────────────────


class Begin(Message, frozen=True, gc=False, tag=1):
    """Open your sockets, and take over what a worker before you has left; `Ready` or `Failed` is awaited."""

    sip: Sip
    journal: str
    passwords: dict[str, str]
    """Of trunks, by name: orders are written down without them."""
    replays: str
    """Directory of recordings; empty: none are made."""
    replays_kept: int


class Connect(Message, frozen=True, gc=False, tag=2):
    order: CallOrder


class HangUp(Message, frozen=True, gc=False, tag=3):
    call_id: str


class Transfer(Message, frozen=True, gc=False, tag=4):
    call_id: str
    leg: LegName
    key: str
    parties: tuple[Party, ...]


class RefuseTransfer(Message, frozen=True, gc=False, tag=5):
    call_id: str
    leg: LegName
    key: str
    status: int
    reason: str


class Forget(Message, frozen=True, gc=False, tag=6):
    """The record of this call is on disk, or nobody wants it."""

    call_id: str


class Release(Message, frozen=True, gc=False, tag=7):
    """The survivors are known: tell what has happened to them since."""


class Welcome(Message, frozen=True, gc=False, tag=8):
    """Requests from these hosts get an answer."""

    hosts: list[str]


class Renew(Message, frozen=True, gc=False, tag=9):
    """Read the certificates again."""


class Count(Message, frozen=True, gc=False, tag=10):
    """`Counted` is awaited."""


class Close(Message, frozen=True, gc=False, tag=11):
    """Hang up every call, and give phones so many seconds to say yes; `Closed` is awaited. The second one is in a hurry."""

    grace: float


# ── from a worker ────────────────────────────────────────────────────────────────────────────────────────────────────


class Failed(Message, frozen=True, gc=False, tag=21):
    """It cannot begin."""

    number: int | None
    """The errno."""
    reason: str


class Survivors(Message, frozen=True, gc=False, tag=22):
    """How calls stand that were taken over; those that have ended have an `ended_at`."""

    records: list[CallRecord]


class Ready(Message, frozen=True, gc=False, tag=23):
    """All survivors were named; it takes calls."""


class Told(Message, frozen=True, gc=False, tag=24):
    """Something happened to a call: `news` is of that kind."""

    kind: int
    news: msgspec.Raw


class Counted(Message, frozen=True, gc=False, tag=25):
    counts: dict[str, int]


class Closed(Message, frozen=True, gc=False, tag=26):
    """No call is left; records may still be asked to be forgotten."""


class Used(Message, frozen=True, gc=False, tag=27):
    """CPU that the process has used since it began."""

    seconds: float


class Behind(Message, frozen=True, gc=False, tag=28):
    """For how many seconds more has come than it could take in; said every so often, until it is 0."""

    seconds: float


FromDesk = Begin | Connect | HangUp | Transfer | RefuseTransfer | Forget | Release | Welcome | Renew | Count | Close
FromWorker = Failed | Survivors | Ready | Told | Counted | Closed | Used | Behind

KINDS: tuple[type[CallNews], ...] = (
    LegRinging,
    LegFailed,
    LegRerouted,
    LegAnswered,
    LegStays,
    LegJoined,
    TransferAsked,
    CallBridged,
    CallEnded,
)
NUMBERS = {kind: number for number, kind in enumerate(KINDS)}
decode = [msgspec.msgpack.Decoder(kind).decode for kind in KINDS]


def told(news: CallNews) -> Told:
    return Told(NUMBERS[type(news)], msgspec.Raw(encoded(news)))


def news_of(message: Told) -> CallNews:
    return decode[message.kind](message.news)
