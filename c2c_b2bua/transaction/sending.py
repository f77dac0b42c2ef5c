"""The way out: which target a request goes to, and to which next (RFC 3261 §8.1.2, §18.1.1; RFC 3263 §4.3)."""

from __future__ import annotations

from c2c_b2bua.sip.errors import SipError
from c2c_b2bua.sip.flow import Flow, Hop, Interfaces
from c2c_b2bua.sip.message import Request, Response
from c2c_b2bua.sip.tokens import Tokens
from c2c_b2bua.sip.trail import AGAIN, SENT
from c2c_b2bua.sip.uri import Uri
from c2c_b2bua.transaction.actions import (
    Elsewhere,
    Forget,
    Locate,
    Respond,
    Send,
    SendAck,
    SendRequest,
    StartTimer,
    Work,
)
from c2c_b2bua.transaction.client import Client
from c2c_b2bua.transaction.invite_client import InviteClient, cancellation
from c2c_b2bua.transaction.matching import client_key
from c2c_b2bua.transaction.search import DEAD_FOR, PATIENCE, Attempt, DeadTargets, Search
from c2c_b2bua.transaction.transaction import CALLING

MTU_LIMIT = 1300
"""Bytes above which a request leaves UDP for TCP (RFC 3261 §18.1.1)."""


