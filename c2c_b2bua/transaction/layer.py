"""The transaction layer (RFC 3261 §17, §18): sorts messages to transactions, keeps their timers, chooses their flows.

Bytes, due timers and addresses come in with the time; `Send`, `Locate` and whatever its user puts out leave.
Nothing here waits, reads a clock or draws a random number. A user (the B2BUA, a phone) extends it by what it does
with requests and responses.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any, Protocol

from c2c_b2bua.sip.errors import SipError
from c2c_b2bua.sip.flow import Flow, Hop, Interfaces
from c2c_b2bua.sip.grammar import CONTROL_PATTERN, split_list
from c2c_b2bua.sip.message import REASON_PHRASES, MalformedError, Request, Response, parse
from c2c_b2bua.sip.tokens import Tokens
from c2c_b2bua.transaction.actions import (
    Ack,
    Action,
    Forget,
    Locate,
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
from c2c_b2bua.transaction.matching import client_key, response_key, server_key
from c2c_b2bua.transaction.server import Server
from c2c_b2bua.transaction.transaction import ACCEPTED

MTU_LIMIT = 1300
"""Bytes above which a request leaves UDP for TCP (RFC 3261 §18.1.1)."""

SWEEP_FROM = 20_000
"""Timers below which nobody looks for those whose machine is gone."""


class Machine(Protocol):
    """Whatever has timers."""

    def timer(self, name: str, now: float) -> Work: ...


class TransactionLayer:
    """All transactions of one engine, and the one loop that settles what is to be done."""

    def __init__(self, interfaces: Interfaces, tokens: Tokens) -> None:
        self.interfaces = interfaces
        self.tokens = tokens
        self.clients: dict[str, InviteClient | Client] = {}
        self.servers: dict[str, InviteServer | Server] = {}
        self.timers: list[tuple[float, int, str, str]] = []
        """(when, order of setting, key of its machine, name)"""
        self.timer_count = 0
        self.swept_to = SWEEP_FROM
        self.acting = ""
        """Key of the machine whose timer acted last: whose fault it was, should that fail."""
        self.located_later: dict[int, SendRequest | SendAck] = {}
        self.tickets = 0
        self.left_udp: dict[str, tuple[SendRequest, Flow]] = {}
        """Client transaction key -> a request that took TCP for its size, and the UDP flow to fall back to (§18.1.1)."""
        self.out: list[Action] = []
        self.carry_out: dict[type[Action], Callable[[Any, float], Work]] = {
            Send: self.put_out,
            Locate: self.put_out,
            StartTimer: self.start_timer,
            SendRequest: self.send_request,
            SendAck: self.send_ack,
            Reply: self.reply,
            Respond: self.respond,
            Unacknowledged: self.unacknowledged,
            Forget: self.forget,
        }

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

    def responded(self, owner: str, request: Request, response: Response, is_local: bool, now: float) -> Work:
        """A response to a request of `owner`; `is_local`: ours, because nothing came (408) or went (503)."""
        raise NotImplementedError

    def machine(self, key: str) -> Machine | None:
        """The machine of the user's own that has this key."""
        raise NotImplementedError

    def is_wanted(self, owner: str, request: Request) -> bool:
        """Whether a request whose next hop had to be looked up shall still go."""
        return True

    def opened(self, owner: str) -> None:
        """A client transaction of `owner` begins."""

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
            message.check_identity()
            work = self.request(message, flow, now) if isinstance(message, Request) else self.response(message, now)
        except MalformedError as error:
            work = self.malformed(error, error.request, flow)
        except SipError as error:
            work = self.malformed(error, message if isinstance(message, Request) else None, flow)
        return self.settle(work, now)

    def tick(self, now: float) -> list[Action]:
        """Let due timers pass until one has something to do; call again while `next_due` is not later than `now`."""
        timers = self.timers
        while timers and timers[0][0] <= now:
            _, _, self.acting, name = heapq.heappop(timers)
            machine = self.machine_of(self.acting)
            work = machine.timer(name, now) if machine is not None else []
            if work:
                return self.settle(work, now)
        return []

    @property
    def next_due(self) -> float | None:
        """When `tick` has something to do."""
        return self.timers[0][0] if self.timers else None

    def located(self, ticket: int, address: str | None, now: float) -> list[Action]:
        """The answer to `Locate`; None: the name has no address."""
        action = self.located_later.pop(ticket, None)
        if action is None:
            return []
        if isinstance(action, SendAck):
            ack = action.ack
            return self.settle([] if address is None else self.launch_ack(ack, Hop.of(ack.hop), address), now)
        if not self.is_wanted(action.owner, action.request):
            return []
        if address is None:
            return self.settle(self.cannot_send(action, f"no address for {action.hop.host}"), now)
        return self.settle(self.launch(action, Hop.of(action.hop), address, now), now)

    def unreachable(self, flow: Flow, now: float) -> list[Action]:
        """A stream could not be opened, or broke: what waits on it fails, or goes by UDP if only its size kept it off."""
        work: Work = []
        for transaction in [*self.clients.values(), *self.servers.values()]:
            if same_peer(transaction.flow, flow):
                work += transaction.fail(now)
        return self.settle(work, now)

    # ── sorting ──────────────────────────────────────────────────────────────────────────────────────────────────

    def response(self, response: Response, now: float) -> Work:
        """To the client transaction it answers; one that answers none is dropped (§18.1.2)."""
        client = self.clients.get(response_key(response))
        return client.receive(response, now) if client is not None else []

    def request(self, request: Request, flow: Flow, now: float) -> Work:
        """To its server transaction if it is a repetition, else to the user."""
        key = server_key(request)
        server = self.servers.get(key)
        if request.method == "ACK":
            if isinstance(server, InviteServer) and server.state != ACCEPTED:
                return server.acknowledge(now)
            return self.acknowledged(self.owner_of(request), request, now)
        if server is not None:
            return server.repeat(now)
        owner = self.owner_of(request)
        if not owner:
            request.check()
        via = request.via
        seen = via.received_over(flow)
        if seen is not via:
            request.headers["Via"][:1] = [str(seen), *split_list(request.headers["Via"][0])[1:]]
        kind = InviteServer if request.method == "INVITE" else Server
        server = self.servers[key] = kind(key, owner, via.reply_flow(flow))
        if request.method == "CANCEL":
            return self.cancel(server, request, now)
        try:
            return self.requested(owner, key, request, now)
        except SipError as error:
            return server.respond(request.response(error.status, phrase(error), self.tokens.tag()), now)

    def cancel(self, server: InviteServer | Server, request: Request, now: float) -> Work:
        """A CANCEL is answered on its own, and ends the INVITE of the same branch if that still waits (§9.2)."""
        invite = self.servers.get(server_key(request, "INVITE"))
        if invite is None:
            return server.respond(request.response(481, to_tag=self.tokens.tag()), now)
        work = server.respond(request.response(200, to_tag=self.tokens.tag()), now)
        return [*work, *self.cancelled(invite.owner, invite.key, now)]

    def malformed(self, error: SipError, request: Request | None, flow: Flow) -> Work:
        """Answer without a transaction what cannot be read, if its Via can: a 400 that says why (§8.2.6, RFC 4475)."""
        if request is None or request.method == "ACK":
            return []
        try:
            via = request.via
        except SipError:
            return []
        response = request.response(error.status, phrase(error), self.tokens.tag())
        response.headers["Via"] = [str(via.received_over(flow)), *split_list(",".join(response.headers["Via"]))[1:]]
        try:
            return [Send(bytes(response), via.reply_flow(flow))]
        except ValueError:
            return []

    # ── settling ─────────────────────────────────────────────────────────────────────────────────────────────────

    def settle(self, work: Work, now: float) -> list[Action]:
        """Carry out actions until none is left; what they cause joins the end of the line. Returns those for outside."""
        carry_out = self.carry_out
        for action in work:
            work.extend(carry_out[type(action)](action, now))
        out, self.out = self.out, []
        return out

    def put_out(self, action: Action, now: float) -> Work:
        self.out.append(action)
        return []

    def start_timer(self, action: StartTimer, now: float) -> Work:
        self.timer_count += 1
        heapq.heappush(self.timers, (action.at, self.timer_count, action.key, action.name))
        if len(self.timers) > self.swept_to:
            self.sweep()
        return []

    def sweep(self) -> None:
        """Drop the timers whose machine is gone, whenever their number has doubled."""
        self.timers = [timer for timer in self.timers if self.machine_of(timer[2]) is not None]
        heapq.heapify(self.timers)
        self.swept_to = max(SWEEP_FROM, 2 * len(self.timers))

    def machine_of(self, key: str) -> Machine | None:
        return self.clients.get(key) or self.servers.get(key) or self.machine(key)

    def forget(self, action: Forget, now: float) -> Work:
        key = action.key
        client = self.clients.pop(key, None)
        if client is not None:
            if self.left_udp:
                self.left_udp.pop(key, None)
            self.over(client.owner)
        elif self.servers.pop(key, None) is None:
            self.forgotten(key)
        return []

    # ── sending ──────────────────────────────────────────────────────────────────────────────────────────────────

    def send_request(self, action: SendRequest, now: float) -> Work:
        try:
            hop = Hop.of(action.hop)
        except SipError as error:
            return self.cannot_send(action, error.reason)
        if action.flow is not None:
            return self.launch_over(action.flow, action, now)
        address = hop.address
        return self.locate(action, hop) if address is None else self.launch(action, hop, address, now)

    def send_ack(self, action: SendAck, now: float) -> Work:
        ack = action.ack
        if ack.sent is not None:
            return [ack.sent]
        if ack.flow is not None:
            return self.launch_ack_over(ack.flow, ack)
        try:
            hop = Hop.of(ack.hop)
        except SipError:
            return []
        return self.locate(action, hop) if hop.address is None else self.launch_ack(ack, hop, hop.address)

    def locate(self, action: SendRequest | SendAck, hop: Hop) -> Work:
        self.tickets += 1
        self.located_later[self.tickets] = action
        return [Locate(self.tickets, hop)]

    def launch(self, action: SendRequest, hop: Hop, address: str, now: float) -> Work:
        try:
            flow = self.interfaces.flow_to(address, hop)
        except SipError as error:
            return self.cannot_send(action, error.reason)
        return self.launch_over(flow, action, now)

    def launch_over(self, flow: Flow, action: SendRequest, now: float) -> Work:
        """Open the client transaction; a request too long for UDP takes TCP where we have it."""
        request = action.request
        data = self.stamp(request, flow)
        if len(data) > MTU_LIMIT and flow.transport == "UDP" and action.flow is None:
            stream = self.interfaces.over("TCP", flow)
            if stream is not None:
                request.headers["Via"] = []
                data = self.stamp(request, stream)
                self.left_udp[client_key(request.branch, request.method)] = (action, flow)
                flow = stream
        method = request.method
        key = client_key(request.branch, method)
        transaction = (InviteClient if method == "INVITE" else Client)(key, action.owner, flow, request, data)
        self.clients[key] = transaction
        self.opened(action.owner)
        return transaction.start(now)

    def launch_ack(self, ack: Ack, hop: Hop, address: str) -> Work:
        try:
            return self.launch_ack_over(self.interfaces.flow_to(address, hop), ack)
        except SipError:
            return []

    def launch_ack_over(self, flow: Flow, ack: Ack) -> Work:
        if ack.request is not None:
            ack.sent = Send(self.stamp(ack.request, flow), flow)
            ack.request = None
        return [] if ack.sent is None else [ack.sent]

    def stamp(self, request: Request, flow: Flow) -> bytes:
        """Print a request with what depends on its flow: a Via, unless it shares that of its INVITE, and our Contact."""
        interface = flow.interface
        headers = request.headers
        request.flow = flow
        if not headers["Via"]:
            branch = self.tokens.branch()
            headers["Via"] = [f"SIP/2.0/{interface.transport} {interface.sent_by};branch={branch};rport"]
            request.read_via = None
        if "Contact" in headers:
            headers["Contact"] = [interface.contact]
        return bytes(request)

    def cannot_send(self, action: SendRequest, reason: str) -> Work:
        """There is no way to the next hop: 503, as RFC 3261 §8.1.3.1 has it for transport errors."""
        return [Respond(action.owner, action.request, Response(503, reason, {}), True)]

    def reply(self, action: Reply, now: float) -> Work:
        server = self.servers.get(action.key)
        return server.respond(action.response, now) if server is not None else []

    def respond(self, action: Respond, now: float) -> Work:
        request = action.request
        if action.is_local and self.left_udp and action.response.status == 503 and request.headers["Via"]:
            moved = self.left_udp.pop(client_key(request.branch, request.method), None)
            if moved is not None:
                first, flow = moved
                request.headers["Via"] = []
                return self.launch_over(flow, SendRequest(first.owner, request, first.hop, flow), now)
        return self.responded(action.owner, request, action.response, action.is_local, now)

    def unacknowledged(self, action: Unacknowledged, now: float) -> Work:
        """A refusal of ours was never acknowledged: the dialog's own timers see to the rest."""
        return []


def phrase(error: SipError) -> str:
    """The reason phrase that says what was wrong."""
    return CONTROL_PATTERN.sub("?", f"{REASON_PHRASES.get(error.status, 'Bad Request')}: {error.reason}")


def same_peer(flow: Flow, broken: Flow) -> bool:
    """Whether a transaction's stream is the one that broke; one not opened yet has no number of its own."""
    return (
        flow.is_reliable
        and (flow.transport, flow.host, flow.port) == (broken.transport, broken.host, broken.port)
        and flow.connection in (0, broken.connection)
    )
