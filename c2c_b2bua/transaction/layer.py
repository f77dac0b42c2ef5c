"""The transaction layer (RFC 3261 §17, §18): sorts messages to transactions and keeps their timers.

Bytes, due timers and targets come in with the time; `Send`, `Locate` and whatever its user puts out leave.
Nothing here waits, reads a clock or draws a random number. A user (the B2BUA, a phone) extends it by what it does
with requests and responses.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from c2c_b2bua.sip.errors import SipError
from c2c_b2bua.sip.flow import Flow, Interfaces, Target
from c2c_b2bua.sip.grammar import CONTROL_PATTERN, split_list
from c2c_b2bua.sip.message import Request, Response
from c2c_b2bua.sip.phrases import REASON_PHRASES
from c2c_b2bua.sip.reading import MalformedError, parse
from c2c_b2bua.sip.tokens import Tokens
from c2c_b2bua.sip.trail import AGAIN, RECEIVED, SENT
from c2c_b2bua.transaction.actions import (
    Action,
    Elsewhere,
    Forget,
    Misdirected,
    Reply,
    Respond,
    Send,
    SendAck,
    SendRequest,
    StartTimer,
    Unacknowledged,
    Work,
)
from c2c_b2bua.transaction.client import Client
from c2c_b2bua.transaction.invite_client import InviteClient
from c2c_b2bua.transaction.invite_server import InviteServer
from c2c_b2bua.transaction.matching import client_key, engine_of, response_key, server_key
from c2c_b2bua.transaction.search import place_of
from c2c_b2bua.transaction.sending import Sending
from c2c_b2bua.transaction.server import Server
from c2c_b2bua.transaction.timers import Timers
from c2c_b2bua.transaction.transaction import ACCEPTED, COMPLETED, EVENT_OF_STATUS, ClientTransaction, Transaction

REPEATING = frozenset({"A", "E", "G"})
"""The timers whose work is to send once more what was sent."""
BRIEF = ("A", "E", "B", "F", "H", "L", "M", "J", "D", "I", "K", "ring", "reinvite")
LASTING = ("session", "duration")
"""Timers that nearly always last as long as others of their name, the brief ones no longer than what rings may ring.