class Sending:
    """The half of the transaction layer that requests of ours go through."""

    def __init__(self, interfaces: Interfaces, tokens: Tokens) -> None:
        self.interfaces = interfaces
        self.tokens = tokens
        self.clients: dict[str, InviteClient | Client] = {}
        self.located_later: dict[int, SendRequest | SendAck] = {}
        self.tickets = 0
        self.searches: dict[str, Search] = {}
        """Client transaction key -> the search it is part of, where there was more than one way to go."""
        self.dead = DeadTargets()

    # ── what the user of the layer does ──────────────────────────────────────────────────────────────────────────

    def responded(self, owner: str, request: Request, response: Response, is_local: bool, now: float) -> Work:
        """A response to a request of `owner`; `is_local`: ours, because nothing came (408) or went (503)."""
        raise NotImplementedError

    def is_wanted(self, owner: str, request: Request) -> bool:
        """Whether a request shall still go, that was looked up or whose first target failed."""
        return True

    def way_for(self, owner: str, hop: Uri, flow: Flow, now: float) -> Flow | None:
        """Where a request of `owner` goes that was meant for the stream `flow`; None: to its `hop`."""
        return flow

    def tokens_of(self, owner: str) -> Tokens:
        """Where the tokens for messages of this owner, or with this Call-ID, are drawn."""
        return self.tokens

    def opened(self, owner: str, method: str, now: float) -> None:
        """A client transaction of `owner` begins: its request goes out."""

    def adopted(self, owner: str) -> None:
        """A client transaction of a process that was killed is `owner`'s now."""

    def saw(self, owner: str, code: int, now: float) -> None:
        """A message of `owner` went, or came: for its trail."""

    # ── where to ─────────────────────────────────────────────────────────────────────────────────────────────────

    def send_request(self, action: SendRequest, now: float) -> Work:
        request = action.request
        flow = action.flow
        if flow is not None and flow.is_reliable:
            flow = self.way_for(action.owner, action.hop, flow, now)
        if flow is not None:
            return [] if self.holds(action) else self.go(action, flow, None, now)
        if request.flow is not None:
            # A second try, with credentials: only the target that gave the nonce knows it.
            return self.launch(action, [request.flow], now)
        try:
            way = self.interfaces.way_to(action.hop)
        except SipError as error:
            return self.cannot_send(action, error.reason)
        return self.locate(action, way) if type(way) is Hop else self.go(action, way, None, now)

    def send_ack(self, action: SendAck, now: float) -> Work:
        ack = action.ack
        if ack.sent is not None:
            self.saw(action.owner, SENT["ACK"] | AGAIN, now)
            return [ack.sent]
        self.saw(action.owner, SENT["ACK"], now)
        flow = ack.flow
        if flow is not None and flow.is_reliable:
            flow = self.way_for(action.owner, ack.hop, flow, now)
        if flow is not None:
            return self.launch_ack(action, flow)
        try:
            way = self.interfaces.way_to(ack.hop)
        except SipError:
            return []
        return self.locate(action, way) if type(way) is Hop else self.launch_ack(action, way)

    def locate(self, action: SendRequest | SendAck, hop: Hop) -> Work:
        self.tickets += 1
        self.located_later[self.tickets] = action
        return [Locate(self.tickets, hop)]

    def launch(self, action: SendRequest, flows: list[Flow], now: float) -> Work:
        """Go to the first of these targets, and keep the others; those known to be dead come last."""
        first, *rest = self.dead.last(flows, now)
        search = Search(action, [Attempt(flow) for flow in rest]) if rest else None
        return self.go(action, first, search, now)

    def go(
        self, action: SendRequest, flow: Flow, search: Search | None, now: float, after_stream: bool = False
    ) -> Work:
        """Open the client transaction; a request too long for UDP takes TCP where we have it, and has not failed there."""
        request = action.request
        owner, method = action.owner, request.method
        branch, data = self.stamp(owner, request, flow)
        if len(data) > MTU_LIMIT and flow.transport == "UDP" and action.flow is None and not after_stream:
            stream = self.interfaces.over("TCP", flow)
            if stream is not None:
                request.headers["Via"] = []
                branch, data = self.stamp(owner, request, stream)
                search = search or Search(action, [])
                search.rest.insert(0, Attempt(flow, True))
                flow = stream
        key = f"{branch} {method}"
        kind = InviteClient if method == "INVITE" else Client
        transaction = self.clients[key] = kind(key, owner, flow, request, data)
        self.opened(owner, method, now)
        work = transaction.start(now)
        if search is not None:
            self.searches[key] = search
            search.current = key
            if search.has_more:
                work.append(StartTimer(key, "next", now + PATIENCE))
        return work

    def launch_ack(self, action: SendAck, flow: Flow) -> Work:
        ack = action.ack
        sent = ack.sent
        if sent is None:
            branch = self.tokens_of(action.owner).branch()
            text = f"{ack.start}\r\nVia: {flow.interface.via}{branch};rport\r\n{ack.rest}"
            sent = ack.sent = Send(text.encode("utf-8", "surrogateescape"), flow)
            ack.start = ack.rest = ""
        return [sent]

    def stamp(self, owner: str, request: Request, flow: Flow) -> tuple[str, bytes]:
        """Print a request with what depends on its flow: a Via, unless it shares that of its INVITE, and our Contact.

        Returns its branch too.
        """
        interface = flow.interface
        headers = request.headers
        request.flow = flow
        if headers["Via"]:
            branch = request.branch
        else:
            branch = self.tokens_of(owner).branch()
            headers["Via"] = [f"{interface.via}{branch};rport"]
            request.read_via = None
        if "Contact" in headers:
            # §8.1.1.8: a SIPS Request-URI wants a SIPS Contact.
            headers["Contact"] = [interface.secure_contact if request.uri[:5] == "sips:" else interface.contact]
        return branch, request.printed()

    def cannot_send(self, action: SendRequest, reason: str) -> Work:
        """There is no way to the next hop: 503, as RFC 3261 §8.1.3.1 has it for transport errors."""
        return [Respond(action.owner, action.request, Response(503, reason, {}), True)]

    # ── what comes of it ─────────────────────────────────────────────────────────────────────────────────────────

    def respond(self, action: Respond, now: float) -> Work:
        """A response of a client transaction: to its user, unless there is another target to try."""
        request, response = action.request, action.response
        if not self.searches:
            return self.responded(action.owner, request, response, action.is_local, now)
        search = None
        if request.headers.get("Via"):
            key = client_key(request.branch, request.method)
            search = self.searches.get(key)
        if search is None:
            return self.responded(action.owner, request, response, action.is_local, now)
        if key != search.current:
            return self.late(search, key, response, now)
        if response.status < 200:
            search.heard.add(key)
            held, search.cancel = search.cancel, None
            work: Work = [held] if held is not None else []
            return [*work, *self.responded(action.owner, request, response, False, now)]
        if request.flow is not None:
            if response.status == 503 or (action.is_local and key not in search.heard):
                self.dead.add(request.flow, now, retry_after(response))
                work = self.go_on(search, action.is_local and response.status == 503, now)
                if work:
                    return work
            else:
                self.dead.remove(request.flow)
        search.is_over = True
        return self.responded(action.owner, request, response, action.is_local, now)

    def go_on(self, search: Search, is_unreachable: bool, now: float) -> Work:
        """Take the request to its next target, if there is one and its user still wants that."""
        action = search.action
        if search.is_over or search.cancel is not None or not self.is_wanted(action.owner, action.request):
            return []
        attempt = search.next(is_unreachable)
        if attempt is None:
            return []
        self.part(search)
        action.request.headers["Via"] = []
        return self.go(action, attempt.flow, search, now, attempt.after_stream)

    def elsewhere(self, action: Elsewhere, now: float) -> Work:
        """The target has been silent for a while: leave its transaction behind, and try the next one."""
        search, client = self.searches.get(action.key), self.clients.get(action.key)
        if search is None or client is None or search.current != action.key or not search.has_more:
            return []
        work = self.go_on(search, False, now)
        if work:
            self.dead.add(client.flow, now)
            if isinstance(client, InviteClient):
                client.abandon()
            else:
                work.append(Forget(action.key))
        return work

    def part(self, search: Search) -> None:
        """Give the current transaction a copy of the request; the one that the user knows moves on."""
        client = self.clients.get(search.current)
        if client is not None:
            search.left.append(search.current)
            request = search.action.request
            client.request = Request(request.method, request.uri, dict(request.headers), request.body)
            client.request.flow = request.flow

    def late(self, search: Search, key: str, response: Response, now: float) -> Work:
        """A target we had left turns up: ringing it is cancelled, answering it is taken, or is a fork to be hung up."""
        if response.status < 200:
            if key in search.heard:
                return []
            search.heard.add(key)
            return self.cancel_at(search, key)
        if response.status >= 300:
            return []
        work: Work = []
        request = search.action.request
        if not search.is_over:
            search.is_over = True
            search.rest.clear()
            former, search.current = search.current, key
            client, winner = self.clients.get(former), self.clients[key]
            if isinstance(client, InviteClient):
                client.request = Request(request.method, request.uri, request.headers, request.body)
                client.request.flow = request.flow
                if client.state == CALLING:
                    client.abandon()
                elif former in search.heard:
                    work = self.cancel_at(search, former)
            request.headers, request.flow, request.read_via = winner.request.headers, winner.flow, None
            winner.request = request
        return [*work, *self.responded(search.action.owner, request, response, False, now)]

    def cancel_at(self, search: Search, key: str) -> Work:
        """CANCEL one of the transactions, that its user does not know of."""
        client = self.clients[key]
        return [SendRequest(search.action.owner, cancellation(client.request), search.action.hop, client.flow)]

    def holds(self, action: SendRequest) -> bool:
        """Keep a CANCEL until its INVITE was heard of by the target it went to last (§9.1)."""
        request = action.request
        if request.method != "CANCEL" or not self.searches:
            return False
        key = client_key(request.branch, "INVITE")
        search, client = self.searches.get(key), self.clients.get(key)
        if search is None or client is None or client.state != CALLING:
            return False
        search.cancel = action
        return True


def retry_after(response: Response) -> float:
    """Seconds for which a target that says 503 wants to be left alone."""
    text = (response.get("Retry-After") or "").partition(";")[0].partition("(")[0].strip()
    return float(text) if text.isascii() and text.isdecimal() and len(text) < 6 else DEAD_FOR
