"""Every scenario of `sipp_scenarios/` against the real server: both phones, the record, and nothing left alive."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import ANY

import pytest

from .ports import LOOPBACK, free_port
from .server import Server
from .sipp import Message
from .stage import CUSTOMER, Record, Stage, leg, legs

StageMaker = Callable[..., Stage]


class Leg(NamedTuple):
    """What the record has to say of a leg."""

    sip_code: object = 200
    cause: object = ANY
    rang: bool = True
    answered: bool = True


TALKED = Leg(200, "NORMAL_CLEARING")


class Row(NamedTuple):
    """Two scenarios and the record of the call between them; an empty `b`: B is not called."""

    a: str
    b: str
    result: str
    cause: object
    ended_by: object
    leg_a: Leg = Leg()
    leg_b: Leg = Leg()
    settings: dict[str, object] = {}  # noqa: RUF012


SHORT: dict[str, object] = {"ring_timeout": 2.0}
TALK = ("success", None)
"""A success has no cause in Kazoo's history (API §9); the legs have theirs."""
ROWS = [
    # a conversation, ended by either side
    Row("a_answers", "b_hangs_up", *TALK, "b", TALKED, TALKED),
    Row("a_hangs_up", "b_answers", *TALK, "a", TALKED, TALKED),
    Row("a_bye_crosses", "b_hangs_up", *TALK, "b", TALKED, TALKED),
    Row("a_hangs_up", "b_bye_crosses", *TALK, "a", TALKED, TALKED),
    Row("a_answers", "b_answers", "success", ANY, "timer", settings={"max_duration": 2.0}),
    # A cannot be had: nobody calls B
    Row("a_busy", "", "error", "USER_BUSY", "a", Leg(486, "USER_BUSY", rang=False, answered=False)),
    Row("a_rejects", "", "error", "CALL_REJECTED", "a", Leg(603, "CALL_REJECTED", answered=False)),
    Row("a_never_answers", "", "error", "NO_ANSWER", "timer", Leg(408, "NO_ANSWER", answered=False), settings=SHORT),
    Row("a_silent", "", "error", ANY, "timer", Leg(408, ANY, rang=False, answered=False), settings=SHORT),
    # B cannot be had: A is released, and told why
    Row("a_is_released", "b_busy", "error", "USER_BUSY", "b", Leg(), Leg(486, "USER_BUSY", rang=False, answered=False)),
    Row("a_is_released", "b_rejects", "error", "CALL_REJECTED", "b", Leg(), Leg(603, "CALL_REJECTED", answered=False)),
    Row(
        *("a_is_released", "b_unknown", "error", "UNALLOCATED_NUMBER", "b"),
        *(Leg(), Leg(404, "UNALLOCATED_NUMBER", rang=False, answered=False)),
    ),
    Row(
        *("a_is_released", "b_never_answers", "error", "NO_ANSWER", "timer"),
        *(Leg(), Leg(408, "NO_ANSWER", answered=False), SHORT),
    ),
    Row("a_hangs_up_while_b_rings", "b_never_answers", ANY, ANY, "a", Leg(), Leg(487, ANY, answered=False)),
    # messages that are lost, late or doubled
    Row("a_200_lost_once", "b_hangs_up", *TALK, "b", Leg(200, "NORMAL_CLEARING", rang=False), TALKED),
    Row("a_hangs_up", "b_200_lost_once", *TALK, "a", TALKED, Leg(200, "NORMAL_CLEARING", rang=False)),
    Row("a_ack_lost_once", "b_early_media", *TALK, "b", TALKED, TALKED),
    Row("a_hangs_up", "b_ack_lost_once", *TALK, "a", TALKED, TALKED),
    Row("a_answers", "b_bye_lost_once", *TALK, "b", TALKED, TALKED),
    Row("a_hangs_up", "b_bye_answer_lost_once", *TALK, "a", TALKED, TALKED),
    Row("a_is_released", "b_late_200_after_cancel", "error", "NO_ANSWER", "timer", Leg(), Leg(ANY, ANY), SHORT),
    Row("a_hangs_up_while_b_rings", "b_late_200_after_cancel", ANY, ANY, "a", Leg(), Leg(ANY, ANY)),
    Row("a_answers", "b_forks", *TALK, "b", TALKED, TALKED),
    Row("a_is_released", "b_forks_after_a_refusal", "error", "USER_BUSY", "b", Leg(), Leg(486, answered=False)),
    Row("a_answers", "b_early_media", *TALK, "b", TALKED, TALKED),
    # answers that are none, or odd
    *(
        Row(
            "a_is_released",
            b,
            "error",
            "INCOMPATIBLE_DESTINATION",
            "error",
            Leg(),
            Leg(200, "INCOMPATIBLE_DESTINATION", False),
        )
        for b in ("b_answers_with_t38", "b_answers_with_another_codec")
    ),
    Row("a_is_released", "b_finds_it_too_large", "error", ANY, "b", Leg(), Leg(513, ANY, False, False)),
    Row("a_answers", "b_progresses_without_media", *TALK, "b", TALKED, TALKED),
    Row("a_answers", "b_speaks_odd_sdp", *TALK, "b", TALKED, TALKED),
    Row("a_speaks_odd_sdp", "b_hangs_up", *TALK, "b", Leg(200, "NORMAL_CLEARING", False), TALKED),
    Row("a_hangs_up", "b_has_no_tag", *TALK, "a", TALKED, TALKED),
    # re-INVITEs
    Row("a_has_other_numbers", "b_has_other_numbers", *TALK, "b", Leg(rang=False), Leg(rang=False)),
    Row("a_answers", "b_asks_for_an_offer", *TALK, "b", TALKED, Leg(rang=False)),
    Row("a_is_held", "b_holds_and_resumes", *TALK, "b", TALKED, TALKED),
    Row("a_holds", "b_glares", *TALK, "a", TALKED, TALKED),
    Row("a_reinvites_early", "b_early_media", *TALK, "b", TALKED, TALKED),
    Row("a_follows", "b_reinvites_at_once", *TALK, "b", TALKED, TALKED),
    Row("a_moves", "b_is_moved", *TALK, "b", TALKED, TALKED),
    Row("a_refuses_reinvite", "b_answers", "error", ANY, ANY),
    Row("a_forgets_dialog", "b_answers", "error", ANY, ANY),
    Row("a_hangs_up_during_reinvite", "b_answers", ANY, ANY, "a"),
]


