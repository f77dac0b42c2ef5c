"""What the desk makes of what a worker says that was started in the place of a killed one."""

from __future__ import annotations

import pytest

from c2c_b2bua.call.news import CallBridged, CallEnded, CallNews, LegAnswered, LegRinging
from c2c_b2bua.call.record import CallRecord, LegRecord
from c2c_b2bua.config import Sip
from c2c_b2bua.workers.member import Member
from c2c_b2bua.workers.messages import Begin


class Desk:
    """A worker that has one call, and what the service heard."""

    def __init__(self) -> None:
        self.heard: list[CallNews] = []
        begin = Begin(Sip(), "", {}, "", 1)
        self.member = Member(1, begin, (), self.heard.append, lambda number, used: None, lambda: 9.0)
        self.member.calls["c2c-1"] = 1.0
        self.member.release()

    def hears_of(self, *records: CallRecord) -> list[CallNews]:
        """These are the calls that the next process has found."""
        self.heard.clear()
        self.member.found = {record.call_id: record for record in records}
        self.member.ready()
        return self.heard


@pytest.fixture
def desk() -> Desk:
    return Desk()


def leg(name: str, ringing_at: float | None, answered_at: float | None) -> LegRecord:
    return LegRecord(
        leg="a" if name == "a" else "b", call_id=name, target="", ringing_at=ringing_at, answered_at=answered_at
    )


JOINED = [leg("a", 2.0, 3.0), leg("b", 4.0, 5.0)]
STEPS = [
    LegRinging("c2c-1", 2.0, "a"),
    LegAnswered("c2c-1", 3.0, "a"),
    LegRinging("c2c-1", 4.0, "b"),
    LegAnswered("c2c-1", 5.0, "b"),
]


def test_what_was_not_told_is_told_in_order(desk: Desk) -> None:
    record = CallRecord(call_id="c2c-1", accepted_at=1.0, bridged_at=6.0, legs=JOINED)
    assert desk.hears_of(record) == [*STEPS, CallBridged("c2c-1", 6.0)]
    assert desk.hears_of(record) == []


def test_a_call_that_is_being_joined(desk: Desk) -> None:
    assert desk.hears_of(CallRecord(call_id="c2c-1", accepted_at=1.0, legs=JOINED)) == STEPS


def test_a_call_that_has_ended(desk: Desk) -> None:
    record = CallRecord(call_id="c2c-1", accepted_at=1.0, ended_at=7.0, legs=[leg("a", 2.0, None)])
    assert desk.hears_of(record) == [LegRinging("c2c-1", 2.0, "a"), CallEnded("c2c-1", 7.0, record)]
    assert desk.hears_of(record) == []


def test_a_call_that_is_known_to_be_bridged(desk: Desk) -> None:
    desk.member.told(CallBridged("c2c-1", 6.0))
    assert desk.hears_of(CallRecord(call_id="c2c-1", accepted_at=1.0, bridged_at=6.0, legs=JOINED)) == []


def test_a_call_that_nobody_knows(desk: Desk) -> None:
    (news,) = desk.hears_of()
    assert isinstance(news, CallEnded)
    assert (news.record.cause, news.record.ended_by) == ("RECOVERY_ON_TIMER_EXPIRE", "error")
