"""A core that says, beside what it does, what it was given for each call and what came of it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence

import msgspec

from c2c_b2bua.b2bua import B2bua
from c2c_b2bua.call.news import CallNews
from c2c_b2bua.call.order import CallOrder
from c2c_b2bua.call.record import EndedBy, LegName
from c2c_b2bua.call.transfer import replaced_by
from c2c_b2bua.dialog import events
from c2c_b2bua.dialog.party import Party
from c2c_b2bua.recording.tape import (
    VERSION,
    Abandon,
    Connect,
    Given,
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
    encoder,
    masked,
    without_passwords,
)
from c2c_b2bua.sip.flow import Flow, Interfaces, Target
from c2c_b2bua.sip.reason import HUNG_UP, Why, in_unicode
from c2c_b2bua.sip.tokens import Tokens
from c2c_b2bua.transaction.actions import Action, Locate, Send, Work
from c2c_b2bua.transaction.layer import Machine, same_peer

CALL_ID = re.compile(rb"(?im)^(?:Call-ID|i)[ \t]*:[ \t]*([^\s]+)")


class Recorded(Action, frozen=True, gc=False):
    """One more line of the recording of a call; `is_last`: nothing of the call is left."""

    call_id: str
    line: bytes
    is_last: bool


class CallTokens(Tokens):
    """The tokens of one call, from a secret of its own; what has to be known for ever is sealed by the engine's."""

    __slots__ = ("sealed", "sealer")

    def __init__(self, secret: bytes, sealer: Tokens) -> None:
        super().__init__(secret, sealer.engine)
        self.sealer = sealer
        self.sealed: dict[str, str] = {}
        """Seals given since the last line."""

    def seal(self, text: str) -> str:
        found = self.sealed[text] = self.sealer.seal(text)
        return found


class Tape:
    """What has to be known of a call that is recorded."""

    __slots__ = ("legs", "tickets", "tokens")

    def __init__(self, tokens: CallTokens) -> None:
        self.tokens = tokens
        self.tickets: dict[int, int] = {}
        """Ticket of a hop that is looked up -> how many the call had looked up before."""
        self.legs: set[str] = set()
        """SIP Call-IDs of its legs."""


