"""What is kept of the messages of a leg, and what is read out of it again."""

from __future__ import annotations

import pytest

from c2c_b2bua.sip.trail import AGAIN, ENTRY, FIRST, LAST, LONGEST, RECEIVED, SENT, pack, read, shortened


def trail(*entries: tuple[float, int]) -> bytes:
    return b"".join(pack(at, code) for at, code in entries)


def said(data: bytes) -> list[str]:
    """`-> INVITE ×2` for each step."""
    lines = []
    for step in read(data):
        words = f"{step.status} {step.method}" if step.status else step.method or f"{step.missing} missing"
        way = "local" if step.is_local else "<-" if step.is_ours else "->"
        lines.append(f"{way} {words}" + (f" ×{step.times}" if step.times > 1 else ""))
    return lines


def test_a_message_takes_six_bytes_and_keeps_its_millisecond_for_four_hours() -> None:
    assert ENTRY.size == 6
    (step,) = read(trail((14399.123, RECEIVED["BYE"])))
    assert step.at == pytest.approx(14399.123, abs=0.001)
    assert (step.method, step.status, step.is_ours, step.times) == ("BYE", 0, False, 1)


def test_every_method_and_status_comes_back() -> None:
    for method in SENT:
        for status in (100, 180, 200, 302, 486, 503, 699):
            (step, *_) = read(trail((0.5, RECEIVED[method] | status)))
            assert (step.method, step.status, step.is_ours) == (method, status, False)
            (step,) = read(trail((0.5, SENT[method] | status)))
            assert (step.method, step.status, step.is_ours) == (method, status, True)
    assert read(trail((0.0, RECEIVED["BREW"])))[0].method == "another method"


def test_retransmissions_are_counted_where_the_first_one_stands() -> None:
    invite, ok, ack = SENT["INVITE"], RECEIVED["INVITE"] | 200, SENT["ACK"]
    entries = (
        (0.0, invite),
        (0.5, invite | AGAIN),
        (1.5, invite | AGAIN),
        (2.0, ok),
        (2.0, ack),
        (2.5, ok),
        (2.5, ack | AGAIN),
    )
    assert said(trail(*entries)) == ["<- INVITE ×3", "-> 200 INVITE ×2", "<- ACK ×2"]


def test_another_request_of_the_same_method_is_no_retransmission() -> None:
    invite, ok, ack = SENT["INVITE"], RECEIVED["INVITE"] | 200, SENT["ACK"]
    once = ["<- INVITE", "-> 200 INVITE", "<- ACK"]
    assert said(trail(*((float(at), code) for at, code in enumerate((invite, ok, ack, invite, ok, ack))))) == once * 2


def test_both_directions_are_told_apart() -> None:
    entries = (
        (0.0, SENT["INVITE"]),
        (0.1, RECEIVED["INVITE"]),
        (0.2, SENT["INVITE"] | 491),
        (0.3, RECEIVED["INVITE"] | 491),
    )
    assert said(trail(*entries)) == ["<- INVITE", "-> INVITE", "<- 491 INVITE", "-> 491 INVITE", "<- ACK"]


def test_our_ack_of_a_refusal_need_not_be_kept() -> None:
    entries = ((0.0, SENT["INVITE"]), (1.0, RECEIVED["INVITE"] | 486), (1.5, RECEIVED["INVITE"] | 486))
    assert said(trail(*entries)) == ["<- INVITE", "-> 486 INVITE ×2", "<- ACK"]


def test_what_we_concluded_is_no_message() -> None:
    assert said(trail((0.0, SENT["INVITE"]), (32.0, RECEIVED["INVITE"] | 408 | AGAIN))) == [
        "<- INVITE",
        "local 408 INVITE",
    ]


def test_phrases_are_those_of_the_peer_where_they_are_kept() -> None:
    (busy, _) = read(trail((0.0, RECEIVED["INVITE"] | 486)), {486: "Line 2 busy"})
    assert busy.phrase == "Line 2 busy"
    assert read(trail((0.0, RECEIVED["INVITE"] | 180)))[0].phrase == "Ringing"


def test_a_long_trail_keeps_its_beginning_and_its_end() -> None:
    data = b""
    for number in range(500):
        data += pack(float(number), RECEIVED["INFO"] if number % 2 == 0 else SENT["INFO"] | 200)
        if len(data) > LONGEST:
            data = shortened(data)
        assert len(data) <= LONGEST
    steps = read(data)
    (gap,) = [step for step in steps if step.missing]
    assert [step.at for step in steps[:FIRST]] == [float(number) for number in range(FIRST)]
    assert sum(step.times for step in steps if not step.missing) + gap.missing == 500
    assert len(steps) >= FIRST + 1 + LAST
    assert steps[-1].at == 499.0
