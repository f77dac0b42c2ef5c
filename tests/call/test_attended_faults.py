"""Two calls are joined by a phone that is in both, and something goes wrong: of neither anything may be left.

A ladder, and with it the matrix of faults (`tests/matrix/`), is of one call; this is the same for two.
"""

from __future__ import annotations

from collections import Counter

import pytest

from c2c_b2bua.call.news import CallEnded
from c2c_b2bua.sip.message import Request, Response
from tests.call.player import Player
from tests.call.test_attended_transfer import SECOND, refer, two_calls
from tests.call.test_takeover import Mortal

LONGEST = 200.0
"""Seconds after which both calls are ended by request, if they still go on."""
ANSWERS = {"A": "answer-a", "B": "answer-b2", "A3": "answer-a", "B3": "answer-b"}
MESSAGES = range(17)
"""A number for each that goes over the wire, in either direction, when nothing goes wrong."""


class Disturbed:
    """Phones that answer everything, over a wire on which the message `number` meets `fault`; `dead` ones are silent."""

    def __init__(self, fault: str = "", number: int = -1, dead: str = "") -> None:
        self.player = Mortal() if fault == "killed" else Player()
        two_calls(self.player)
        # Long enough for nothing to be left of the INVITEs that began the calls.
        self.player.pass_time(60.0)
        self.fault = fault
        self.number = number
        self.dead = dead
        self.count = 0
        self.gone: set[object] = set()
        """What never gets through."""
        self.told: Counter[str] = Counter()
        """BYEs that reached each phone."""
        self.excused = {dead} - {""}

    def play(self) -> None:
        player = self.player
        player.play(refer(player))
        self.let(LONGEST)
        for call_id in (player.order.call_id, SECOND):
            player.take(player.core.hang_up(call_id, player.now))
        self.let(100_000.0)

    def let(self, seconds: float) -> None:
        """So much time passes, and everybody says what there is to say."""
        player = self.player
        until = player.now + seconds
        while True:
            while player.out:
                name, message = player.out.pop(0)
                for _ in range(self.passes(name, message)):
                    self.hear(name, message)
            due = player.core.next_due
            if due is None or due > until:
                break
            player.pass_time(max(0.0, due - player.now))
        player.now = until

    def passes(self, name: str, message: Request | Response) -> int:
        """How often a message arrives."""
        number, self.count = self.count, self.count + 1
        kind = name, type(message), str(message.cseq), message.headers["Call-ID"][0]
        if kind in self.gone:
            return 0
        if number != self.number:
            return 1
        if self.fault == "killed":
            assert isinstance(self.player, Mortal)
            self.player.out.clear()
            self.player.crash()
            return 1
        if self.fault == "lost for ever":
            self.gone.add(kind)
            self.excused.add(name)
        return {"doubled": 2}.get(self.fault, 0)

    def hear(self, name: str, message: Request | Response) -> None:
        player, end = self.player, self.player.ends[name]
        if name == self.dead or isinstance(message, Response) or message.method == "ACK":
            return
        end.received.append(message)
        self.told[name] += message.method == "BYE"
        answer = ANSWERS[name] if message.method == "INVITE" else ""
        text = end.response(message, 200, answer)
        for _ in range(self.passes(name, Response(200, "OK", dict(message.headers)))):
            player.feed(name, text)

    def check(self) -> None:
        player = self.player
        ended = Counter(news.call_id for news in player.news if isinstance(news, CallEnded))
        assert ended == {player.order.call_id: 1, SECOND: 1}
        core = player.core
        assert not (core.calls or core.legs or core.clients or core.servers or core.open_clients or core.timers)
        assert {name for name in ANSWERS if not self.told[name]} <= self.excused


def test_nothing_goes_wrong() -> None:
    scene = Disturbed()
    scene.play()
    scene.check()
    assert scene.count == len(MESSAGES)
    records = {news.call_id: news.record for news in scene.player.news if isinstance(news, CallEnded)}
    assert records[SECOND].cause == "ATTENDED_TRANSFER"
    first = records[scene.player.order.call_id]
    assert (first.ended_by, [leg.target for leg in first.legs]) == ("api", ["phone B3", "2001"])


@pytest.mark.parametrize("number", MESSAGES)
@pytest.mark.parametrize("fault", ["lost once", "lost for ever", "doubled", "killed"])
def test_a_message_meets_a_fault(fault: str, number: int) -> None:
    scene = Disturbed(fault, number)
    scene.play()
    scene.check()


@pytest.mark.parametrize("dead", list(ANSWERS))
def test_a_phone_dies(dead: str) -> None:
    scene = Disturbed(dead=dead)
    scene.play()
    scene.check()
