"""A dialog as the side that sent the INVITE sees it (RFC 3261 §12): who, where to, by which way, in which order."""

from __future__ import annotations

from sys import intern

import msgspec

from c2c_b2bua.sip.errors import SipError
from c2c_b2bua.sip.fields import CSeq, NameAddr
from c2c_b2bua.sip.flow import Flow, way_past_nat
from c2c_b2bua.sip.message import Message, Request, Response
from c2c_b2bua.sip.uri import SIP_SCHEMES, Uri
from c2c_b2bua.transaction.actions import Ack

MAX_FORWARDS = ["70"]
NO_ROUTES: list[str] = []
"""Of all dialogs without a route set; never added to."""


class Dialog:
    """An early or confirmed dialog of one leg; every INVITE, ACK, BYE in it is built here."""

    __slots__ = ("call_id", "flow", "given_flow", "hop", "local", "remote", "remote_seq", "remote_tag", "remote_target",
                 "request_uri", "routes", "strict")  # fmt: skip

    def __init__(self, invite: Request, response: Response, flow: Flow | None = None) -> None:
        """From the INVITE and a 101-299 to it (§12.1.2). SipError for a Contact or Record-Route that is none.

        `flow`: what a phone registered over, and where its requests go unless a proxy asked to see them.
        """
        self.call_id = invite.headers["Call-ID"][0]
        self.local = invite.headers["From"][0]
        self.remote = response.headers["To"][0]
        self.remote_tag = response.to_tag or ""
        self.remote_seq: int | None = None
        self.routes = response.values("Record-Route")[::-1] if "Record-Route" in response.headers else NO_ROUTES
        self.given_flow = flow
        contact = response.contact
        self.remote_target = contact.uri if contact is not None else Uri.parse(invite.uri)
        self.plan_route()
        self.flow = self.plan_flow(response)

    def plan_route(self) -> None:
        """Work out Request-URI and next hop from route set and remote target (§12.2.1.1)."""
        target = self.hop = self.remote_target
        self.strict = False
        if target.scheme not in SIP_SCHEMES:
            raise SipError(f"cannot call a {target.scheme} URI")
        if self.routes:
            first = NameAddr.parse(self.routes[0], "Record-Route")
            self.strict = not first.is_loose
            self.hop = first.uri
            if self.strict:
                target = first.uri
        # The URI of a request has neither headers nor a method (§19.1.1), whatever the Contact or the Route had.
        if "method" in target.parameters:
            parameters = {name: value for name, value in target.parameters.items() if name != "method"}
            target = msgspec.structs.replace(target, parameters=parameters)
        self.request_uri = intern(str(msgspec.structs.replace(target, headers="") if target.headers else target))

    def plan_flow(self, message: Message) -> Flow | None:
        """Where requests go whatever the remote target says: a flow that was given, or back through the peer's NAT.

        None: to the target, or by the routes; a proxy that asked to see the dialog knows the way.
        """
        if self.routes:
            return None
        return self.given_flow or way_past_nat(self.remote_target.host, message.flow)

    def refresh(self, message: Message) -> None:
        """Take the remote target of a target refresh request or its 2xx (§12.2): the route set stays."""
        contact = message.contact
        if contact is None or not contact.uri.is_sip:
            return
        if contact.uri != self.remote_target:
            self.remote_target = contact.uri
            self.plan_route()
            self.flow = self.plan_flow(message)
        elif self.flow is not self.given_flow:
            self.flow = self.plan_flow(message)  # its NAT may have given it another port

    @property
    def route_set(self) -> list[str]:
        """What Route says: a strict router takes the first one as Request-URI, the target then goes last (§12.2.1.1)."""
        return [*self.routes[1:], f"<{self.remote_target}>"] if self.strict else self.routes

    def request(self, method: str, sequence: int) -> Request:
        """A request inside the dialog, Via and Contact still missing."""
        headers = {
            "Via": [],
            "Max-Forwards": MAX_FORWARDS,
            "From": [self.local],
            "To": [self.remote],
            "Call-ID": [self.call_id],
            "CSeq": [f"{sequence} {method}"],
        }
        if self.routes:
            headers["Route"] = self.route_set
        request = Request(method, self.request_uri, headers)
        request.read_cseq = CSeq(sequence, method)
        return request

    def ack(self, invite: Request, sequence: int, body: bytes = b"") -> Ack:
        """The ACK of a 2xx, with the CSeq and the credentials of its INVITE (§13.2.2.4); `body` is a description.

        As text, for nobody reads it again. Each value was read from a message or printed in one, so none has a line end.
        """
        sent = invite.headers
        more = "".join([f"Route: {route}\r\n" for route in self.route_set]) if self.routes else ""
        if body:
            more += "Content-Type: application/sdp\r\n"
        if "Authorization" in sent:
            more += "".join([f"Authorization: {value}\r\n" for value in sent["Authorization"]])
        if "Proxy-Authorization" in sent:
            more += "".join([f"Proxy-Authorization: {value}\r\n" for value in sent["Proxy-Authorization"]])
        rest = (
            f"Max-Forwards: 70\r\nFrom: {self.local}\r\nTo: {self.remote}\r\nCall-ID: {self.call_id}\r\n"
            f"CSeq: {sequence} ACK\r\n{more}Content-Length: {len(body)}\r\n\r\n{body.decode()}"
        )
        return Ack(f"ACK {self.request_uri} SIP/2.0", rest, self.hop, self.flow)

    def is_in_order(self, request: Request) -> bool:
        """Whether a request's CSeq is above the last one's (§12.2.2), which it then becomes."""
        number = request.cseq.number
        if self.remote_seq is not None and number <= self.remote_seq:
            return False
        self.remote_seq = number
        return True
