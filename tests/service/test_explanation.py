"""Every call that the product can produce is explained in a plain sentence."""

from __future__ import annotations

import ast
import itertools
from pathlib import Path
from typing import Any

import pytest

from c2c_b2bua.call.record import CallRecord, EndedBy, LegRecord
from c2c_b2bua.service.explanation import explain
from c2c_b2bua.service.sentences import BY_CAUSE, BY_CODE, BY_TEXT, TALKED_ON
from c2c_b2bua.sip.message import REASON_PHRASES
from c2c_b2bua.sip.reason import CAUSE_OF_STATUS, Q850
from c2c_b2bua.sip.trail import AGAIN, RECEIVED, SENT, pack
from tests.call.ladder import Ladder, ladders
from tests.call.player import Player

ROOT = Path(__file__).resolve().parents[2]
START = 1_800_000_000.0
CAUSES = [*Q850, "ORIGINATOR_CANCEL", "ALLOTTED_TIMEOUT"]
CODES = [None, 200, 399, 433, 499, 580, 599, 607, 608, 699, *(code for code in REASON_PHRASES if code >= 300)]
WHO: tuple[EndedBy, ...] = ("a", "b", "api", "timer", "error")
INVITE = (0.0, SENT["INVITE"])
RINGING = (0.1, RECEIVED["INVITE"] | 180)


def record(
    who: EndedBy, cause: str, code: int | None = None, reason: str | None = None, trunk: str | None = None, **more: Any
) -> CallRecord:
    """A call whose last leg, `a` or `b`, came to nothing after 30 seconds."""
    steps = more.pop("steps", (INVITE, RINGING))
    last = more.pop("last", "b")
    legs = [
        LegRecord(leg="a", call_id="a", target="1001", invited_at=START, uri="sip:1001@192.0.2.10", trail=b""),
        LegRecord(leg="b", call_id="b", target="2001", invited_at=START, uri="sip:2001@192.0.2.20", trail=b""),
    ][: 1 + (last == "b")]
    legs[-1].trail = b"".join(pack(*step) for step in steps)
    legs[-1].trunk, legs[-1].peer = trunk, "UDP 192.0.2.20 5060"
    legs[0].answered_at = more.pop("answered_at", START + 1 if last == "b" else None)
    return CallRecord(
        call_id="c",
        accepted_at=START,
        ended_at=START + 30,
        ended_by=who,
        cause=cause,
        sip_code=code,
        reason=reason,
        legs=legs,
        **more,
    )


@pytest.mark.parametrize("who", WHO)
def test_there_is_a_sentence_for_everything(who: EndedBy) -> None:
    for cause, code, last, trunk, bridged_at in itertools.product(
        CAUSES, CODES, "ab", (None, "carrier"), (None, START + 2)
    ):
        sentence = explain(record(who, cause, code, None, trunk, last=last, bridged_at=bridged_at))
        assert len(sentence) > 20 and sentence.endswith("."), (cause, code)
        assert "{" not in sentence and "  " not in sentence and ".." not in sentence, sentence
        assert sentence[0].isupper() or sentence[0].isdigit(), sentence


def test_every_code_and_every_cause_has_a_sentence_of_its_own() -> None:
    assert {code for code in REASON_PHRASES if code >= 300} <= set(BY_CODE)
    assert set(CAUSE_OF_STATUS) <= set(BY_CODE)
    assert {*CAUSE_OF_STATUS.values(), "NO_ANSWER", "ALLOTTED_TIMEOUT"} - {
        "SERVICE_UNAVAILABLE", "SERVICE_NOT_IMPLEMENTED"
    } <= set(BY_CAUSE)  # fmt: skip