class Recorder(B2bua):
    """Every call that begins here is recorded until nothing of it is left."""

    def __init__(
        self, interfaces: Interfaces, tokens: Tokens, answer_strangers: bool = False, keeps: bool = False
    ) -> None:
        super().__init__(interfaces, tokens, answer_strangers, keeps)
        self.tapes: dict[str, Tape] = {}
        self.is_ticking = False
        self.actor: str | None = None
        """The call whose timer acted last."""

    # ── tokens ───────────────────────────────────────────────────────────────────────────────────────────────────

    def tokens_for(self, order: CallOrder) -> Tokens:
        secret = hashlib.blake2b(order.call_id.encode(), key=self.tokens.secret[:64], digest_size=32).digest()
        tokens = CallTokens(secret, self.tokens)
        self.tapes[order.call_id] = Tape(tokens)
        return tokens

    def tokens_of(self, owner: str) -> Tokens:
        leg = self.legs.get(owner)
        return leg.tokens if leg is not None else self.tokens

    # ── what goes in ─────────────────────────────────────────────────────────────────────────────────────────────

    def connect(self, order: CallOrder, now: float) -> list[Action]:
        try:
            out = super().connect(order, now)
        except BaseException:
            self.tapes.pop(order.call_id, None)
            raise
        secret = self.tapes[order.call_id].tokens.secret
        ours = self.interfaces.interfaces
        given = Connect(VERSION, without_passwords(order), ours, secret, self.tokens.engine)
        return self.noted(order.call_id, now, given, out)

    def receive(self, data: bytes, flow: Flow, now: float) -> list[Action]:
        found = CALL_ID.search(data)
        leg = self.legs.get(found[1].decode("utf-8", "surrogateescape")) if found else None
        if leg is None or leg.call not in self.tapes:
            return super().receive(data, flow, now)
        call_id = leg.call
        packet = Packet.of(data, flow, self.interfaces.interfaces)
        given = Receive(packet, self.knows(flow), self.registrar.is_registered(flow))
        return self.noted(call_id, now, given, super().receive(data, flow, now))

    def tick(self, now: float) -> list[Action]:
        self.is_ticking, self.actor = True, None
        out = super().tick(now)
        self.is_ticking = False
        return out if self.actor is None else self.noted(self.actor, now, Tick(self.acting), out)

    def machine_of(self, key: str) -> Machine | None:
        if self.is_ticking:
            self.actor = self.call_of(key)
        return super().machine_of(key)

    def settle(self, work: Work, now: float) -> list[Action]:
        self.is_ticking = False
        return super().settle(work, now)

    def located(self, ticket: int, targets: Sequence[Target], now: float) -> list[Action]:
        action = self.located_later.get(ticket)
        leg = self.legs.get(action.owner) if action is not None else None
        tape = self.tapes.get(leg.call) if leg is not None else None
        if leg is None or tape is None:
            return super().located(ticket, targets, now)
        places = {(target.transport, target.address, target.port) for target in targets}
        dead = [(*place, until) for place, until in self.dead.until.items() if place in places]
        given = Located(tape.tickets.pop(ticket, 0), list(targets), dead)
        return self.noted(leg.call, now, given, super().located(ticket, targets, now))

    def unreachable(self, flow: Flow, now: float) -> list[Action]:
        hit = [one for one in (*self.clients.values(), *self.servers.values()) if same_peer(one.flow, flow)]
        calls = dict.fromkeys(call_id for one in hit if (call_id := self.call_of(one.owner)) in self.tapes)
        out = super().unreachable(flow, now)
        given = Unreachable(
            (self.interfaces.interfaces.index(flow.interface), flow.host, flow.port, flow.connection, flow.name)
        )
        lines: list[Action] = []
        for call_id in calls:
            assert call_id is not None
            mine = [action for action in out if self.is_of(action, call_id)]
            lines += self.noted(call_id, now, given, mine)[:1]
        return [*lines, *out]

    def undelivered(self, data: bytes, flow: Flow, now: float) -> list[Action]:
        client = self.sender_of(data, flow)
        call_id = self.call_of(client.owner) if client is not None else None
        out = super().undelivered(data, flow, now)
        if call_id is None:
            return out
        return self.noted(call_id, now, Undelivered(Packet.of(data, flow, self.interfaces.interfaces)), out)

    def hang_up(self, call_id: str, now: float, why: Why = HUNG_UP, ended_by: EndedBy = "api") -> list[Action]:
        out = super().hang_up(call_id, now, why, ended_by)
        return self.noted(call_id, now, HangUp(why, ended_by), out)

    def transfer(self, call_id: str, leg: LegName, key: str, parties: tuple[Party, ...], now: float) -> list[Action]:
        out = super().transfer(call_id, leg, key, parties, now)
        return self.noted(call_id, now, Transfer(leg, key, tuple(map(masked, parties))), out)

    def refuse_transfer(
        self, call_id: str, leg: LegName, key: str, status: int, reason: str, now: float
    ) -> list[Action]:
        out = super().refuse_transfer(call_id, leg, key, status, reason, now)
        return self.noted(call_id, now, RefuseTransfer(leg, key, status, reason), out)

    def abandon(self, call_id: str, why: Why, now: float) -> list[Action]:
        return self.noted(call_id, now, Abandon(why), super().abandon(call_id, why, now))

    def transfer_wanted(self, event: events.TransferWanted, now: float) -> Work:
        """Two calls that are joined cannot be played again one by one: their recordings end before that."""
        leg = replaced_by(event.replaces, self.legs) if event.replaces else None
        if leg is not None and leg.call != event.call:
            for call_id in (event.call, leg.call):
                self.tapes.pop(call_id, None)
        return super().transfer_wanted(event, now)

    # ── what is noted of it ──────────────────────────────────────────────────────────────────────────────────────

    def noted(self, call_id: str, now: float, given: Given, out: list[Action]) -> list[Action]:
        """What comes out, after the line that says so: what is caused by it comes later in the recording."""
        tape = self.tapes.get(call_id)
        if tape is None:
            return out
        call = self.calls.get(call_id)
        if call is not None:
            tape.legs |= {leg.key for leg in call.legs}
        for action in out:
            if type(action) is Locate:
                tape.tickets[action.ticket] = len(tape.tickets)
        seals, tape.tokens.sealed = tape.tokens.sealed, {}
        line = Line(now, given, outputs(out, self), seals)
        is_last = call is None and not any(key in self.legs for key in tape.legs)
        if is_last:
            del self.tapes[call_id]
        return [Recorded(call_id, encoder.encode(line), is_last), *out]

    def is_of(self, action: Action, call_id: str) -> bool:
        """Whether an action of many was for this call."""
        if isinstance(action, CallNews):
            return action.call_id == call_id
        if isinstance(action, Locate):
            later = self.located_later.get(action.ticket)
            return later is not None and later.owner in self.tapes[call_id].legs
        found = CALL_ID.search(action.data) if isinstance(action, Send) else None
        return found is not None and found[1].decode() in self.tapes[call_id].legs


def outputs(actions: Iterable[Action], core: B2bua) -> list[Output]:
    """The actions that matter to a call, as they are kept."""
    found = []
    for action in actions:
        if isinstance(action, Send):
            found.append(Output(sent=Packet.of(action.data, action.flow, core.interfaces.interfaces)))
        elif isinstance(action, Locate):
            hop = action.hop
            found.append(Output(locate=f"{hop.host} {hop.port or '-'} {hop.transport or '-'}"))
        elif isinstance(action, CallNews):
            found.append(
                Output(news=type(action).__name__, told=in_unicode(msgspec.to_builtins(action, str_keys=True)))
            )
    return found
