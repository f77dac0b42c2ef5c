"""The course of a call as history shows it: both legs in one ladder, and what took how long."""

from __future__ import annotations

from typing import Any

from c2c_b2bua.call.record import CallRecord, LegRecord
from c2c_b2bua.service.course import ladder, leg_timing, rungs, timing
from c2c_b2bua.sip.trail import AGAIN, GAP, RECEIVED, SENT, pack
from tests.call.ladder import ladders
from tests.call.player import Player

START = 1_800_000_000.0


def leg(*entries: tuple[float, int], **more: Any) -> LegRecord:
    trail = b"".join(pack(at, code) for at, code in entries)
    times = {"invited_at": START, **more}
    return LegRecord(
        leg=times.pop("leg", "a"), call_id="x", target="1001", uri="sip:1001@192.0.2.10", trail=trail, **times
    )


class Unhurried(Player):
    """A little time passes before a phone says something."""

    def feed(self, leg: str, text: str) -> None:
        self.pass_time(0.01)
        super().feed(leg, text)


def played(name: str) -> CallRecord:
    (found,) = (ladder for ladder in ladders() if ladder.name == name)
    player = Unhurried(**found.order)
    player.play(found.text)
    return player.record


def test_both_legs_are_one_ladder_in_the_order_of_what_happened() -> None:
    record = played("docstring_of_reinvite")
    assert [f"{rung.leg} {'<-' if rung.step.is_ours else '->'} {rung.text}" for rung in rungs(record)] == [
        "a <- INVITE sip:1001@192.0.2.10:5070",
        "a -> 180 Ringing",
        "a -> 200 OK",
        "a <- ACK",
        "b <- INVITE sip:2001@192.0.2.20:5080",
        "b -> 180 Ringing",
        "b -> 200 OK",
        "a <- INVITE",
        "b <- ACK",
        "a -> 200 OK",
        "a <- ACK",
        "b -> BYE",
        "a <- BYE",
        "b <- 200 OK",
        "a -> 200 OK",
    ]


def test_what_the_api_shows_of_a_message() -> None:
    record = CallRecord(
        call_id="c", accepted_at=START, legs=[leg((0.25, SENT["INVITE"]), (1.0, RECEIVED["INVITE"] | 180))]
    )
    assert ladder(record) == [
        {
            "at": "2027-01-15T08:00:00.250Z",
            "leg": "a",
            "direction": "sent",
            "message": "INVITE sip:1001@192.0.2.10",
            "method": "INVITE",
            "times": 1,
        },
        {
            "at": "2027-01-15T08:00:01.000Z",
            "leg": "a",
            "direction": "received",
            "message": "180 Ringing",
            "method": "INVITE",
            "times": 1,
        },
    ]


def test_what_is_no_message_has_no_direction() -> None:
    silent = leg((0.0, SENT["INVITE"]), (32.0, RECEIVED["INVITE"] | 408 | AGAIN), (33.0, GAP << 10))
    lost = leg((2.0, RECEIVED["INVITE"] | 503 | AGAIN), leg="b", phrases={503: "no address for nowhere.example"})
    record = CallRecord(call_id="c", accepted_at=START, legs=[silent, lost])
    assert [(rung["direction"], rung["message"]) for rung in ladder(record)][1:] == [
        (None, "not sent: no address for nowhere.example"),
        (None, "no answer in time"),
        (None, "33 messages"),
    ]
    assert ladder(record)[-1]["times"] == 33


def test_those_that_were_rung_in_vain_are_told_apart() -> None:
    record = played("docstring_of_hunt")
    shown = ladder(record)
    assert [(rung["direction"], rung.get("attempt")) for rung in shown[:4]] == [
        ("sent", None),
        ("sent", 1),
        ("received", None),
        ("received", 1),
    ]
    assert {rung["leg"] for rung in shown if "attempt" in rung} == {"a"}


def test_what_took_how_long() -> None:
    challenged = leg(
        (0.3, SENT["INVITE"]),
        (0.4, RECEIVED["INVITE"] | 407),
        (0.45, SENT["INVITE"]),
        (2.0, RECEIVED["INVITE"] | 180),
        (7.0, RECEIVED["INVITE"] | 200),
        ringing_at=START + 2.0,
        answered_at=START + 7.0,
    )
    assert leg_timing(challenged) == {"dns": 0.3, "auth": 0.15, "ring": 1.55, "answer": 5.0}
    b = leg((0.0, SENT["INVITE"]), leg="b", answered_at=START + 4.0)
    assert leg_timing(b) == {"dns": 0.0, "auth": None, "ring": None, "answer": 4.0}
    record = CallRecord(
        call_id="c",
        accepted_at=START,
        bridged_at=START + 7.5,
        ended_at=START + 67.5,
        legs=[challenged, b],
    )
    assert timing(record, START - 3.0) == {
        "queue": 3.0,
        "a": leg_timing(challenged),
        "b": leg_timing(b),
        "join": 3.5,
        "talk": 60.0,
    }


def test_of_a_call_that_only_waited_there_is_that() -> None:
    record = CallRecord(call_id="c", accepted_at=START, ended_at=START + 30.0)
    assert timing(record, START) == {"queue": 30.0, "a": None, "b": None, "join": None, "talk": None}
    assert ladder(record) == []


def test_a_record_from_before_there_were_trails() -> None:
    old = LegRecord(
        leg="a", call_id="x", target="1001", invited_at=START, ringing_at=START + 1.0, answered_at=START + 2.5
    )
    record = CallRecord(call_id="c", accepted_at=START, legs=[old])
    assert ladder(record) == []
    assert leg_timing(old) == {"dns": None, "auth": None, "ring": None, "answer": 1.5}
