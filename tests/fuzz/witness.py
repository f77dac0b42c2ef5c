"""Watches what the core says to its phones, and knows what may not be said, whatever the phones did before.

Every INVITE has its ACK to its final response; CANCEL comes after a provisional response only; there are never two offers at
once in a dialog; o= rises with every change, and only then; CSeq rises strictly in a dialog; nothing follows a BYE.
"""

from __future__ import annotations

from c2c_b2bua.b2bua import B2bua
from c2c_b2bua.sdp import SessionDescription
from c2c_b2bua.sip.message import Request, Response
from c2c_b2bua.sip.reading import parse
from c2c_b2bua.transaction.matching import client_key, response_key, server_key
from c2c_b2bua.transaction.transaction import ABANDONED, ACCEPTED, CALLING, COMPLETED, PROCEEDING, TRYING

Dialog = tuple[str, str]
"""(Call-ID, tag of the peer)"""
FIRST = "of no dialog yet"
"""In place of a tag, for the INVITE that begins it."""
OPEN = (CALLING, TRYING, PROCEEDING, ABANDONED)


class Witness:
    """Told of all that goes out, and of each response before it comes in."""

    def __init__(self, core: B2bua) -> None:
        self.core = core
        self.seen: set[bytes] = set()
        self.provisional: set[str] = set()
        """Branches of INVITEs that had a provisional response."""
        self.tags: dict[str, str] = {}
        """Branch of an INVITE inside a dialog -> tag of the peer, `""` for one of RFC 2543 that has none."""
        self.answers: set[tuple[str, int, str]] = set()
        """(Call-ID, CSeq, To tag) of all 2xx that came."""
        self.owed: dict[tuple[str, int, str], str] = {}
        """(Call-ID, CSeq, To tag) of 2xx that came -> which it was."""
        self.acknowledged: set[tuple[str, int, str]] = set()
        self.sequences: dict[Dialog, tuple[int, str]] = {}
        """CSeq of our last request in a dialog, and all of it but its way."""
        self.offers: dict[Dialog, str] = {}
        """Key of the client transaction of our last offer in a dialog."""
        self.asked: dict[Dialog, str] = {}
        """Key of the server transaction of the peer's last offer in a dialog."""
        self.descriptions: dict[Dialog, SessionDescription] = {}
        self.ended: set[Dialog] = set()
        """Dialogs in which we said BYE."""
        self.over: set[Dialog] = set()
        """Those in which anybody did."""

    # ── what comes in ────────────────────────────────────────────────────────────────────────────────────────────

    def hears(self, response: Response, is_sound: bool) -> str:
        """A response is about to come in; the branch of the ACK that must follow at once, or `""`.

        `is_sound`: its Contact and Record-Route say where an ACK can go.
        """
        client = self.core.clients.get(response_key(response))
        dialog = (response.call_id, response.to_tag or "")
        if response.cseq.method == "INVITE" and 100 < response.status < 300:
            # The dialog counts from the INVITE that made it.
            self.sequences.setdefault(dialog, (response.cseq.number, "INVITE"))
        if client is None or response.cseq.method != "INVITE":
            return ""
        if response.status < 200:
            self.provisional.add(response.branch)
        elif response.status >= 300:
            return response.branch if client.state in (*OPEN, COMPLETED) else ""
        elif client.state in (*OPEN, ACCEPTED):
            answer = (response.call_id, response.cseq.number, self.tags.get(response.branch, response.to_tag or ""))
            # What comes again is the same as it was at first, whatever it says now: the ACK goes where that one went.
            if answer not in self.answers and is_sound:
                self.owed[answer] = response.start_line()
            self.answers.add(answer)
        return ""

    def is_asked(self, request: Request) -> None:
        """A request of the peer is about to come in."""
        if request.method in ("INVITE", "UPDATE") and request.body:
            self.asked[request.call_id, request.from_tag or ""] = server_key(request)
        if request.method == "BYE":
            self.over.add((request.call_id, request.from_tag or ""))

    # ── what goes out ────────────────────────────────────────────────────────────────────────────────────────────

    def sees(self, data: bytes) -> Request | Response:
        """The message, checked."""
        message = parse(data)
        message.check()
        if data not in self.seen:
            self.seen.add(data)
            if isinstance(message, Request):
                self.check_request(message)
            else:
                self.check_response(message)
            if message.body and message.cseq.method in ("INVITE", "ACK", "UPDATE", "PRACK"):
                self.check_description(message)
        return message

    def check_request(self, request: Request) -> None:
        dialog = dialog_of(request)
        number, method = request.cseq.number, request.method
        if method == "ACK":
            self.acknowledged.add((request.call_id, number, dialog[1]))
            return
        if method == "CANCEL":
            assert request.branch in self.provisional, f"CANCEL before a provisional response: {request.headers}"
            return
        if method == "BYE" and dialog in self.over:
            return  # a 2xx that comes after all is forgotten is hung up: how far we had counted is forgotten too
        last, before = self.sequences.get(dialog, (0, ""))
        # The same request may go to another target when the first is silent: the same CSeq in another transaction.
        without_way = {name: values for name, values in request.headers.items() if name not in ("Via", "Contact")}
        said = f"{method} {without_way} {request.body!r}"
        goes_elsewhere = (number, said) == (last, before)
        assert number > last or goes_elsewhere, f"{request.cseq} after {last} {before}"
        self.sequences[dialog] = (number, said)
        assert dialog not in self.ended or method in ("BYE", "NOTIFY"), f"{method} after BYE"
        leg = self.core.legs.get(request.call_id)
        if method == "INVITE" and (request.to_tag or (leg is not None and leg.dialog is not None)):
            self.tags[request.branch] = request.to_tag or ""
        if method == "BYE":
            self.ended.add(dialog)
            self.over.add(dialog)
        if method in ("INVITE", "UPDATE") and request.body and dialog[1] != FIRST:
            if not goes_elsewhere:
                self.check_offer(dialog)
            self.offers[dialog] = client_key(request.branch, method)

    def check_response(self, response: Response) -> None:
        """A 2xx to an INVITE that made no offer makes ours."""
        dialog = dialog_of(response)
        key = self.asked.get(dialog, "")
        if response.cseq.method == "INVITE" and 200 <= response.status < 300 and response.branch not in key:
            self.check_offer(dialog)

    def check_offer(self, dialog: Dialog) -> None:
        """An offer of ours: no other is open, neither ours nor the peer's."""
        ours = self.core.clients.get(self.offers.get(dialog, ""))
        assert ours is None or ours.state not in OPEN, f"two offers at once: {ours.request.start_line()}"
        theirs = self.core.servers.get(self.asked.get(dialog, ""))
        assert theirs is None or theirs.state not in (TRYING, PROCEEDING), "an offer while the peer's is open"

    def check_description(self, message: Request | Response) -> None:
        description = SessionDescription.parse(message.body)
        dialog = dialog_of(message)
        before = self.descriptions.get(dialog) or self.descriptions.get((message.call_id, FIRST))
        self.descriptions[dialog] = description
        if before is None:
            return
        then, now = before.origin, description.origin
        assert (then.session_id, then.username, then.address) == (now.session_id, now.username, now.address)
        assert now.version == then.version + (not before.same_media(description)), (str(before), str(description))

    # ── in the end ───────────────────────────────────────────────────────────────────────────────────────────────

    def unacknowledged(self) -> dict[tuple[str, int, str], str]:
        """2xx that came and never had an ACK."""
        return {key: line for key, line in self.owed.items() if key not in self.acknowledged}


def dialog_of(message: Request | Response) -> Dialog:
    """Of a message of ours."""
    if isinstance(message, Response):
        return (message.call_id, message.from_tag or "")
    return (message.call_id, message.to_tag or (FIRST if message.method == "INVITE" else ""))
