"""A phone that goes on when something went wrong: it repeats, acknowledges, answers and gives up as RFC 3261 says.

What the ladder foresees is left to the ladder; all else the phone answers by itself. Its transactions are its own, not ours.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from c2c_b2bua.sip.message import Request, Response
from c2c_b2bua.sip.reading import parse
from tests.call.phone_memory import Headers, PhoneMemory

T1, T2 = 0.5, 4.0
LIMIT = 64 * T1
NO_LOSS = ("BYE", "CANCEL", "NOTIFY")
"""What may fail without meaning that the dialog is lost."""
BUSY: Headers = (("Retry-After", "1"),)


class Place(Protocol):
    """Where a phone is: what it says leaves there, and what the ladder has to say of what it hears."""

    now: float

    def transmit(self, phone: Phone, said: Said) -> None: ...
    def call_back(self, at: float, repetition: Repetition) -> None: ...
    def foresees(self, phone: Phone, message: Request | Response, asked: Asked | None) -> bool: ...
    def foresees_ack(self, phone: Phone, asking: Asking) -> bool: ...
    def heard_again(self, phone: Phone, what: str, asked: Asked | None = None) -> None: ...


class Said:
    """What a phone sent: bytes, and what they are. `status` 0 is a request; `is_first`: of the INVITE that rings it."""

    __slots__ = ("data", "is_first", "method", "status")

    def __init__(self, data: str, method: str, status: int = 0, is_first: bool = False) -> None:
        self.data = data.encode()
        self.method = method
        self.status = status
        self.is_first = is_first


class Repetition:
    """Says something again until it is over, twice as slowly each time, but not for ever."""

    __slots__ = ("at_last", "deadline", "interval", "is_over", "longest", "phone", "said")

    def __init__(self, phone: Phone, said: Said, longest: float, at_last: Callable[[], None] | None = None) -> None:
        self.phone = phone
        self.said = said
        self.interval = T1
        self.longest = longest
        self.deadline = phone.place.now + LIMIT
        self.at_last = at_last
        self.is_over = False
        phone.place.call_back(phone.place.now + T1, self)

    def due(self) -> None:
        place = self.phone.place
        if self.is_over or self.phone.is_dead:
            return
        if place.now >= self.deadline:
            self.is_over = True
            if self.at_last is not None:
                self.at_last()
            return
        place.transmit(self.phone, self.said)
        self.interval = min(2 * self.interval, self.longest)
        place.call_back(min(place.now + self.interval, self.deadline), self)


class Asked:
    """A request that came, and what was said to it: `finals` by To tag, those not acknowledged are repeated."""

    __slots__ = ("finals", "has_reliable", "last", "repeated", "request")

    def __init__(self, request: Request) -> None:
        self.request = request
        self.last: Said | None = None
        self.finals: dict[str, Said] = {}
        self.repeated: dict[str, Repetition] = {}
        self.has_reliable = False

    @property
    def is_first(self) -> bool:
        return self.request.method == "INVITE" and self.request.to_tag is None


class Asking:
    """A request that the phone sent; `status` of its final response, 0 while there is none."""

    __slots__ = ("ack", "has_offer", "is_over", "method", "repetition", "status")

    def __init__(self, method: str, has_offer: bool, repetition: Repetition) -> None:
        self.method = method
        self.has_offer = has_offer
        self.repetition = repetition
        self.status = 0
        self.is_over = False
        """It has a final response, or its dialog is gone."""
        self.ack: Said | None = None


class Phone:
    """`dialogs` are the local tags of those that are confirmed and not hung up."""

    def __init__(self, name: str, place: Place) -> None:
        self.name = name
        self.place = place
        self.memory = PhoneMemory.of(name)
        self.label = f"-{name[0].lower()}"
        self.is_dead = False
        self.asked: dict[tuple[str, str], Asked] = {}
        self.asking: dict[str, Asking] = {}
        self.dialogs: set[str] = set()

    @property
    def pending(self) -> list[Asked]:
        """INVITEs that wait for its final response."""
        return [asked for (_, method), asked in self.asked.items() if method == "INVITE" and not asked.finals]

    @property
    def is_ringing(self) -> bool:
        return any(asked.is_first for asked in self.pending)

    @property
    def is_idle(self) -> bool:
        """Nothing is going on."""
        return not (self.dialogs or self.is_ringing or any(not asking.is_over for asking in self.asking.values()))

    @property
    def has_dialog(self) -> bool:
        """It can ask for something: there is a dialog, perhaps an early one, or one whose BYE it has not answered yet."""
        return bool(self.dialogs) or any(
            (asked.is_first and asked.last) or asked.request.method == "BYE"
            for asked in self.asked.values()
            if not asked.finals
        )

    def can_ask(self, method: str) -> bool:
        """A NOTIFY about a REFER may follow the BYE (RFC 5057)."""
        return self.has_dialog or (method == "NOTIFY" and any(name == "REFER" for _, name in self.asked))

    # ── what it hears ────────────────────────────────────────────────────────────────────────────────────────────

    def receive(self, data: bytes) -> None:
        message = parse(data)
        if isinstance(message, Response):
            self.responded(message)
        elif message.method == "ACK":
            self.acknowledged(message)
        elif (known := self.asked.get((message.branch, message.method))) is not None:
            self.place.heard_again(self, message.method, known)
            if known.last is not None and not (known.finals and known.last.status < 300 and message.method == "INVITE"):
                self.place.transmit(self, known.last)
        else:
            self.requested(message)

    def requested(self, request: Request) -> None:
        asked = self.asked[request.branch, request.method] = Asked(request)
        if request.body:
            self.memory.offered_inactive = b"a=inactive" in request.body
        if request.method == "PRACK":
            self.end_reliable(request)
        is_known = (request.to_tag or "") in self.dialogs
        self.memory.hear(request)
        if request.method == "BYE":
            self.dialogs.discard(request.to_tag or "")
            self.close()
        if not self.place.foresees(self, request, asked):
            self.react(asked, is_known)

    def react(self, asked: Asked, is_known: bool) -> None:
        """Answer what the ladder does not foresee."""
        request = asked.request
        match request.method:
            case "CANCEL":
                invite = self.asked.get((request.branch, "INVITE"))
                self.respond(asked, 200 if invite is not None else 481)
                if invite is not None and not invite.finals:
                    self.respond(invite, 487)
            case "INVITE" if request.to_tag is None:
                self.respond(asked, 482 if self.dialogs or len(self.pending) > 1 else 180)
            case "PRACK":
                self.respond(asked, 200)
            case "BYE":
                self.respond(asked, 200 if is_known else 481)
                for invite in self.pending:
                    if invite is not asked:
                        self.respond(invite, 487)
            case _ if not is_known:
                self.respond(asked, 481)
            case "INVITE":
                if any(asking.method == "INVITE" and not asking.is_over for asking in self.asking.values()):
                    self.respond(asked, 491)
                elif len(self.pending) > 1 or self.waits_for_ack:
                    self.respond(asked, 500, headers=BUSY)
                else:
                    self.respond(asked, 200, ("answer" if request.body else "offer") + self.label)
            case "UPDATE":
                self.respond(asked, 200, f"answer{self.label}" if request.body else "")
            case "REFER":
                self.respond(asked, 405)
            case _:
                self.respond(asked, 200)

    @property
    def waits_for_ack(self) -> bool:
        return any(
            not repetition.is_over and repetition.said.status < 300
            for asked in self.asked.values()
            for repetition in asked.repeated.values()
        )

    def acknowledged(self, ack: Request) -> None:
        for (_, method), asked in self.asked.items():
            if method == "INVITE" and asked.request.cseq.number == ack.cseq.number:
                repetition = asked.repeated.get(ack.to_tag or "")
                if repetition is not None:
                    repetition.is_over = True
        if ack.call_id == self.memory.call_id:
            self.memory.hear(ack)
        self.place.foresees(self, ack, None)

    def responded(self, response: Response) -> None:
        asking = self.asking.get(f"{response.branch} {response.cseq.method}")
        if asking is None:
            return
        if response.status < 200:
            if asking.method == "INVITE":
                asking.repetition.is_over = True
            asking.repetition.interval = T2
            self.place.foresees(self, response, None)
            return
        if asking.status:
            if asking.ack is not None:
                self.place.transmit(self, asking.ack)
            self.place.heard_again(self, str(response.status))
            return
        asking.status = response.status
        asking.is_over = asking.repetition.is_over = True
        self.memory.hear(response)
        self.place.foresees(self, response, None)
        if asking.method == "INVITE" and not self.place.foresees_ack(self, asking):
            offered = response.status < 300 and not asking.has_offer
            self.acknowledge(asking, f"answer{self.label}" if offered else "")
        if asking.method == "BYE":
            self.close()
        if response.status in (408, 481) and asking.method not in NO_LOSS and self.dialogs:
            self.ask("BYE")

    def close(self) -> None:
        """A dialog is over, and with it what was asked in it (§15)."""
        for asking in self.asking.values():
            asking.is_over = asking.repetition.is_over = True

    # ── what it says ─────────────────────────────────────────────────────────────────────────────────────────────

    def respond(self, asked: Asked, status: int, label: str = "", headers: Headers = ()) -> None:
        """Answer; a final response that was given already is given again."""
        request = asked.request
        tag = dict(headers).get("tag", request.to_tag or self.memory.tag)
        if tag in asked.finals:
            self.place.transmit(self, asked.finals[tag])
            return
        method, is_first = request.method, asked.is_first
        said = Said(self.memory.response(request, status, label, headers), method, status, is_first)
        asked.last = said
        self.place.transmit(self, said)
        is_reliable = status < 200 and any(name == "RSeq" for name, _ in headers)
        if is_reliable:
            number = dict(headers)["RSeq"]
            asked.repeated[f"RSeq {number}"] = Repetition(self, said, LIMIT, lambda: self.not_reliable(asked))
        if status < 200:
            return
        asked.finals[tag] = said
        for key, repetition in asked.repeated.items():
            repetition.is_over |= key.startswith("RSeq ")
        if method != "INVITE":
            return
        if status < 300:
            self.dialogs.add(tag)
            asked.repeated[tag] = Repetition(self, said, T2, lambda: self.not_acknowledged(tag))
        else:
            asked.repeated[tag] = Repetition(self, said, T2)

    def not_reliable(self, asked: Asked) -> None:
        if not asked.finals:
            self.respond(asked, 504)

    def not_acknowledged(self, tag: str) -> None:
        """§13.3.1.4: the dialog is there, but has to be ended."""
        if tag in self.dialogs:
            self.memory.local = f"{self.memory.local.partition(';tag=')[0]};tag={tag}"
            self.ask("BYE")

    def end_reliable(self, prack: Request) -> None:
        number = (prack.get("RAck") or "").split()[0]
        for asked in self.asked.values():
            if f"RSeq {number}" in asked.repeated:
                asked.repeated[f"RSeq {number}"].is_over = True

    def ask(self, method: str, label: str = "", headers: Headers = ()) -> Asking:
        """Send a request inside the dialog."""
        memory = self.memory
        if self.dialogs and memory.local.partition(";tag=")[2] not in self.dialogs:
            memory.local = f"{memory.local.partition(';tag=')[0]};tag={max(self.dialogs)}"
        said = Said(memory.request(method, label, headers), method)
        branch = f"z9hG4bK{self.name}{memory.branches}"
        key = f"{branch} {method}"
        repetition = Repetition(self, said, LIMIT if method == "INVITE" else T2, lambda: self.timed_out(key))
        asking = self.asking[key] = Asking(method, bool(label), repetition)
        if method == "BYE":
            self.dialogs.discard(memory.local.partition(";tag=")[2])
        self.place.transmit(self, said)
        return asking

    def timed_out(self, key: str) -> None:
        asking = self.asking[key]
        asking.is_over = True
        if asking.method == "BYE":
            self.close()
        elif asking.method not in NO_LOSS and self.dialogs:
            self.ask("BYE")

    def acknowledge(self, asking: Asking, label: str = "", headers: Headers = ()) -> None:
        asking.ack = Said(self.memory.request("ACK", label, headers), "ACK")
        self.place.transmit(self, asking.ack)

    def hang_up(self) -> bool:
        """Somebody puts it down, or declines; False when there is nothing to be ended."""
        if self.dialogs:
            self.ask("BYE")
            for asked in self.pending:
                self.respond(asked, 487)
            return True
        ringing = [asked for asked in self.pending if asked.is_first]
        for asked in ringing:
            self.respond(asked, 603)
        return bool(ringing)
