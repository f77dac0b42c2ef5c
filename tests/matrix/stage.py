"""Plays a ladder with one fault: its phones follow it as far as that makes sense.

A phone sends what the ladder has it send. A response waits a second for what others do above it in the ladder, everything
else until all that is above it has happened, or has had its time. What comes unforeseen the phone answers by itself.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field

from c2c_b2bua.b2bua import B2bua
from c2c_b2bua.call.news import TransferAsked
from c2c_b2bua.sip.message import Request, Response
from tests.call.ladder import Ladder
from tests.call.phone_memory import PORTS, call_order, party_of
from tests.matrix.fault import DIES, OF_MOMENTS, Fault
from tests.matrix.phone import Asked, Asking, Phone
from tests.matrix.script import Script, seconds
from tests.matrix.wire import LATENCY, Datagram, Event, Wire

GRACE = 1.0
"""Seconds that a response waits for others."""
PATIENCE = 40.0
"""Seconds that a line is waited for: longer than any transaction lives."""
IMPATIENCE = 7.0
"""The same for a phone that has nothing to do with the call; another way is tried after six seconds."""
PENDING, DONE, SKIPPED = "PENDING", "DONE", "SKIPPED"


@dataclass
class Baseline:
    """What a fault has to know of the undisturbed call."""

    numbers: dict[int, int] = field(default_factory=dict)
    """Line -> which datagram it was."""
    can_hang_up: dict[int, set[str]] = field(default_factory=dict)
    """Moment -> phones that have something to end."""
    is_alive: set[int] = field(default_factory=set)
    """Moments at which the call has not ended."""
    busy: set[str] = field(default_factory=set)
    """Phones that the ladder itself leaves with a call."""


class Stage(Wire):
    """One call; `run` plays it to its end."""

    def __init__(self, ladder: Ladder, script: Script, fault: Fault | None = None, core: type[B2bua] = B2bua) -> None:
        super().__init__(call_order(**ladder.order), fault, core)
        self.script = script
        self.baseline = Baseline()
        self.state = [PENDING] * len(script.lines)
        self.done_at: dict[int, float] = {}
        self.heard: dict[int, Asked] = {}
        self.asking: dict[int, Asking] = {}
        self.last_heard = dict.fromkeys(PORTS, -1)
        self.silent: set[str] = set()
        """Phones that follow the ladder no longer."""
        self.pointer = 0
        self.reached_at = self.now
        self.moment = fault.line if fault is not None and fault.kind in OF_MOMENTS else -1

    # ── what the ladder has to say of what is heard ──────────────────────────────────────────────────────────────

    def is_lost_by_the_ladder(self, datagram: Datagram) -> bool:
        """The next thing that this phone shall hear is to be lost, and this is it."""
        script, name = self.script, datagram.phone
        place = next((place for place in script.own.get(name, ()) if self.is_awaited(place, name)), None)
        if place is None or not script.lines[place].is_lost:
            return False
        first, second, _ = datagram.data.split(b" ", 2)
        if (second if first == b"SIP/2.0" else first).decode() != script.lines[place].what:
            return False
        self.done(place, name)
        return True

    def is_awaited(self, place: int, name: str) -> bool:
        return (
            not self.script.lines[place].is_from_phone and self.state[place] != DONE and place > self.last_heard[name]
        )

    def done(self, place: int, name: str) -> None:
        self.state[place] = DONE
        self.done_at[place] = self.now
        self.last_heard[name] = place
        self.has_moved = True

    def line_of(self, name: str, what: str, method: str) -> int | None:
        """The next line that this can be."""
        if name in self.silent:
            return None
        script = self.script
        for place in script.own.get(name, ()):
            line = script.lines[place]
            if (
                line.what == what
                and self.is_awaited(place, name)
                and script.methods.get(place, method) == method
                and not line.is_lost
            ):
                return place
        return None

    def foresees(self, phone: Phone, message: Request | Response, asked: Asked | None) -> bool:
        what = message.method if isinstance(message, Request) else str(message.status)
        place = self.line_of(phone.name, what, message.cseq.method)
        if place is None:
            if isinstance(message, Response) and message.status >= 200:
                self.skip_responses(phone.name, message.cseq.method)
            return False
        self.done(place, phone.name)
        assert self.arriving is not None
        self.baseline.numbers.setdefault(
            place, next(n for n in range(len(self.wire) - 1, -1, -1) if self.wire[n] is self.arriving)
        )
        if asked is not None:
            self.heard[place] = asked
            for answer, request in self.script.answers.items():
                if request == place and self.state[answer] == SKIPPED:
                    self.state[answer] = PENDING
        return True

    def skip_responses(self, name: str, method: str) -> None:
        """Another final response came than the ladder's."""
        for place in self.script.own.get(name, ()):
            if self.state[place] == PENDING and self.script.methods.get(place) == method:
                self.state[place] = SKIPPED
                if self.script.lines[place].what >= "200":
                    return

    def foresees_ack(self, phone: Phone, asking: Asking) -> bool:
        """The ladder says when the phone acknowledges this 2xx, or that it never does; all else is acknowledged at once."""
        place = self.last_heard[phone.name]
        line = self.script.lines[place] if place >= 0 else None
        if line is None or not line.is_response or self.done_at.get(place) != self.now or phone.name in self.silent:
            return False
        ack = self.script.acknowledged.get(place)
        if ack is not None and asking.status >= 300:
            phone.is_dead = self.dies_at(ack)
            self.said(ack, len(self.wire))
        elif ack is not None:
            self.asking[place] = asking
        return asking.status < 300

    def heard_again(self, phone: Phone, what: str, asked: Asked | None = None) -> None:
        """A repetition; the ladder may have a line for it."""
        place = next(
            (place for place in self.script.own.get(phone.name, ()) if self.is_awaited(place, phone.name)), None
        )
        if place is not None and self.script.lines[place].what == what and self.state[place] == PENDING:
            self.done(place, phone.name)
            if asked is not None:
                self.heard[place] = asked

    # ── following the ladder ─────────────────────────────────────────────────────────────────────────────────────

    def advance(self) -> float | None:
        """Do what is due; when to look again."""
        script, state = self.script, self.state
        end = len(state)
        while True:
            moved = False
            while self.pointer < end and self.settle_line(self.pointer):
                self.pointer += 1
                self.reached_at = self.now
                moved = True
            cue: float | None = None
            for place in script.sends:
                if state[place] != PENDING:
                    continue
                at = self.cue(place)
                if at is not None and at <= self.now:
                    self.send(place)
                    moved = True
                elif at is not None and (cue is None or at < cue):
                    cue = at
            if not moved:
                break
        if self.pointer < end:
            at = self.ripe_at(self.pointer)
            if at is not None and (cue is None or at < cue):
                cue = at
        return cue

    def settle_line(self, place: int) -> bool:
        """Whether all that is to be said of this line, all above it being settled, has been said."""
        line = self.script.lines[place]
        self.note_moment(place)
        at = self.ripe_at(place)
        if at is None or self.now < at:
            return False
        if self.state[place] != PENDING:
            return True
        if line.text == "api: hang up":
            self.hang_up_by_api()
        self.state[place] = SKIPPED if line.leg or place in self.script.answers_to_refer else DONE
        return True

    def ripe_at(self, place: int) -> float | None:
        """When a line that the pointer has reached is over, what a phone said having arrived; None: it has yet to be said."""
        line = self.script.lines[place]
        if self.state[place] != PENDING:
            said_at = self.done_at.get(place) if line.is_from_phone else None
            return self.reached_at if said_at is None else said_at + 1.5 * LATENCY
        if place in self.script.answers_to_refer:
            return self.reached_at + PATIENCE
        if not line.leg:
            return self.reached_at + seconds(line)
        if line.is_from_phone:
            return None
        phone = self.phones[line.leg]
        if phone.is_dead or line.leg in self.silent:
            return self.reached_at
        return self.reached_at + (IMPATIENCE if phone.is_idle else PATIENCE)

    def note_moment(self, place: int) -> None:
        """The call has come to the moment before this line."""
        if self.moment == -1:
            if self.fault is None and place not in self.baseline.can_hang_up:
                ready = {name for name, phone in self.phones.items() if phone.dialogs or phone.is_ringing}
                self.baseline.can_hang_up[place] = ready
                if self.order.call_id in self.core.calls:
                    self.baseline.is_alive.add(place)
        elif place >= self.moment and self.fault is not None:
            self.moment = -1
            if not self.fault.who:
                self.hang_up_by_api()
                return
            self.silent.add(self.fault.who)
            assert self.phones[self.fault.who].hang_up(), "there is nothing to hang up"

    def hang_up_by_api(self) -> None:
        self.events.append(Event(self.now, "api"))
        self.take(self.core.hang_up(self.order.call_id, self.now), "api")

    def cue(self, place: int) -> float | None:
        """When a phone sends a line; in the past also for one that makes no sense any more. None: not yet known."""
        script, state = self.script, self.state
        line = script.lines[place]
        phone = self.phones[line.leg]
        if phone.is_dead or line.leg in self.silent or place == self.pointer:
            return self.now
        above = script.answers.get(place, script.acks.get(place))
        if above is None:
            return None
        if state[above] == SKIPPED:
            return self.now
        if state[above] == PENDING:
            return None
        trigger = max(script.triggers[place], above)
        if state[trigger] != DONE:
            return None
        if all(state[other] != PENDING for other in range(trigger + 1, place)):
            return self.now
        return self.done_at[trigger] + script.waits_between(trigger, place) + GRACE

    def send(self, place: int) -> None:
        """A phone does what the ladder says, if that still makes sense."""
        script = self.script
        line = script.lines[place]
        phone = self.phones[line.leg]
        self.state[place] = SKIPPED
        if phone.is_dead or line.leg in self.silent:
            return
        if self.dies_at(place):
            phone.is_dead = True
            return
        number = len(self.wire)
        if line.is_response:
            asked = self.heard.get(script.answers[place])
            if asked is None:
                return
            self.respond(phone, asked, place)
        elif line.what == "ACK":
            asking = self.asking.get(script.acks[place])
            if asking is not None and asking.ack is None:
                phone.acknowledge(asking, line.label, line.headers)
        elif phone.can_ask(line.what):
            phone.ask(line.what, line.label, line.headers)
        if len(self.wire) > number:
            self.said(place, number)

    def dies_at(self, place: int) -> bool:
        return self.fault is not None and self.fault.line == place and self.fault.kind == DIES

    def said(self, place: int, number: int) -> None:
        """A phone has sent this line."""
        self.state[place] = DONE
        self.done_at[place] = self.now
        self.baseline.numbers[place] = number

    def respond(self, phone: Phone, asked: Asked, place: int) -> None:
        line, fault = self.script.lines[place], self.fault
        status, label, headers = int(line.what), line.label, line.headers
        if fault is not None and fault.line == place and fault.status:
            status, label, headers = fault.status, "", tuple(one for one in headers if one[0] == "tag")
        elif status < 300 and asked.request.method == "INVITE" and asked.request.to_tag and not phone.dialogs:
            status, label, headers = 487, "", ()
        if status == 487 and asked.is_first and (asked.request.branch, "CANCEL") not in phone.asked:
            return
        tag = dict(headers).get("tag", asked.request.to_tag or phone.memory.tag)
        if asked.finals and tag not in asked.finals and "tag" not in dict(headers):
            return
        if line.is_lost:
            before = len(self.wire)
            phone.respond(asked, status, label, headers)
            self.wire[before].note = "lost, as in the ladder"
            self.queue = [entry for entry in self.queue if entry[2] is not self.wire[before]]
            heapq.heapify(self.queue)
            return
        phone.respond(asked, status, label, headers)

    def answer_refer(self, asked: TransferAsked) -> None:
        """Whether a phone may hand the call over, as the ladder says next; it may not, when that says nothing."""
        place = next((place for place in self.script.answers_to_refer if self.state[place] == PENDING), None)
        what, *words = self.script.lines[place].text.split()[1:] if place is not None else ["refuse", "403"]
        if place is not None:
            self.state[place] = DONE
            self.has_moved = True
        if what == "transfer":
            parties = tuple(party_of(name) for name in words[-1].split(","))
            actions = self.core.transfer(asked.call_id, asked.leg, asked.key, parties, self.now)
        else:
            actions = self.core.refuse_transfer(asked.call_id, asked.leg, asked.key, int(words[0]), "", self.now)
        self.take(actions, "message")
