"""Plays a recording: the same inputs into a new core, what comes out held against what came out then."""

from __future__ import annotations

from typing import Any

import msgspec

from c2c_b2bua.b2bua import B2bua
from c2c_b2bua.recording.recorder import outputs
from c2c_b2bua.recording.tape import (
    VERSION,
    Abandon,
    Connect,
    HangUp,
    Line,
    Located,
    Output,
    Packet,
    Receive,
    RefuseTransfer,
    Tick,
    Transfer,
    Undelivered,
    Unreachable,
    decoder,
    encoder,
)
from c2c_b2bua.registration.registrar import Registrar
from c2c_b2bua.sip.errors import SipError
from c2c_b2bua.sip.flow import Flow, Interfaces
from c2c_b2bua.sip.message import Message, Request
from c2c_b2bua.sip.reading import parse
from c2c_b2bua.sip.tokens import Tokens
from c2c_b2bua.transaction.actions import Action, Locate

ABOUT_US = ("Allow", "Supported", "User-Agent", "Server", "Accept")
"""Headers that say what we are able to, whatever the call: they may differ from those of another version."""


class RecordingError(Exception):
    """The file is no recording; the text says where."""


class SameTokens(Tokens):
    """The tokens of the call that was recorded."""

    __slots__ = ("sealed",)

    def __init__(self, secret: bytes, engine: str, sealed: dict[str, str]) -> None:
        super().__init__(secret, engine)
        self.sealed = sealed

    def seal(self, text: str) -> str:
        return self.sealed.get(text) or super().seal(text)


class SameRegistrar(Registrar):
    """Knows of the sender of a message what was known of it then."""

    was_registered = False

    def is_registered(self, flow: Flow) -> bool:
        return self.was_registered


class Difference(msgspec.Struct, frozen=True):
    """The first place where a replay is not as it was: line of the file, what was said then and now."""

    line: int
    then: str
    now: str

    def __str__(self) -> str:
        return f"line {self.line}\n--- then\n{self.then}\n--- now\n{self.now}"


class Replay:
    """One recording, to be played once; RecordingError when it is none."""

    def __init__(self, data: bytes) -> None:
        self.lines: list[Line] = []
        for number, text in enumerate(data.splitlines(), 1):
            try:
                self.lines.append(decoder.decode(text))
            except msgspec.MsgspecError as error:
                raise RecordingError(f"line {number} is no line of a recording: {error}") from error
        first = self.lines[0].given if self.lines else None
        if not isinstance(first, Connect) or any(isinstance(line.given, Connect) for line in self.lines[1:]):
            raise RecordingError("a recording begins with the order of one call")
        if first.version != VERSION:
            raise RecordingError(f"this is a recording of version {first.version}, not {VERSION}")
        self.order, self.ours = first.order, first.interfaces
        seals = {key: tag for line in self.lines for key, tag in line.seals.items()}
        tokens = SameTokens(first.secret, first.engine, seals)
        self.core = B2bua(Interfaces(first.interfaces), tokens)
        self.registrar = self.core.registrar = SameRegistrar(tokens)
        self.tickets: list[int] = []
        self.messages = 0

    def play(self) -> Difference | None:
        """The first difference; None: all is as it was."""
        for number, line in enumerate(self.lines, 1):
            try:
                actions = self.give(line)
            except (LookupError, SipError, ValueError) as error:
                return Difference(number, drawn(line.out), f"{type(error).__name__}: {error}")
            self.tickets += [action.ticket for action in actions if isinstance(action, Locate)]
            out = outputs(actions, self.core)
            self.messages += sum(output.sent is not None for output in out) + isinstance(line.given, Receive)
            difference = differing(line.out, out)
            if difference is not None:
                return Difference(number, *difference)
        return None

    def give(self, line: Line) -> list[Action]:
        core, now = self.core, line.at
        match line.given:
            case Connect():
                return core.connect(self.order, now)
            case Receive(packet, is_known, is_registered):
                core.answer_strangers, self.registrar.was_registered = is_known, is_registered
                return core.receive(packet.data, packet.flow(self.ours), now)
            case Tick(machine):
                return self.tick(machine, now)
            case Located(number, targets, dead):
                core.dead.until = {(transport, host, port): until for transport, host, port, until in dead}
                return core.located(self.tickets[number], targets, now)
            case Unreachable(over):
                return core.unreachable(Packet(over).flow(self.ours), now)
            case Undelivered(packet):
                return core.undelivered(packet.data, packet.flow(self.ours), now)
            case HangUp(why, ended_by):
                return core.hang_up(self.order.call_id, now, why, ended_by)
            case Transfer(leg, key, parties):
                return core.transfer(self.order.call_id, leg, key, parties, now)
            case RefuseTransfer(leg, key, status, reason):
                return core.refuse_transfer(self.order.call_id, leg, key, status, reason, now)
            case Abandon(why):
                return core.abandon(self.order.call_id, why, now)

    def tick(self, machine: str, now: float) -> list[Action]:
        """Let the timers act that are due, up to one of this machine; those before it belonged to nobody any more."""
        core, found = self.core, list[Action]()
        while (due := core.next_due) is not None and due <= now:
            found += core.tick(now)
            if core.acting == machine:
                break
        return found

    def as_it_is_now(self) -> bytes:
        """The recording that the same inputs would make now."""
        lines = []
        for line in self.lines:
            actions = self.give(line)
            self.tickets += [action.ticket for action in actions if isinstance(action, Locate)]
            lines.append(encoder.encode(msgspec.structs.replace(line, out=outputs(actions, self.core))))
        return b"\n".join([*lines, b""])


def differing(then: list[Output], now: list[Output]) -> tuple[str, str] | None:
    """The first two outputs that do not say the same."""
    for place in range(max(len(then), len(now))):
        before, after = then[place : place + 1], now[place : place + 1]
        if not before or not after or not agree(before[0], after[0]):
            return drawn(before), drawn(after)
    return None


def agree(then: Output, now: Output) -> bool:
    if then.sent is None or now.sent is None:
        return (then.sent, then.locate, then.news) == (now.sent, now.locate, now.news) and includes(now.told, then.told)
    return then.sent.over == now.sent.over and essence(then.sent.data) == essence(now.sent.data)


def essence(data: bytes) -> object:
    """A message without what it says of us in general."""
    try:
        message: Message = parse(data)
    except SipError:
        return data
    headers = {name: values for name, values in message.headers.items() if name not in ABOUT_US}
    return isinstance(message, Request), message.start_line(), headers, message.body


def includes(whole: Any, part: Any) -> bool:
    """Whether all of `part` is in `whole`, which may have members that were not known then."""
    if isinstance(whole, dict) and isinstance(part, dict):
        return all(name in whole and includes(whole[name], value) for name, value in part.items())
    if isinstance(whole, list) and isinstance(part, list) and len(whole) == len(part):
        return all(map(includes, whole, part))
    return bool(whole == part)


def drawn(out: list[Output]) -> str:
    """Outputs for people to read."""
    found = []
    for output in out:
        if output.sent is not None:
            found.append(f"to {output.sent.over[1]}:{output.sent.over[2]}\n{output.sent.data.decode(errors='replace')}")
        else:
            found.append(f"look up {output.locate}" if output.locate else f"{output.news} {output.told}")
    return "\n".join(found) or "nothing"