def said(record: Record, name: str) -> Leg:
    """What the record says of a leg."""
    found = leg(record, name)
    return Leg(found["sip_code"], found["cause"], found["ringing_at"] is not None, found["answered_at"] is not None)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: "-".join(filter(None, (row.a, row.b))))
async def test_a_call(stage: StageMaker, row: Row) -> None:
    async with stage(a=row.a, b=row.b, **row.settings) as play:
        reply = await play.connect()
        record = await play.outcome()
    assert re.fullmatch(rf"c2c-{play.document}-[0-9a-f]{{10}}", reply["call_id"])
    assert record["contact"] == "2002"
    assert legs(record) == (["a", "b"] if row.b else ["a"])
    expected: dict[str, Any] = {"result": row.result, "cause": row.cause, "ended_by": row.ended_by, "a": row.leg_a}
    actual: dict[str, Any] = {name: record.get(name) for name in ("result", "cause", "ended_by")}
    actual["a"] = said(record, "a")
    if row.b:
        expected["b"] = row.leg_b
        actual["b"] = said(record, "b")
        assert leg(record, "a")["answered_at"] <= leg(record, "b")["invited_at"]
    assert actual == expected


async def test_the_legs_of_the_record_are_those_on_the_wire(stage: StageMaker) -> None:
    async with stage(a="a_answers", b="b_hangs_up") as play:
        await play.connect()
        record = await play.outcome()
    assert play.b
    for name, phone, number in (("a", play.a, "2001"), ("b", play.b, "2002")):
        found = leg(record, name)
        assert found["call_id"] == phone.messages()[0].header("Call-ID")
        assert found["target"] == number
        assert found["trunk"] is None
        assert found["reason"]
    assert play.a.messages()[0].header("Call-ID") != play.b.messages()[0].header("Call-ID")


async def test_contact_first(stage: StageMaker) -> None:
    """`dial_first: contact`: the contact is A."""
    async with stage(a="a_answers", b="b_hangs_up") as play:
        await play.connect(extension="2002", contact="2001", dial_first="contact")
        record = await play.outcome()
    assert record["contact"] == "2001"
    assert (leg(record, "a")["target"], leg(record, "b")["target"]) == ("2001", "2002")
    assert record["ended_by"] == "b"


async def test_over_tcp(stage: StageMaker) -> None:
    async with stage(a="a_answers", b="b_hangs_up", transport="tcp") as play:
        await play.connect()
        record = await play.outcome()
    assert (record["result"], record["ended_by"]) == ("success", "b")


async def test_a_phone_that_is_switched_off(tmp_path: Path) -> None:
    """Nobody listens there: the call ends at once, not with a timer."""
    nowhere = f"sip:{LOOPBACK}:{free_port()};transport=tcp"
    async with Server(tmp_path, {"2001": nowhere, "2002": nowhere}) as server:
        document = await server.create("2001")
        call_id = (await server.connect(document, "2002"))["call_id"]
        record = await server.ended(document, call_id)
        await server.nothing_lives()
    assert (record["result"], record["ended_by"], legs(record)) == ("error", "error", ["a"])
    assert leg(record, "a")["sip_code"] == 503


