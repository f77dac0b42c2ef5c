"""What a call's record has to say, reckoned from the wire alone: who ended it, when, why, and by when it had to be over."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from c2c_b2bua.call.news import CallBridged, CallEnded
from tests.matrix.exchange import AGAIN, GONE, LIMIT, SESSION, SOON, Exchange, Head, at_once, cause, invites
from tests.matrix.stage import Stage
from tests.matrix.wire import Datagram, Event

MARGIN = 4.0
"""Seconds before a phone gives up to which the ACK of its 2xx may be put off."""
FIRST_NEWS = 4.0
"""Seconds within which a phone that was told to call somebody says that it does."""
LINGER = 4.0
"""Seconds after its BYE in which it may still say how that went."""
NO_LOSS = ("BYE", "CANCEL", "PRACK", "NOTIFY")
"""What may fail without meaning that the dialog is lost."""
SIPFRAG = re.compile(rb"\r\n\r\n\s*SIP/2.0 (\d\d\d)")
Verdict = tuple[str, str | None, int | None]
"""Who ended the call, the cause (None: as a Reason header said), the SIP code."""


@dataclass
class Reckoning:
    """Goes through the events of a call; `verdicts` are what the record may say, `ended_at` when it had to begin to end."""

    stage: Stage
    up: dict[str, str] = field(default_factory=dict)
    """Side -> the phone that answered."""
    tags: dict[str, bytes] = field(default_factory=dict)
    unacknowledged: dict[str, Exchange] = field(default_factory=dict)
    """Phone -> its 2xx, which waits for our ACK."""
    ringing: dict[str, Exchange] = field(default_factory=dict)
    """Phone -> its INVITE."""
    sequences: dict[str, int] = field(default_factory=dict)
    """Phone -> the CSeq of that INVITE."""
    call_ids: dict[str, str] = field(default_factory=dict)
    exchanges: dict[tuple[str, str, int], Exchange] = field(default_factory=dict)
    """(phone, way and method, CSeq) -> what has to be answered."""
    sessions: dict[str, Exchange] = field(default_factory=dict)
    """Side -> when its session was agreed or refreshed last."""
    finals: dict[str, list[int]] = field(default_factory=dict)
    """Phone -> the final responses to its INVITE."""
    transferring: str = ""
    """The phone that handed the call over, while those it named are rung."""
    before: set[str] = field(default_factory=set)
    """Those that were rung before."""
    has_left: bool = False
    """It has hung up."""
    referred: Exchange | None = None
    """A was told to call B itself."""
    refer_until: float = 0.0
    """When an answer to that REFER comes too late."""
    is_heard: bool = False
    """It has said how that goes."""
    lingering: Exchange | None = None
    """It has hung up, but not said how that went."""
    orders: dict[str, int] = field(default_factory=dict)
    """Phone -> the CSeq of its last request."""
    bridged: bool = False
    verdicts: list[Verdict] = field(default_factory=list)
    ended_at: float = 0.0

    def go(self) -> None:
        events = self.stage.events
        for place, event in enumerate(events):
            verdicts = list(self.step(event, events, place))
            if verdicts:
                self.verdicts, self.ended_at = verdicts, event.at
                return

    def step(self, event: Event, events: list[Event], place: int) -> Iterator[Verdict]:
        if event.kind == "api":
            yield "api", "NORMAL_CLEARING", 200 if self.bridged else None
        elif event.kind == "in" and event.datagram is not None:
            yield from self.hear(event.datagram, event.at, events, place)
        elif event.kind == "out" and event.datagram is not None:
            yield from self.say(event.datagram, event.at, events, place)
        elif isinstance(event.news, CallEnded):
            yield from self.by_itself(event.at, events, place)
        elif isinstance(event.news, CallBridged):
            self.bridged = True

    # ── what a phone says ────────────────────────────────────────────────────────────────────────────────────────

    def hear(self, datagram: Datagram, at: float, events: list[Event], place: int) -> Iterator[Verdict]:
        head, phone = Head.of(datagram.data), datagram.phone
        side = phone[0].lower()
        said = datagram.said
        assert said is not None
        if head.status == 0 and head.method == "ACK":
            self.close(phone, "2xx INVITE", head.sequence, at)
        elif head.status == 0:
            if head.sequence > self.orders.get(phone, 0):
                self.orders[phone] = head.sequence
                yield from self.hear_request(datagram, head.method, at)
        elif head.status >= 200 and said.is_first:
            yield from self.hear_final(datagram, head, at, events, place)
        elif head.status >= 200:
            self.close(phone, head.method, head.sequence, at, head.status in AGAIN)
            if head.status < 300 and head.method in ("INVITE", "UPDATE"):
                self.session(side, datagram.data, at)
            if head.status >= 300 and head.method == "REFER" and head.status not in AGAIN:
                self.referred = None
            is_lost = head.status in GONE and head.method not in NO_LOSS and self.lingering is None
            is_lost &= head.method != "REFER" or at <= self.refer_until
            if is_lost and self.up.get(side) == phone:
                yield "error", cause(head.status), head.status

    def hear_request(self, datagram: Datagram, method: str, at: float) -> Iterator[Verdict]:
        phone, data = datagram.phone, datagram.data
        side = phone[0].lower()
        if method == "NOTIFY" and self.referred is not None and side == "a":
            yield from self.hear_notify(data, at)
        if method != "BYE" or self.up.get(side) != phone or self.tags[phone] not in data:
            return
        if self.transferring == phone:
            self.has_left = True
            yield from self.left_to_nobody()
        elif self.referred is not None:
            self.lingering = Exchange(at, LINGER)
        elif b"\nReason:" in data:
            yield side, None, None
        elif side == "a" and "b" not in self.up:
            yield "a", "ORIGINATOR_CANCEL", 487
        else:
            yield side, "NORMAL_CLEARING", 200 if self.bridged else None

    def is_heard_of(self, phone: str) -> bool:
        return any(
            event.kind == "in" and event.datagram and event.datagram.phone == phone for event in self.stage.events
        )

    def left_untold(self) -> Iterator[Verdict]:
        """A has hung up, and did not say how its call to B went, or that there is one."""
        if self.is_heard:
            yield "a", "NORMAL_UNSPECIFIED", None
        else:
            yield "a", "ORIGINATOR_CANCEL", 487

    def hear_notify(self, data: bytes, at: float) -> Iterator[Verdict]:
        """A says how its call to B goes."""
        found = SIPFRAG.search(data)
        if found is None or b"\nEvent: refer" not in data:
            return
        self.is_heard = True
        status = int(found[1])
        if status >= 300:
            yield "b", cause(status), status
        elif status >= 200:
            yield "a", "BLIND_TRANSFER", 200
        elif b"terminated" in data:
            yield "a", "NORMAL_UNSPECIFIED", None

    def left_to_nobody(self) -> Iterator[Verdict]:
        """Nobody of those that were to take the call over rings any more: it is over, if who handed it over has left."""
        side = self.transferring[:1]
        rung = [exchange for phone, exchange in self.ringing.items() if phone[0] == side and phone not in self.before]
        if not side or not rung or any(exchange.closed is None for exchange in rung):
            return
        self.transferring = ""
        if self.has_left:
            yield from self.of_several(side.lower())

    def hear_final(
        self, datagram: Datagram, head: Head, at: float, events: list[Event], place: int
    ) -> Iterator[Verdict]:
        """A final response to an INVITE that made a phone ring."""
        phone, status = datagram.phone, head.status
        side = phone[0].lower()
        if head.call_id != self.call_ids[phone]:
            return
        if phone in self.ringing and self.ringing[phone].closed is None:
            self.ringing[phone].closed = at
        is_transfer = self.transferring[:1].lower() == side
        if (side in self.up and not is_transfer) or (self.finals.get(phone) and head.sequence < self.sequences[phone]):
            return
        self.finals.setdefault(phone, []).append(status)
        if status < 300:
            self.up[side], self.tags[phone] = phone, head.tag
            self.unacknowledged[phone] = Exchange(at, LIMIT)
            for other, exchange in self.ringing.items():
                if other[0] == phone[0] and exchange.closed is None:
                    exchange.closed = at
            self.session(side, datagram.data, at)
            self.transferring = "" if is_transfer else self.transferring
        elif is_transfer:
            yield from self.left_to_nobody()
        elif not self.is_asked_again(phone, events, place) and self.is_alone(side):
            yield side, None if b"\nReason:" in datagram.data else cause(status), status

    def is_alone(self, side: str) -> bool:
        """Nobody else can be rung on this side."""
        order = self.stage.order
        return not ((order.a_beside or order.a_instead) if side == "a" else (order.b_beside or order.b_instead))

    @staticmethod
    def is_asked_again(phone: str, events: list[Event], place: int) -> bool:
        """What we send in return is another INVITE to the same phone."""
        return any(invites(event, phone) for event in at_once(events, place))

    # ── what we say ──────────────────────────────────────────────────────────────────────────────────────────────

    def say(self, datagram: Datagram, at: float, events: list[Event], place: int) -> Iterator[Verdict]:
        if not datagram.is_new:
            return
        head, phone = Head.of(datagram.data), datagram.phone
        side = phone[0].lower()
        if head.status:
            if head.method == "REFER" and head.status < 300:
                self.transferring, self.has_left, self.before = phone, False, set(self.ringing)
            if head.method in ("INVITE", "UPDATE") and 200 <= head.status < 300:
                self.session(side, datagram.data, at)
                if head.method == "INVITE":
                    self.exchanges[phone, "2xx INVITE", head.sequence] = Exchange(at, LIMIT)
        elif head.method == "INVITE" and not head.tag:
            order = self.stage.order
            party = order.a if side == "a" else order.b
            is_same_leg = self.call_ids.get(phone) == head.call_id
            started = self.ringing[phone].opened if is_same_leg else at
            self.ringing[phone] = Exchange(started, party.ring_timeout)
            self.call_ids[phone] = head.call_id
            self.sequences[phone] = head.sequence
            self.leave_others(phone, at)
            if side == "b":
                self.referred = None
        elif head.method == "ACK" and phone in self.unacknowledged and self.unacknowledged[phone].closed is None:
            self.unacknowledged[phone].closed = at
        elif head.method == "NOTIFY":
            self.say_notify(phone, datagram.data, at)
        elif head.method == "REFER":
            self.referred = self.referred or Exchange(at, FIRST_NEWS + self.stage.order.b.ring_timeout)
            self.refer_until = at + LIMIT
        elif head.method not in ("ACK", *NO_LOSS):
            before = self.exchanges.get((phone, head.method, head.sequence - 1))
            is_again = before is not None and before.is_asked_again and before.closed == at
            self.exchanges[phone, head.method, head.sequence] = Exchange(before.opened if is_again else at, LIMIT)
        elif head.method in ("BYE", "CANCEL"):
            yield from self.say_goodbye(datagram, at, events, place)

    def say_notify(self, phone: str, data: bytes, at: float) -> None:
        """Whoever wanted to hand the call over hears that nobody took it: those that were rung are given up."""
        found = SIPFRAG.search(data)
        if phone == self.transferring and found is not None and int(found[1]) >= 300:
            for other, exchange in self.ringing.items():
                if exchange.closed is None and other[0] == phone[0]:
                    exchange.closed = at
            self.transferring = ""

    def leave_others(self, phone: str, at: float) -> None:
        """Another way is tried: those that were rung before are given up."""
        order = self.stage.order
        instead = order.a_instead if phone[0] == "A" else order.b_instead
        if any(f"phone {phone}" == party.target for group in instead for party in group):
            for other, exchange in self.ringing.items():
                if other[0] == phone[0] and other != phone and exchange.closed is None:
                    exchange.closed = at

    def say_goodbye(self, datagram: Datagram, at: float, events: list[Event], place: int) -> Iterator[Verdict]:
        """A BYE or CANCEL of ours: it ends the call unless it is for somebody who is not wanted any more."""
        data, phone = datagram.data, datagram.phone
        side = phone[0].lower()
        if b"\nReason:" not in data or b"Call completed elsewhere" in data:
            return
        if data.startswith(b"CANCEL") and self.transferring[:1].lower() == side:
            self.ringing[phone].closed = at
            yield from self.left_to_nobody()
            return
        if side in self.up and self.up[side] != phone:
            return
        if data.startswith(b"CANCEL") and (side in self.up or self.ringing[phone].closed is not None):
            return
        if any(
            invites(event, other)
            for event in at_once(events, place)
            for other in self.stage.phones
            if other[0] == phone[0]
        ):
            self.ringing[phone].closed = at
            return
        if datagram.by == "timer":
            yield from self.by_timer(at)
        else:
            yield from self.by_message(at, events, place)

    def by_itself(self, at: float, events: list[Event], place: int) -> Iterator[Verdict]:
        """The call ended, and nobody had to be told."""
        by_message = next((event.kind == "in" for event in reversed(events[:place]) if event.kind != "out"), False)
        if self.lingering is not None:
            yield from self.left_untold()
        elif by_message and events[place - 1].at == at:
            yield from self.by_message(at, events, place)
        yield from self.by_timer(at)

    # ── why it ends ──────────────────────────────────────────────────────────────────────────────────────────────

    def by_timer(self, at: float) -> Iterator[Verdict]:
        """All that was due just then."""
        order = self.stage.order
        if any(exchange.is_due_at(at) for exchange in self.ringing.values()):
            yield "timer", "NO_ANSWER", 408
            for side in "ab":
                if side not in self.up and not self.is_alone(side):
                    yield from self.of_several(side)
        for phone, exchange in self.unacknowledged.items():
            if exchange.is_due_at(at, MARGIN):
                yield ("timer", "NO_ANSWER", 408) if phone[0] == "A" else ("error", "RECOVERY_ON_TIMER_EXPIRE", 408)
        if any(exchange.is_due_at(at) for exchange in self.exchanges.values()):
            yield "error", "RECOVERY_ON_TIMER_EXPIRE", 408
        if self.referred is not None and self.referred.is_due_at(at):
            yield "timer", "NO_ANSWER", 408
        if self.lingering is not None and (self.lingering.is_due_at(at) or not self.is_heard):
            yield from self.left_untold()
        if any(session.is_due_at(at) for session in self.sessions.values()):
            yield "timer", "RECOVERY_ON_TIMER_EXPIRE", 408
        if abs(at - self.stage.started - order.max_duration) < SOON:
            yield "timer", "ALLOTTED_TIMEOUT", 200 if self.bridged else None

    def by_message(self, at: float, events: list[Event], place: int) -> Iterator[Verdict]:
        """What the phone's last message means for the call."""
        heard = next(event.datagram for event in reversed(events[:place]) if event.kind == "in")
        assert heard is not None and heard.said is not None
        head, side = Head.of(heard.data), heard.phone[0].lower()
        if heard.said.is_first and head.status >= 300:
            yield from self.of_several(side)
        elif head.status >= 300:
            yield side, cause(head.status), head.status
        elif head.status >= 200 or head.method == "ACK":
            yield "error", "INCOMPATIBLE_DESTINATION", 488

    def of_several(self, side: str) -> Iterator[Verdict]:
        """One of those that were rung on a side said it."""
        for phone, statuses in self.finals.items():
            if phone[0].lower() == side:
                for status in statuses:
                    yield side, cause(status), status
        yield "timer", "NO_USER_RESPONSE", 408
        yield "timer", "NO_ANSWER", 408

    # ── what has to be over by when ──────────────────────────────────────────────────────────────────────────────

    def close(self, phone: str, what: str, sequence: int, at: float, is_asked_again: bool = False) -> None:
        exchange = self.exchanges.get((phone, what, sequence))
        if exchange is not None and exchange.closed is None:
            exchange.closed, exchange.is_asked_again = at, is_asked_again

    def session(self, side: str, data: bytes, at: float) -> None:
        """A 2xx to an INVITE or UPDATE: how long the session lasts; we hang up a little earlier (RFC 4028 §10)."""
        found = SESSION.search(data)
        self.sessions.pop(side, None)
        if found:
            interval = int(found[1])
            self.sessions[side] = Exchange(at, interval - min(32, interval / 3))

    def overdue(self) -> Iterator[str]:
        """What should have ended the call earlier than it ended."""
        exchanges = {
            **{f"the INVITE of {phone}": exchange for phone, exchange in self.ringing.items()},
            **{f"the {what} of {phone}": exchange for (phone, what, _), exchange in self.exchanges.items()},
            **{f"the 2xx of {phone}": exchange for phone, exchange in self.unacknowledged.items()},
            **{f"the session of {side}": exchange for side, exchange in self.sessions.items()},
            "the call": Exchange(self.stage.started, self.stage.order.max_duration),
            **({"the REFER": self.referred} if self.referred is not None else {}),
            **({"the last NOTIFY": self.lingering} if self.lingering is not None else {}),
        }
        for phone in self.ringing:
            side = phone[0].lower()
            if side in self.up and not self.has_left and not self.is_heard_of(phone):
                # Rung for a transfer that nobody wants to hear of, and never heard: no CANCEL may go.
                del exchanges[f"the INVITE of {phone}"]
        for name, exchange in exchanges.items():
            if not exchange.is_over_by(self.ended_at):
                yield f"{name} is open since {exchange.opened - self.stage.started:.3f} s"
