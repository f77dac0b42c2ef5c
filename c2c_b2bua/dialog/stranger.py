"""Requests that belong to no dialog of ours (RFC 3261 §8.2): OPTIONS is answered, calls from outside are refused."""

from __future__ import annotations

from c2c_b2bua.dialog.extensions import ALLOW, bad_extension, introduce, unsupported
from c2c_b2bua.dialog.leg_requests import KNOWN_METHODS
from c2c_b2bua.sip.message import Request, Response
from c2c_b2bua.sip.uri import Uri

INSIDE_A_DIALOG = frozenset({"BYE", "CANCEL", "INFO", "UPDATE", "PRACK"})
"""What we know well, but only where there is a dialog (§15.1.2)."""


def answer_stranger(request: Request, tag: str) -> Response:
    """The response to a request outside our dialogs, in the order of §8.2; `tag` becomes its To tag."""
    method = request.method
    if request.to_tag or method in INSIDE_A_DIALOG:
        return request.response(481, to_tag=tag)
    if method not in KNOWN_METHODS:
        return allowing(request.response(501, to_tag=tag))
    if not Uri.parse(request.uri).is_sip:
        return request.response(416, to_tag=tag)
    strange = unsupported(request)
    if strange:
        return bad_extension(request, strange, tag)
    if method == "INVITE":
        return request.response(403, "No calls from outside", to_tag=tag)
    if method != "OPTIONS":
        return allowing(request.response(405, to_tag=tag))
    response = introduce(request.response(200, to_tag=tag))
    response.headers["Accept"] = ["application/sdp"]
    return response


def allowing(response: Response) -> Response:
    response.headers["Allow"] = [ALLOW]
    return response