async def test_a_blocking_connect_is_told_why(stage: StageMaker) -> None:
    async with stage(a="a_busy") as play:
        play.document = await play.server.create("2001")
        reply = await play.server.connect(play.document, "2002", blocking=True)
        assert (reply["result"], reply["cause"]) == ("error", "USER_BUSY")
        await play.a.passed()
        await play.server.nothing_lives()


async def test_a_glare_is_tried_again_in_time(stage: StageMaker) -> None:
    """RFC 3261 §14.1: who owns the Call-ID waits 2.1 to 4 s."""
    async with stage(a="a_glares", b="b_answers") as play:
        await play.connect()
        record = await play.outcome()
    assert (record["result"], record["ended_by"]) == ("success", "a")
    messages = play.a.messages()
    refused = next(message for message in messages if message.sent and " 491 " in message.first_line)
    again = next(m for m in messages if m.at > refused.at and m.first_line.startswith("INVITE") and not m.sent)
    assert 2.1 <= (again.at - refused.at).total_seconds() <= 4.5


async def test_sigterm_ends_calls_and_completes_the_history(stage: StageMaker) -> None:
    async with stage(a="a_answers", b="b_answers") as play:
        await play.connect()
        await play.server.reaches(play.document, play.call_id, "bridged")
        await play.server.stop()
        await play.a.passed()
        assert play.b
        await play.b.passed()
        await play.server.start()
        record = await play.server.ended(play.document, play.call_id)
    assert record["result"] == "success"
    assert legs(record) == ["a", "b"]
    assert all(leg(record, name)["ended_at"] for name in "ab")


# --- a carrier ------------------------------------------------------------------------------------------------------


async def test_trunk_challenges(stage: StageMaker) -> None:
    async with stage(a="a_hangs_up", trunk="trunk_challenges") as play:
        await play.connect()
        record = await play.outcome()
    assert play.b
    invites = [message for message in play.b.messages() if message.first_line.startswith("INVITE")]
    assert sequence(invites[1]) == sequence(invites[0]) + 1
    verify(invites[1], "Proxy-Authorization")
    found = leg(record, "b")
    assert (found["trunk"], found["target"]) == ("carrier", CUSTOMER)
    assert said(record, "b") == TALKED
    assert (record["result"], record["ended_by"], record["contact"]) == ("success", "a", CUSTOMER)


async def test_trunk_challenges_with_401(stage: StageMaker) -> None:
    async with stage(a="a_hangs_up", trunk="trunk_challenges_401") as play:
        await play.connect()
        record = await play.outcome()
    assert said(record, "b") == TALKED


async def test_trunk_challenges_bye(stage: StageMaker) -> None:
    async with stage(a="a_hangs_up", trunk="trunk_challenges_bye") as play:
        await play.connect()
        record = await play.outcome()
    assert play.b
    byes = [message for message in play.b.messages() if message.first_line.startswith("BYE")]
    verify(byes[-1], "Proxy-Authorization")
    assert (record["result"], record["ended_by"]) == ("success", "a")


async def test_trunk_forgets_its_nonces(stage: StageMaker) -> None:
    async with stage(a="a_hangs_up", trunk="trunk_forgets_its_nonces") as play:
        await play.connect()
        record = await play.outcome()
    assert play.b
    for message in play.b.messages():
        if message.header("Proxy-Authorization") and message.first_line.startswith(("INVITE", "BYE")):
            verify(message, "Proxy-Authorization")
    assert said(record, "b") == TALKED
    assert (record["result"], record["ended_by"]) == ("success", "a")


async def test_trunk_refuses_credentials(stage: StageMaker) -> None:
    async with stage(a="a_is_released", trunk="trunk_refuses_credentials") as play:
        await play.connect()
        record = await play.outcome()
    assert (record["result"], record["cause"], record["ended_by"]) == ("error", "CALL_REJECTED", "b")
    assert said(record, "b") == Leg(407, "CALL_REJECTED", rang=False, answered=False)


# --- reading the wire -----------------------------------------------------------------------------------------------


def sequence(message: Message) -> int:
    return int(message.header("CSeq").split()[0])


def verify(message: Message, header: str) -> None:
    """The credentials are right for `trunk-user` and `trunk-secret` (RFC 7616, MD5, qop auth)."""
    value = dict(re.findall(r'(\w+)="?([^",]+)"?', message.header(header)))
    method, uri = message.first_line.split()[:2]
    assert value["uri"] == uri
    secret = md5(f"trunk-user:{value['realm']}:trunk-secret")
    what = md5(f"{method}:{uri}")
    proof = md5(f"{secret}:{value['nonce']}:{value['nc']}:{value['cnonce']}:{value['qop']}:{what}")
    assert value["response"] == proof


def md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
