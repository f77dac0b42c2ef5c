"""Which transaction a message belongs to, as a key (RFC 3261 §17.1.3, §17.2.3)."""

from __future__ import annotations

from c2c_b2bua.sip.fields import MAGIC_COOKIE
from c2c_b2bua.sip.message import Request, Response


def client_key(branch: str, method: str) -> str:
    """The key under which a client transaction waits for responses."""
    return f"{branch} {method}"


def response_key(response: Response) -> str:
    return response.key or f"{response.branch} {response.cseq.method}"


def server_key(request: Request, method: str = "") -> str:
    """The key of the server transaction; `method` looks for another one of the same branch (ACK and CANCEL for INVITE)."""
    method = method or request.method
    if method == "ACK":
        method = "INVITE"
    via = request.via
    branch = via.branch
    if branch.startswith(MAGIC_COOKIE):
        return f"{branch}/{via.sent_by} {method}"
    # A client of RFC 2543 puts nothing unique into its branch.
    cseq, from_tag = request.cseq.number, request.from_tag
    return f"{request.uri} {request.call_id} {cseq} {from_tag} {via} {method}"


def engine_of(message: Request | Response) -> str:
    """The engine whose call or transaction this is, if it is one of ours; else something that is no engine's name.

    Both legs of a call have a Call-ID of ours. Phones register and ask by their own, so those never go astray.
    """
    if isinstance(message, Response):
        return message.branch.removeprefix(MAGIC_COOKIE).partition("-")[0]
    return message.call_id.partition("-")[0] if message.method != "REGISTER" else ""