A and E do where nothing is lost.
"""
LONGEST_FIRST = 1024
"""Characters of what is remembered of one of them."""
OWN_BRANCH = re.compile(rb"([A-Z]+) [^\r\n]* SIP/2\.0\r\nVia: [^\r\n;]*;branch=([A-Za-z0-9.-]+);")
"""The head of a request as we write it: method, branch."""
MOST_FIRSTS = 1000
"""Requests outside a dialog below which nobody looks for those that are over."""


class Machine(Protocol):
    """Whatever has timers."""

    def timer(self, name: str, now: float) -> Work: ...


class TransactionLayer(Sending):
    """All transactions of one engine, and the one loop that settles what is to be done."""

    def __init__(self, interfaces: Interfaces, tokens: Tokens) -> None:
        super().__init__(interfaces, tokens)
        self.servers: dict[str, InviteServer | Server] = {}
        self.firsts: dict[tuple[str, str | None, str], str] = {}
        """(Call-ID, From tag, CSeq) of a request outside a dialog -> key of the transaction it first came in (§8.2.2.2)."""
        self.most_firsts = MOST_FIRSTS
        self.timers = Timers(BRIEF, LASTING)
        self.acting = ""
        """Key of the machine whose timer acted last: whose fault it was, should that fail."""
        self.others: set[str] = set()
        """Names of other engines, to which a message of theirs that comes to us can be passed on."""
        self.out: list[Action] = []
        """What leaves when all is settled; should something fail on the way, with what is settled next."""
        self.carry_out: dict[type[Action], Callable[[Any, float], Work]] = {
            SendRequest: self.send_request,
            SendAck: self.send_ack,
            Reply: self.reply,
            Respond: self.respond,
            Elsewhere: self.elsewhere,
            Unacknowledged: self.unacknowledged,
            Forget: self.forget,
        }
        """Action -> what it makes us do; one that is not here is for outside."""

    # ── what the user of the layer does ──────────────────────────────────────────────────────────────────────────

    def owner_of(self, request: Request) -> str:
        """Who a request is for, by a name of the user's own; `""`: nobody it knows."""
        raise NotImplementedError

    def requested(self, owner: str, key: str, request: Request, now: float) -> Work:
        """A new request for `owner`, to be answered with `Reply(key, …)`."""
        raise NotImplementedError

    def acknowledged(self, owner: str, request: Request, now: float) -> Work:
        """The ACK to a 2xx."""
        raise NotImplementedError

    def cancelled(self, owner: str, key: str, now: float) -> Work:
        """A CANCEL for the INVITE of the server transaction `key`; the CANCEL itself is answered."""
        raise NotImplementedError

    def stray(self, response: Response) -> Work:
        """A 2xx to an INVITE whose transaction is over, or that was never sent."""
        return []

    def machine(self, key: str) -> Machine | None:
        """The machine of the user's own that has this key."""
        raise NotImplementedError

    def over(self, owner: str) -> None:
        """A client transaction of `owner` is forgotten."""

    def forgotten(self, key: str) -> None:
        """The user's own machine with this key is over."""

    # ── what comes in ────────────────────────────────────────────────────────────────────────────────────────────

    def receive(self, data: bytes, flow: Flow, now: float) -> list[Action]:
        """A message came in; what cannot be read is answered with 400 if it is a request that can be, else dropped."""
        message: Request | Response | None = None
        try:
            message = parse(data)
            message.flow = flow
            if self.others and (engine := engine_of(message)) in self.others:
                return [Misdirected(engine, message)]
            if isinstance(message, Response):
                work = self.response(message, now)
            else:
                message.check_identity()
                work = self.request(message, flow, now)
        except MalformedError as error:
            work = self.malformed(error, error.request, flow)
        except SipError as error:
            work = self.malformed(error, message if isinstance(message, Request) else None, flow)
        return self.settle(work, now)

    def tick(self, now: float) -> list[Action]:
        """Let due timers pass until one has something to do; call again while `next_due` is not later than `now`."""
        timers = self.timers
        heap = timers.heap
        while heap and heap[0][0] <= now:
            _, _, self.acting, name = timers.pop()
            machine = self.machine_of(self.acting)
            if machine is None:
                continue
            work = machine.timer(name, now)
            if work:
                if name in REPEATING and isinstance(machine, Transaction):
                    self.repeated(machine, now)
                return self.settle(work, now)
        return []

    @property
    def next_due(self) -> float | None:
        """When `tick` has something to do."""
        heap = self.timers.heap
        return heap[0][0] if heap else None

    def located(self, ticket: int, targets: Sequence[Target], now: float) -> list[Action]:
        """The answer to `Locate`: where the hop is, best first; empty: nowhere."""
        action = self.located_later.pop(ticket, None)
        if action is None:
            return []
        flows = self.interfaces.flows_to(targets)
        if isinstance(action, SendAck):
            return self.settle(self.launch_ack(action, self.dead.last(flows, now)[0]) if flows else [], now)
        if not self.is_wanted(action.owner, action.request):
            return []
        if not flows:
            return self.settle(self.cannot_send(action, f"no address for {action.hop.host}"), now)
        return self.settle(self.launch(action, flows, now), now)

    def unreachable(self, flow: Flow, now: float) -> list[Action]:
        """A stream could not be opened, or broke: what waits on it fails, or finds another way."""
        work: Work = []
        for transaction in [*self.clients.values(), *self.servers.values()]:
            if same_peer(transaction.flow, flow) and not transaction.turn_back():
                work += transaction.fail(now)
        return self.settle(work, now)

    def undelivered(self, data: bytes, flow: Flow, now: float) -> list[Action]:
        """The beginning of a request of ours, that the network could not deliver to the peer of `flow` (§18.4).

        Whoever sends a forged error knows no branch of ours. A response that is lost is said again when it is asked for.
        """
        client = self.sender_of(data, flow)
        return self.settle(client.fail(now), now) if client is not None else []

    def sender_of(self, data: bytes, flow: Flow) -> InviteClient | Client | None:
        """The client transaction that sent this to the peer of `flow`."""
        found = OWN_BRANCH.match(data)
        client = self.clients.get(client_key(found[2].decode(), found[1].decode())) if found else None
        return client if client is not None and place_of(client.flow) == place_of(flow) else None

    # ── sorting ──────────────────────────────────────────────────────────────────────────────────────────────────

    def response(self, response: Response, now: float) -> Work:
        """To the client transaction it answers; one that answers none is dropped (§18.1.2), unless it makes a dialog."""
        client = self.clients.get(response.key or response_key(response))
        if client is None:
            response.check_identity()
            work = self.stray(response) if response.cseq.method == "INVITE" and response.status // 100 == 2 else []
            if work:
                self.saw(response.call_id, RECEIVED["INVITE"] | response.status, now)
            return work
        response.check_answer(client.request)
        if client.state == COMPLETED:
            self.saw(client.owner, RECEIVED[client.request.method] | response.status, now)
        return client.step(EVENT_OF_STATUS[response.status // 100], response, now)

    def request(self, request: Request, flow: Flow, now: float) -> Work:
        """To its server transaction if it is a repetition, else to the user."""
        key = server_key(request)
        server = self.servers.get(key)
        if request.method == "ACK":
            if isinstance(server, InviteServer) and server.state != ACCEPTED:
                self.saw(server.owner, RECEIVED["ACK"], now)
                return server.acknowledge(now)
            return self.acknowledged(self.owner_of(request), request, now)
        if server is not None:
            self.saw(server.owner, RECEIVED[request.method] | AGAIN, now)
            work = server.repeat(now)
            if work:
                self.repeated(server, now)
            return work
        owner = self.owner_of(request)
        if not owner:
            request.check()
        via = request.via
        seen = via.received_over(flow)
        if seen is not via:
            request.headers["Via"][:1] = [str(seen), *split_list(request.headers["Via"][0])[1:]]
        kind = InviteServer if request.method == "INVITE" else Server
        server = self.servers[key] = kind(key, owner, via.reply_flow(flow))
        if flow.connection:
            server.way_back = via.way_back(flow)
        self.saw(owner, RECEIVED[request.method], now)
        if request.method == "CANCEL":
            return self.cancel(server, request, now)
        if not request.to_tag and request.method != "REGISTER" and self.is_merged(request, key):
            return server.respond(request.response(482, "Merged Request", self.tokens_of(request.call_id).tag()), now)
        try:
            return self.requested(owner, key, request, now)
        except SipError as error:
            return self.say(
                server, request.response(error.status, phrase(error), self.tokens_of(request.call_id).tag()), now
            )

    def is_merged(self, request: Request, key: str) -> bool:
        """Whether a request came already, by another way: a proxy has forked it, and both ways lead here (§8.2.2.2).

        Not asked of a REGISTER: it may say twice what it says, and there are phones that do not count theirs.
        """
        identity = (request.call_id, request.from_tag or "", request.headers["CSeq"][0])
        if len(key) + sum(map(len, identity)) > LONGEST_FIRST:
            return False
        first = self.firsts.setdefault(identity, key)
        if first == key:
            if len(self.firsts) > self.most_firsts:
                self.firsts = {name: one for name, one in self.firsts.items() if one in self.servers}
                self.most_firsts = max(MOST_FIRSTS, 2 * len(self.firsts))
            return False
        if first in self.servers:
            return True
        self.firsts[identity] = key
        return False

    def cancel(self, server: InviteServer | Server, request: Request, now: float) -> Work:
        """A CANCEL is answered on its own, and ends the INVITE of the same branch if that still waits (§9.2)."""
        invite = self.servers.get(server_key(request, "INVITE"))
        if invite is None:
            return self.say(server, request.response(481, to_tag=self.tokens_of(request.call_id).tag()), now)
        work = self.say(server, request.response(200, to_tag=self.tokens_of(request.call_id).tag()), now)
        return [*work, *self.cancelled(invite.owner, invite.key, now)]

    def malformed(self, error: SipError, request: Request | None, flow: Flow) -> Work:
        """Answer without a transaction what cannot be read, if its Via can: a 400 that says why (§8.2.6, RFC 4475)."""
        if request is None or request.method == "ACK":
            return []
        try:
            via = request.via
        except SipError:
            return []
        response = request.response(error.status, phrase(error), self.tokens_of(request.get("Call-ID") or "").tag())
        response.headers["Via"] = [str(via.received_over(flow)), *split_list(",".join(response.headers["Via"]))[1:]]
        try:
            return [Send(bytes(response), via.reply_flow(flow))]
        except ValueError:
            return []

    # ── settling ─────────────────────────────────────────────────────────────────────────────────────────────────

    def settle(self, work: Work, now: float) -> list[Action]:
        """Carry out actions until none is left; what they cause joins the end of the line. Returns those for outside."""
        find, timers = self.carry_out.get, self.timers
        set_timer, out = timers.set, self.out
        for action in work:
            if type(action) is StartTimer:
                set_timer(action.at, action.key, action.name)
            elif (carry_out := find(type(action))) is None:
                out.append(action)
            elif more := carry_out(action, now):
                work += more
        if timers.count >= timers.sweep_at:
            timers.sweep(self.machine_of)
        self.out = []
        return out

    def machine_of(self, key: str) -> Machine | None:
        return self.clients.get(key) or self.servers.get(key) or self.machine(key)

    def forget(self, action: Forget, now: float) -> Work:
        key = action.key
        client = self.clients.pop(key, None)
        if client is not None:
            if key in self.searches:
                self.searches.pop(key, None)
            self.over(client.owner)
        elif self.servers.pop(key, None) is None:
            self.forgotten(key)
        return []

    # ── answering ────────────────────────────────────────────────────────────────────────────────────────────────────

    def reply(self, action: Reply, now: float) -> Work:
        server = self.servers.get(action.key)
        return self.say(server, action.response, now) if server is not None else []

    def say(self, server: InviteServer | Server, response: Response, now: float) -> Work:
        self.saw(server.owner, SENT[method_of(server)] | response.status, now)
        return server.respond(response, now)

    def repeated(self, transaction: Transaction, now: float) -> None:
        """What a transaction sent last went once more."""
        sent = transaction.sent
        if isinstance(transaction, ClientTransaction):
            self.saw(transaction.owner, SENT["ACK" if sent[:4] == b"ACK " else method_of(transaction)] | AGAIN, now)
        elif sent[8:11].isdigit():
            self.saw(transaction.owner, SENT[method_of(transaction)] | int(sent[8:11]), now)

    def unacknowledged(self, action: Unacknowledged, now: float) -> Work:
        """A refusal of ours was never acknowledged: the dialog's own timers see to the rest."""
        return []


def method_of(transaction: Transaction) -> str:
    """The method that a transaction's key names."""
    return transaction.key.rpartition(" ")[2]


def phrase(error: SipError) -> str:
    """The reason phrase that says what was wrong."""
    return CONTROL_PATTERN.sub("?", f"{REASON_PHRASES.get(error.status, 'Bad Request')}: {error.reason}")


def same_peer(flow: Flow, broken: Flow) -> bool:
    """Whether a transaction's stream is the one that broke; one not opened yet has no number of its own."""
    return (
        flow.is_reliable
        and (flow.transport, flow.host, flow.port) == (broken.transport, broken.host, broken.port)
        and (flow.connection == broken.connection or (flow.connection == 0 and flow.name in ("", broken.name)))
    )