def our_words() -> list[tuple[str, int | None, str]]:
    """Every `Why` with words of our own in the sources: (cause, code, text)."""
    found = []
    for path in sorted((ROOT / "c2c_b2bua").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Why":
                values = [argument.value if isinstance(argument, ast.Constant) else None for argument in node.args]
                if len(values) >= 3 and isinstance(values[0], str) and isinstance(values[2], str):
                    found.append((values[0], values[1], values[2]))
    return found  # type: ignore[return-value]


@pytest.mark.parametrize(("cause", "code", "text"), our_words())
def test_whatever_we_say_ourselves_is_explained(cause: str, code: int | None, text: str) -> None:
    """A new `Why` wants a sentence in `sentences.py`, unless that of its code says it all."""
    sentence = explain(record("error", cause, code, text))
    assert (
        text in {**BY_TEXT, **TALKED_ON} or cause == "LOSE_RACE" or sentence != explain(record("error", "-", code))
    ), text


def test_the_words_of_the_service_are_explained() -> None:
    sources = "".join(path.read_text() for path in (ROOT / "c2c_b2bua").rglob("*.py") if path.name != "sentences.py")
    assert [text for text in (*BY_TEXT, *TALKED_ON) if text not in sources] == []


@pytest.mark.parametrize("ladder", ladders(), ids=[ladder.name for ladder in ladders()])
def test_every_ladder_ends_in_a_sentence(ladder: Ladder) -> None:
    player = Player(**ladder.order)
    player.play(ladder.text)
    player.finish()
    sentence = explain(player.record)
    assert sentence.endswith(".") and "no cause" not in sentence
    assert any(leg.target in sentence for leg in player.record.legs) or " phones" in sentence or "A request" in sentence


ASKED = (INVITE, (0.1, RECEIVED["INVITE"] | 407))
SILENT = (INVITE, (0.5, SENT["INVITE"] | AGAIN), (32.0, RECEIVED["INVITE"] | 408 | AGAIN))


@pytest.mark.parametrize(
    ("made", "sentence"),
    [
        (
            record("b", "CALL_REJECTED", 403, "Forbidden", "carrier"),
            'The trunk "carrier" refused the From user (403 Forbidden): set from_user to one it knows; '
            "or ask whether 2001 is allowed.",
        ),
        (
            record("timer", "NO_ANSWER", 408, "the ring timer ended", last="a"),
            "Nobody answered at 1001 within 30 s: try again later, or let it ring longer (ring_timeout).",
        ),
        (
            record("timer", "NO_ANSWER", 408, "the ring timer ended", steps=SILENT[:2]),
            "The phone 2001 at udp:192.0.2.20:5060 said nothing at all within 30 s: check that address, and the firewalls "
            "on the way.",
        ),
        (
            record("timer", "RECOVERY_ON_TIMER_EXPIRE", 408, "Request Timeout", "carrier", steps=SILENT),
            'The trunk "carrier" at udp:192.0.2.20:5060 said nothing at all within 30 s: check that address, and the '
            "firewalls on the way.",
        ),
        (
            record(
                "error",
                "NORMAL_TEMPORARY_FAILURE",
                503,
                "no address for x",
                steps=((1.0, RECEIVED["INVITE"] | 503 | AGAIN),),
            ),
            "The phone 2001 cannot be reached at udp:192.0.2.20:5060 (no address for x): check name or address, port, "
            "transport and network.",
        ),
        (
            record("error", "INCOMPATIBLE_DESTINATION", 488, "no stream or codec in common"),
            "The two phones have no codec in common: add one to codecs that both have.",
        ),
        (
            record("b", "CALL_REJECTED", 407, "Who are you", "carrier", steps=ASKED),
            'The trunk "carrier" asks for credentials (407 Who are you): set username and password of the trunk.',
        ),
        (
            record("b", "CALL_REJECTED", 407, None, "carrier", steps=(*ASKED, (0.2, SENT["INVITE"]), ASKED[1])),
            'The trunk "carrier" did not accept the credentials (407 Proxy Authentication Required): check username and '
            "password of the trunk.",
        ),
        (
            record("b", "NORMAL_CIRCUIT_CONGESTION", 480, "All lines busy", "carrier"),
            'The trunk "carrier" has no room for the call (480 All lines busy, NORMAL_CIRCUIT_CONGESTION): lower max_calls '
            "or calls_per_second, or add another trunk.",
        ),
        (
            record("a", "BLIND_TRANSFER", 200, "the phone calls by itself", bridged_at=START + 2),
            "1001 called 2001 by itself, as it was asked to (REFER): for how long, only the two know.",
        ),
        (
            record("a", "NORMAL_UNSPECIFIED", None, "the phone did not say how its call went"),
            "1001 was asked to call 2001 by itself (REFER), and did not say how that went: set "
            'bridge = "reinvite" if it never does.',
        ),
        (record("a", "ORIGINATOR_CANCEL", 487), "1001 hung up before the other side had answered."),
        (record("api", "NORMAL_CLEARING"), "A request hung up after 30 s, before the two were joined."),
        (
            record("b", "NORMAL_CLEARING", 200, bridged_at=START + 2),
            "1001 and 2001 talked for 28 s, then 2001 hung up.",
        ),
        (
            record("timer", "ALLOTTED_TIMEOUT", 200, "the call reached its longest duration", bridged_at=START - 7170),
            "1001 and 2001 talked for 120 min, then: the call reached its longest duration: raise max_duration if that was "
            "too short.",
        ),
    ],
)
def test_sentences(made: CallRecord, sentence: str) -> None:
    assert explain(made) == sentence


def test_a_call_that_only_waited() -> None:
    waited = CallRecord(call_id="c", accepted_at=START, ended_at=START + 30, ended_by="timer")
    waited.cause, waited.reason = "NORMAL_CIRCUIT_CONGESTION", "no trunk had a place within 30 s"
    assert explain(waited).startswith("No trunk had a place within 30 s: raise max_calls")


def test_what_a_peer_says_cannot_break_the_sentence() -> None:
    assert explain(record("b", "USER_BUSY", 486, "{who} %s {")) == "2001 is busy (486 {who} %s {): try again later."


def test_those_that_were_tried_too_are_counted() -> None:
    made = record("b", "NORMAL_TEMPORARY_FAILURE", 500, "No", "second")
    made.attempts = [LegRecord(leg="b", call_id="x", target="2001", trunk="first", cause="NORMAL_TEMPORARY_FAILURE")]
    assert explain(made).endswith(" Another phone or trunk was tried, too.")
    made.attempts *= 2
    assert explain(made).endswith(" 2 other phones or trunks were tried, too.")
