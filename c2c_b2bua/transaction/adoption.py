"""Transactions of a process that was killed, taken up where they stood."""

from __future__ import annotations

from c2c_b2bua.sip.flow import Flow
from c2c_b2bua.sip.message import Request
from c2c_b2bua.sip.uri import Uri
from c2c_b2bua.transaction.actions import SendRequest, StartTimer, Work
from c2c_b2bua.transaction.invite_client import InviteClient, cancellation
from c2c_b2bua.transaction.invite_server import InviteServer
from c2c_b2bua.transaction.layer import TransactionLayer
from c2c_b2bua.transaction.matching import client_key
from c2c_b2bua.transaction.search import Search
from c2c_b2bua.transaction.server import Server
from c2c_b2bua.transaction.timings import TIMER_B, TIMER_L, TIMER_M
from c2c_b2bua.transaction.transaction import ABANDONED, ACCEPTED, PROCEEDING


def stamp_again(request: Request, flow: Flow, branch: str) -> None:
    """Give a request the Via that it had."""
    interface = flow.interface
    request.flow = flow
    request.headers["Via"] = [f"SIP/2.0/{interface.transport} {interface.sent_by};branch={branch};rport"]
    request.read_via = None


def adopt_invite(layer: TransactionLayer, owner: str, request: Request, flow: Flow) -> InviteClient:
    """An INVITE that is out. It is not sent again: a response that came meanwhile may have been a provisional one."""
    client = InviteClient(client_key(request.branch, "INVITE"), owner, flow, request, b"")
    client.state = PROCEEDING
    layer.clients[client.key] = client
    layer.adopted(owner)
    return client


def adopt_answered(layer: TransactionLayer, owner: str, request: Request, flow: Flow, now: float) -> Work:
    """An INVITE whose 2xx has not been acknowledged yet, because our answer has to be in the ACK."""
    client = adopt_invite(layer, owner, request, flow)
    client.state = ACCEPTED
    return [StartTimer(client.key, "M", now + TIMER_M)]


def adopt_abandoned(layer: TransactionLayer, owner: str, request: Request, flow: Flow, hop: Uri, now: float) -> Work:
    """An INVITE that had gone on to another target, which is told that nobody waits for it any more."""
    client = adopt_invite(layer, owner, request, flow)
    client.state = ABANDONED
    cancel = SendRequest(owner, cancellation(request), hop, flow)
    search = layer.searches[client.key] = Search(cancel, [])
    search.is_over = True
    return [cancel, StartTimer(client.key, "B", now + TIMER_B)]


def adopt_request(layer: TransactionLayer, key: str, owner: str, method: str, flow: Flow) -> None:
    """A request of the peer that waits for our answer."""
    server = (InviteServer if method == "INVITE" else Server)(key, owner, flow)
    server.state = PROCEEDING
    layer.servers[key] = server


def adopt_accepted(layer: TransactionLayer, key: str, owner: str, flow: Flow, now: float) -> Work:
    """An INVITE of the peer that we answered with 2xx, and whose ACK we have not seen."""
    server = InviteServer(key, owner, flow)
    server.state = ACCEPTED
    layer.servers[key] = server
    return [StartTimer(key, "L", now + TIMER_L)]
