"""A 2xx to an INVITE of ours that nobody waits for any more: an answer too late, or another fork (RFC 3261 §13.2.2.4).

Left alone it would say its 2xx for half a minute, to somebody who hears silence. All that its ACK and its BYE need is in it.
"""

from __future__ import annotations

from c2c_b2bua.dialog.dialog import Dialog
from c2c_b2bua.sip.flow import Flow
from c2c_b2bua.sip.message import Request, Response
from c2c_b2bua.transaction.actions import SendAck, SendRequest, Work

MAX_STRAYS = 1000
Name = tuple[str, str, int]


class Strays:
    """Those that were hung up, so that a 2xx that comes again has its ACK again, and no second BYE."""

    __slots__ = ("acks",)

    def __init__(self) -> None:
        self.acks: dict[Name, SendAck] = {}
        """(Call-ID, To tag, CSeq) -> the ACK"""

    def hang_up(self, response: Response, flow: Flow | None, is_ours: bool) -> Work:
        """ACK and BYE, over `flow` as it is for a `Dialog`; only the ACK in a dialog that goes on (`is_ours`)."""
        sequence = response.cseq.number
        name = (response.call_id, response.to_tag or "", sequence)
        known = self.acks.get(name)
        if known is not None:
            return [known]
        headers = {"From": response.headers["From"], "Call-ID": response.headers["Call-ID"]}
        invite = Request("INVITE", str(response.address("To").uri), headers)
        invite.read_cseq = response.cseq
        dialog = Dialog(invite, response, flow)
        ack = SendAck(response.call_id, dialog.ack(invite, sequence))
        if len(self.acks) >= MAX_STRAYS:
            self.acks.clear()
        self.acks[name] = ack
        if is_ours:
            return [ack]
        return [ack, SendRequest(response.call_id, dialog.request("BYE", sequence + 1), dialog.hop, dialog.flow)]
