"""A recording, line by line: the order of a call, then each input with the time, and what the core made of it.

The core is a function of these lines: one that is given the same inputs says the same. Passwords are not in them, and
the answers to challenges, from which passwords could be guessed, are starred.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from c2c_b2bua.call.order import CallOrder
from c2c_b2bua.call.record import EndedBy, LegName
from c2c_b2bua.dialog.party import Party
from c2c_b2bua.sip.flow import Flow, Interface, Target
from c2c_b2bua.sip.reason import Why

VERSION = 1
SECRET = "recorded"
"""In place of every password: an INVITE with a wrong answer to a challenge has the same form as one with the right one."""
DIGEST = re.compile(rb"(?im)^((?:Proxy-)?Authorization[ \t]*:[^\r\n]*?\bresponse=\")([0-9a-f]+)")


Over = tuple[int, str, int, int, str]
"""A flow: the place of our socket among all of them, then host, port, number and name of the peer's end."""


def over(flow: Flow, interfaces: list[Interface]) -> Over:
    return (interfaces.index(flow.interface), flow.host, flow.port, flow.connection, flow.name)


class Packet(msgspec.Struct, frozen=True, omit_defaults=True):
    """Bytes as text, or in base64 where they are none."""

    over: Over
    text: str = ""
    raw: bytes = b""

    @classmethod
    def of(cls, data: bytes, flow: Flow, interfaces: list[Interface]) -> Packet:
        data = DIGEST.sub(lambda found: found[1] + b"*" * len(found[2]), data)
        try:
            return cls(over(flow, interfaces), data.decode())
        except UnicodeDecodeError:
            return cls(over(flow, interfaces), raw=data)

    @property
    def data(self) -> bytes:
        return self.raw or self.text.encode()

    def flow(self, interfaces: list[Interface]) -> Flow:
        place, host, port, connection, name = self.over
        return Flow(interfaces[place], host, port, connection, name)


class Input(msgspec.Struct, frozen=True, tag_field="input", omit_defaults=True):
    """What the core was given."""


class Connect(Input, frozen=True, tag="connect"):
    """The first line."""

    version: int
    order: CallOrder
    interfaces: list[Interface]
    secret: bytes
    """What the tokens of this call are made from, and of no other."""
    engine: str


class Receive(Input, frozen=True, tag="receive"):
    """A message; whether its sender was one we listen to, and whether a phone is registered over its flow."""

    packet: Packet
    is_known: bool = False
    is_registered: bool = False


class Tick(Input, frozen=True, tag="tick"):
    """A timer of this call acted: that of the machine with this key."""

    machine: str


class Located(Input, frozen=True, tag="located"):
    """Where the `number`th hop is that the call asked for; `dead`: places that had failed lately, until then."""

    number: int
    targets: list[Target]
    dead: list[tuple[str, str, int, float]] = []


class Unreachable(Input, frozen=True, tag="unreachable"):
    """A stream could not be opened, or broke."""

    over: Over


class Undelivered(Input, frozen=True, tag="undelivered"):
    """The beginning of a request that the network could not deliver."""

    packet: Packet


class HangUp(Input, frozen=True, tag="hang up"):
    why: Why
    ended_by: EndedBy


class Abandon(Input, frozen=True, tag="abandon"):
    why: Why


class Transfer(Input, frozen=True, tag="transfer"):
    """Others may take the place of a phone that asked for it."""

    leg: LegName
    key: str
    parties: tuple[Party, ...]


class RefuseTransfer(Input, frozen=True, tag="refuse transfer"):
    leg: LegName
    key: str
    status: int
    reason: str


Given = Connect | Receive | Tick | Located | Unreachable | Undelivered | HangUp | Abandon | Transfer | RefuseTransfer


class Output(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the core made of it: a message, a hop to be looked up, or news of the call."""

    sent: Packet | None = None
    locate: str = ""
    news: str = ""
    told: dict[str, Any] = {}


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """One input at a time, and what came of it. `seals` are tags that only the engine's own secret gives."""

    at: float
    given: Given
    out: list[Output] = []
    seals: dict[str, str] = {}


encoder = msgspec.json.Encoder()
decoder = msgspec.json.Decoder(Line)


def without_passwords(order: CallOrder) -> CallOrder:
    """The order as it may be kept."""
    return msgspec.structs.replace(
        order,
        a=masked(order.a),
        b=masked(order.b),
        a_beside=tuple(map(masked, order.a_beside)),
        b_beside=tuple(map(masked, order.b_beside)),
        a_instead=tuple(tuple(map(masked, group)) for group in order.a_instead),
        b_instead=tuple(tuple(map(masked, group)) for group in order.b_instead),
    )


def masked(party: Party) -> Party:
    return msgspec.structs.replace(party, password=SECRET) if party.password else party
