"""Plays a ladder against the core: what a phone sends is fed in, what we send must be what the ladder says next.

How a ladder is written is in `ladder.py`, what its phones say in `phone_memory.py`.
"""

from __future__ import annotations

from typing import Any

from c2c_b2bua.b2bua import B2bua
from c2c_b2bua.call.news import CallEnded, CallNews, TransferAsked
from c2c_b2bua.call.record import CallRecord
from c2c_b2bua.sdp import SessionDescription
from c2c_b2bua.sip.flow import Flow, Interface, Interfaces
from c2c_b2bua.sip.message import Request, Response
from c2c_b2bua.sip.reading import parse
from c2c_b2bua.sip.tokens import Tokens
from c2c_b2bua.transaction.actions import Action, Send
from tests.call.ladder import Line, read
from tests.call.phone_memory import OURS, PHONES, PORTS, PhoneMemory, call_order, description, party_of

__all__ = ["Player", "description"]


class Player:
    """One call on one core; `play` takes a ladder, `finish` checks that nothing was left over."""

    def __init__(self, **order: Any) -> None:
        interfaces = Interfaces([Interface("UDP", OURS, 5060)])
        self.interface = interfaces.interfaces[0]
        self.core = self.make_core(interfaces)
        self.now = 1000.0
        self.ends = {name: PhoneMemory.of(name) for name in PORTS}
        self.out: list[tuple[str, Request | Response]] = []
        self.news: list[CallNews] = []
        self.raw: list[bytes] = []
        self.order = call_order(**order)
        self.take(self.core.connect(self.order, self.now))

    # ── the core's side ──────────────────────────────────────────────────────────────────────────────────────────

    def make_core(self, interfaces: Interfaces) -> B2bua:
        return B2bua(interfaces, Tokens(b"ladder"))

    def take(self, actions: list[Action]) -> None:
        for action in actions:
            if isinstance(action, Send):
                message = parse(action.data)
                self.raw.append(action.data)
                self.out.append((PHONES[action.flow.port], message))
            else:
                assert isinstance(action, CallNews), action
                self.news.append(action)

    def feed(self, leg: str, text: str) -> None:
        flow = Flow(self.interface, self.ends[leg].host, self.ends[leg].port)
        self.take(self.core.receive(text.encode("utf-8", "surrogateescape"), flow, self.now))

    def pass_time(self, seconds: float) -> None:
        until = self.now + seconds
        while (due := self.core.next_due) is not None and due <= until:
            self.now = max(self.now, due)
            self.take(self.core.tick(self.now))
        self.now = until

    def wait_for_us(self) -> None:
        """Let time pass until we send something."""
        assert not self.out, "we have spoken already"
        while not self.out:
            assert self.core.next_due is not None, "we never say anything"
            self.pass_time(max(0.0, self.core.next_due - self.now))

    # ── the ladder ───────────────────────────────────────────────────────────────────────────────────────────────

    def play(self, ladder: str) -> None:
        expectations: list[str] = []
        for line in read(ladder):
            try:
                if line.text == "wait for us":
                    self.wait_for_us()
                elif line.text.startswith("wait "):
                    self.pass_time(float(line.text.split()[1]))
                elif line.text == "api: hang up":
                    self.take(self.core.hang_up(self.order.call_id, self.now))
                elif line.text.startswith("api: "):
                    self.answer_refer(*line.text.split()[1:])
                elif line.text.startswith("record:"):
                    expectations += line.text.removeprefix("record:").split()
                else:
                    self.play_line(line)
            except AssertionError as error:
                left = "\n".join(f"    {leg} <- {message.start_line()}" for leg, message in self.out)
                raise AssertionError(
                    f"line {line.number}: {line}\n  {error}\n  we sent, not yet in the ladder:\n{left}"
                ) from error
        self.expect_record(expectations)

    def answer_refer(self, what: str, *words: str) -> None:
        """`transfer to B2,B3` or `refuse 403` is the answer to the last REFER."""
        asked = [news for news in self.news if isinstance(news, TransferAsked)]
        assert asked, "nobody asked for a transfer"
        call_id, leg, key = asked[-1].call_id, asked[-1].leg, asked[-1].key
        if what == "transfer":
            parties = tuple(party_of(name) for name in words[-1].split(","))
            self.take(self.core.transfer(call_id, leg, key, parties, self.now))
        else:
            self.take(self.core.refuse_transfer(call_id, leg, key, int(words[0]), "", self.now))

    def play_line(self, line: Line) -> None:
        assert line.leg, "not a line of a ladder"
        if not line.is_from_phone:
            self.expect(line)
        elif line.is_response:
            self.send_response(line)
        else:
            text = self.ends[line.leg].request(line.what, line.label, line.headers)
            if not line.is_lost:
                self.feed(line.leg, text)

    def expect(self, line: Line) -> None:
        """We must have sent this to that leg, before anything else to it."""
        leg, end = line.leg, self.ends[line.leg]
        index = next((index for index, (to, _) in enumerate(self.out) if to == leg), None)
        assert index is not None, f"nothing was sent to {leg}"
        _, message = self.out.pop(index)
        if isinstance(message, Request):
            assert message.method == line.what, f"sent {message.start_line()}"
            if not line.is_lost:
                end.hear(message)
        else:
            assert str(message.status) == line.what, f"sent {message.start_line()}"
            assert line.of in ("", message.cseq.method), f"answered {message.cseq.method}"
            end.hear(message)
        for name, value in line.headers:
            seen = ", ".join(message.headers.get(name, [])) or "-"
            got = message.uri if name == "uri" and isinstance(message, Request) else seen
            assert got == value, f"{name} is {got}"
        if line.what == "NOTIFY":
            assert message.body.startswith(f"SIP/2.0 {line.label} ".encode()), message.body
        elif line.label:
            self.expect_description(end, message, line.label, line.is_lost)
        elif line.what not in ("INFO",):
            assert not message.body, f"sent a body: {message.body!r}"

    def expect_description(self, end: PhoneMemory, message: Request | Response, label: str, lost: bool) -> None:
        got = SessionDescription.parse(message.body)
        if label == "ours":
            assert (got.direction, got.address_of(got.media[0])) == ("sendrecv", OURS)
        elif label == "refused":
            assert not got.has_live_media
        elif label == "held":
            assert got.direction == "inactive", f"direction is {got.direction}"
            assert got.address_of(got.media[0]) == OURS
        else:
            wanted = SessionDescription.parse(description(label).encode())
            assert got.direction == wanted.direction, f"direction {got.direction}, not {wanted.direction}"
            for mine, theirs in zip(got.media, wanted.media, strict=True):
                assert (mine.port, mine.codecs) == (theirs.port, theirs.codecs), f"{mine} instead of {theirs}"
                assert got.address_of(mine) == wanted.address_of(theirs), got.address_of(mine)
        end.offered_inactive = got.direction == "inactive"
        if not lost:
            # o= is ours, one session for the whole leg, and rises by one per change and only then (RFC 3264 §8).
            origin, said = got.origin, str(got.with_origin(got.origin.next())).split("\r\n", 2)[2]
            assert origin.address == OURS
            if end.origins and (origin.version, said) != end.origins[-1]:
                before_version, before = end.origins[-1]
                assert origin.version == before_version + (said != before), "the version of o= is wrong"
            end.origins.append((origin.version, said))

    def send_response(self, line: Line) -> None:
        end = self.ends[line.leg]
        candidates = [one for one in end.received if line.of in ("", one.method) and one.method != "ACK"]
        assert candidates, f"{line.leg} has no request to answer"
        if not line.is_lost:
            self.feed(line.leg, end.response(candidates[-1], int(line.what), line.label, line.headers))

    # ── the end ──────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def record(self) -> CallRecord:
        ended = [news for news in self.news if isinstance(news, CallEnded)]
        assert len(ended) == 1, f"the call ended {len(ended)} times"
        return ended[0].record

    def expect_record(self, expectations: list[str]) -> None:
        for expectation in expectations:
            path, _, wanted = expectation.partition("=")
            leg, dot, name = path.partition(".")
            part: object = self.record
            if dot:
                part = next(entry for entry in self.record.legs if entry.leg == leg)
            got = getattr(part, name if dot else path)
            assert str(got) == wanted, f"record: {path} is {got}, not {wanted}"

    def finish(self) -> None:
        """All that was sent was in the ladder; with time nothing more comes, and nothing stays alive."""
        assert not self.out, [f"{leg} <- {message.start_line()}" for leg, message in self.out]
        self.pass_time(100_000)
        assert not self.out, f"still talking: {[message.start_line() for _, message in self.out]}"
        core = self.core
        assert not (core.calls or core.legs or core.clients or core.servers or core.open_clients or core.timers)
        assert self.record.ended_at is not None
