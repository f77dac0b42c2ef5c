"""Session timers of one leg: what is agreed, who refreshes how, and what happens when nobody does (RFC 4028)."""

from __future__ import annotations

import pytest

from c2c_b2bua.dialog import events
from c2c_b2bua.dialog.leg import DOWN, ENDING, UP
from c2c_b2bua.dialog.session_timer import EXPIRED, SessionTimer
from c2c_b2bua.sdp import SessionDescription
from c2c_b2bua.sip.message import Request, Response
from c2c_b2bua.sip.reading import parse
from tests.dialog.one_leg import CONTACT, OneLeg, described, sdp

TAKES_UPDATE = "INVITE, ACK, BYE, CANCEL, UPDATE"


def agreed(session_expires: str, allow: str = "INVITE, ACK, BYE, CANCEL") -> OneLeg:
    """A leg that is up since second 0 with this Session-Expires."""
    peer = OneLeg()
    peer.answer(peer.ring(), 200, body=sdp(), Session_Expires=session_expires, Allow=allow, Require="timer")
    peer.wire.clear()
    peer.told.clear()
    return peer


def times_of(peer: OneLeg, until: float, *, answer: bool = False) -> list[tuple[float, str]]:
    """When what was sent until then, retransmissions left out."""
    seen: list[tuple[float, str]] = []
    known: set[bytes] = set()
    while peer.now < until:
        due = min(peer.next_due or until, until)
        peer.wait(due)
        wire, peer.wire = peer.wire, []
        for data in wire:
            if data in known:
                continue
            known.add(data)
            seen.append((peer.now, data.split(b" ", 1)[0].decode()))
            if answer:
                request = parsed(data)
                if request.method in ("INVITE", "UPDATE"):
                    body = sdp() if request.body else b""
                    peer.answer(request, 200, body=body, Session_Expires="1800;refresher=uac")
    return seen


def parsed(data: bytes) -> Request:
    message = parse(data)
    assert isinstance(message, Request)
    return message


# ── what is agreed ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("setting", "asked"), [(1800, ["1800"]), (90, ["90"]), (0, None)])
def test_what_the_invite_asks_for(setting: int, asked: list[str] | None) -> None:
    """Whose turn it is, is left to the peer (§7.1)."""
    invite = OneLeg(session_expires=setting).ring()
    assert invite.headers.get("Session-Expires") == asked
    assert (invite.headers["Supported"], "Min-SE" in invite.headers) == (["100rel, timer"], False)


@pytest.mark.parametrize(
    ("answer", "interval", "is_ours"),
    [
        ("1800;refresher=uac", 1800, True),
        ("1800 ; Refresher = UAS", 1800, False),
        ("600", 600, True),
        ("60;refresher=uas", 60, False),
        ("1;refresher=uac", 10, True),
        ("3600;x=y;refresher=uas", 3600, False),
    ],
)
def test_what_the_2xx_says(answer: str, interval: int, is_ours: bool) -> None:
    """A peer that is below the minimum hangs up by its own clock all the same, so we follow it; down to 10 s."""
    session = agreed(answer).leg.session
    assert session is not None
    assert (session.interval, session.is_ours) == (interval, is_ours)
    assert session.refresh_at == (interval / 2 if is_ours else float("inf"))
    assert session.ends_at == interval - min(32, interval / 3)


@pytest.mark.parametrize("answer", ["", "0", "x", "-5", "9" * 30])
def test_a_2xx_without_it_is_a_session_without_end(answer: str) -> None:
    """§7.2."""
    peer = agreed(answer) if answer else OneLeg().up()
    peer.wait(100_000.0)
    assert (peer.starts(), peer.leg.state) == ([], UP)


# ── 422 ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_422_is_obeyed() -> None:
    peer = OneLeg(session_expires=90)
    peer.answer(peer.ring(), 422, Min_SE="200")
    ack, again = peer.sent()
    assert isinstance(ack, Request) and isinstance(again, Request)
    assert (again.headers["Session-Expires"], again.headers["Min-SE"], str(again.cseq)) == (
        ["200"],
        ["200"],
        "2 INVITE",
    )
    peer.answer(again, 422, Min_SE="600")
    again = peer.sent()[-1]
    assert isinstance(again, Request)
    assert (again.headers["Session-Expires"], again.headers["Min-SE"]) == (["600"], ["600"])
    peer.answer(again, 200, body=sdp(), Session_Expires="600;refresher=uac", Allow=TAKES_UPDATE)
    assert peer.events() == [events.Answered("call", "a")]
    peer.sent()
    peer.wait(300.0)
    update = peer.one_request()
    assert (update.headers["Session-Expires"], update.headers["Min-SE"]) == (["600;refresher=uac"], ["600"])


@pytest.mark.parametrize(("setting", "least"), [(1800, "90"), (1800, ""), (1800, "x"), (1800, "1800"), (0, "300")])
def test_422_that_asks_for_nothing_longer_is_a_refusal(setting: int, least: str) -> None:
    peer = OneLeg(session_expires=setting)
    peer.answer(peer.ring(), 422, Min_SE=least)
    assert peer.starts() == ["ACK"]
    assert [type(event) for event in peer.events()] == [events.Refused]


def test_422_for_ever_is_no_loop() -> None:
    peer = OneLeg()
    invite = peer.ring()
    tries = 0
    while peer.leg.state != DOWN and tries < 10:
        tries += 1
        peer.answer(invite, 422, Min_SE=str(2000 + tries))
        invite = next(one for one in reversed(peer.sent()) if isinstance(one, Request))
    assert tries == 4


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Session-Expires": "89", "Supported": "timer"}, 422),
        ({"Session-Expires": "89;refresher=uac", "Require": "timer"}, 422),
        ({"Session-Expires": "90", "Supported": "timer"}, 200),
        ({"Session-Expires": "20"}, 200),  # a proxy put it there, and the phone would not understand 422 (§9)
        ({"Session-Expires": "x", "Supported": "timer"}, 200),
    ],
)
def test_a_session_too_brief_for_us(headers: dict[str, str], status: int) -> None:
    peer = OneLeg().up()
    peer.ask("UPDATE", 1, b"", **headers)
    response = peer.one_response()
    assert response.status == status
    assert response.headers.get("Min-SE") == (["90"] if status == 422 else None)


# ── the peer refreshes ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("asked", "supported", "granted", "required"),
    [
        # Table 2 of §9: who asks for what, and may the peer refresh at all
        ("1800", "", "1800;refresher=uas", None),
        ("1800;refresher=uas", "", "1800;refresher=uas", None),
        ("1800", "timer", "1800;refresher=uac", ["timer"]),
        ("1800;refresher=uac", "timer", "1800;refresher=uac", ["timer"]),
        ("1800;refresher=uas", "timer", "1800;refresher=uas", ["timer"]),
        ("", "timer", None, None),
        ("", "", None, None),
    ],
)
@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
def test_what_our_2xx_grants(method: str, asked: str, supported: str, granted: str | None, required: object) -> None:
    peer = OneLeg().up()
    headers = {"Session-Expires": asked} if asked else {}
    if supported:
        headers["Supported"] = supported
    peer.ask(method, 1, sdp(4002, 2), "", **headers)
    (offered,) = peer.events()
    assert isinstance(offered, events.Offered)
    peer.do(peer.leg.answer(offered.key, described(6000), peer.now))
    response = peer.one_response()
    assert response.headers.get("Session-Expires") == ([granted] if granted else None)
    assert response.headers.get("Require") == required


@pytest.mark.parametrize(
    ("answer", "asked", "granted"),
    [
        # a refresh that does not say keeps the roles as they are, seen from the other side
        ("1800;refresher=uac", {"Supported": "timer", "Session-Expires": "1800"}, "1800;refresher=uas"),
        ("1800;refresher=uas", {"Supported": "timer", "Session-Expires": "1800"}, "1800;refresher=uac"),
        ("1800;refresher=uas", {"Supported": "timer"}, "1800;refresher=uac"),
        ("1800;refresher=uas", {"Supported": "timer", "Min-SE": "2400"}, "2400;refresher=uac"),
        ("1800;refresher=uas", {}, "1800;refresher=uas"),
        ("1800;refresher=uac", {"Supported": "timer", "Session-Expires": "600;refresher=uac"}, "600;refresher=uac"),
    ],
)
def test_roles_once_they_are_agreed(answer: str, asked: dict[str, str], granted: str) -> None:
    peer = agreed(answer)
    peer.ask("UPDATE", 1, b"", **asked)
    assert peer.one_response().headers["Session-Expires"] == [granted]


def test_a_peer_that_refreshes_keeps_the_session_alive() -> None:
    peer = agreed("90;refresher=uas")
    for number, at in enumerate((45.0, 90.0, 135.0), 1):
        peer.wait(at)
        peer.ask("UPDATE", number, b"", Session_Expires="90;refresher=uac", Supported="timer")
        assert peer.one_response().headers["Session-Expires"] == ["90;refresher=uac"]
    peer.wait(194.9)
    assert (peer.starts(), peer.leg.state) == ([], UP)
    peer.wait(195.0)
    assert peer.starts() == ["BYE"]
    assert peer.events() == [events.HungUp("call", "a", EXPIRED, True)]


def test_a_hold_counts_as_a_refresh() -> None:
    peer = agreed("90;refresher=uas")
    peer.wait(59.0)
    peer.ask("INVITE", 1, sdp(4002, 2, "a=sendonly\r\n"), Session_Expires="90;refresher=uac", Supported="timer")
    (offered,) = peer.events()
    assert isinstance(offered, events.Offered)
    peer.do(peer.leg.answer(offered.key, described(6000), peer.now))
    peer.ask("ACK", 1)
    peer.wait(59.0 + 59.9)
    assert peer.leg.state == UP


def test_one_that_does_not_is_hung_up_a_little_before_the_end() -> None:
    """§10: a third of the interval, 32 seconds at most."""
    peer = agreed("1800;refresher=uas")
    peer.wait(1767.9)
    assert peer.starts() == []
    peer.wait(1768.0)
    bye = peer.one_request()
    assert bye.method == "BYE"
    assert bye.headers["Reason"] == [
        'Q.850;cause=102;text="RECOVERY_ON_TIMER_EXPIRE"', 'SIP;cause=408;text="Request Timeout"',
    ]  # fmt: skip
    assert peer.events() == [events.HungUp("call", "a", EXPIRED, True)]
    assert (peer.leg.state, peer.leg.why) == (ENDING, EXPIRED)


# ── we refresh ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_by_update() -> None:
    peer = agreed("1800;refresher=uac", TAKES_UPDATE)
    peer.wait(899.9)
    assert peer.starts() == []
    peer.wait(900.0)
    update = peer.one_request()
    update.check()
    assert (update.method, update.body, update.headers["Contact"]) == ("UPDATE", b"", ["<sip:c2c@192.0.2.1:5060>"])
    assert (update.headers["Session-Expires"], update.headers["Supported"]) == (
        ["1800;refresher=uac"],
        ["100rel, timer"],
    )
    peer.answer(update, 200, Session_Expires="1800;refresher=uac", Contact="<sip:bob@192.0.2.66>")
    assert peer.events() == [events.Refreshed("call", "a", False)]
    assert str(peer.leg.dialog and peer.leg.dialog.remote_target) == "sip:bob@192.0.2.66"
    peer.wait(1799.9)
    assert peer.starts() == []
    peer.wait(1800.0)
    assert peer.starts() == ["UPDATE"]


def test_by_a_reinvite_that_changes_nothing() -> None:
    peer = OneLeg()
    invite = peer.ring()
    peer.answer(invite, 200, body=sdp(), Session_Expires="1800;refresher=uac", Allow="INVITE, ACK, BYE")
    peer.sent()
    peer.wait(900.0)
    reinvite = peer.one_request()
    assert (reinvite.method, reinvite.body) == ("INVITE", invite.body), "the same version of o="
    assert reinvite.headers["Session-Expires"] == ["1800;refresher=uac"]
    peer.told.clear()
    peer.answer(reinvite, 200, body=sdp(), Session_Expires="1800;refresher=uas")
    assert peer.starts() == ["ACK"]
    assert peer.events() == [events.Refreshed("call", "a", False)]
    peer.wait(900.0 + 1767.9)
    assert (peer.starts(), peer.leg.state) == ([], UP)
    peer.wait(900.0 + 1768.0)
    assert peer.starts() == ["BYE"], "the turn went to the peer"


def test_a_peer_that_moves_in_its_answer_is_told_of() -> None:
    peer = agreed("1800;refresher=uac")
    peer.wait(900.0)
    peer.answer(peer.one_request(), 200, body=sdp(4044, 2), Session_Expires="1800;refresher=uac")
    assert peer.events() == [events.Refreshed("call", "a", True)]
    assert peer.leg.remote == SessionDescription.parse(sdp(4044, 2))


def test_what_the_peer_takes_may_change() -> None:
    peer = agreed("1800;refresher=uac")
    peer.ask("UPDATE", 1, b"", Session_Expires="1800;refresher=uas", Supported="timer", Allow=TAKES_UPDATE)
    peer.sent()
    peer.wait(900.0)
    assert peer.starts() == ["UPDATE"]


def test_it_goes_on_for_hours() -> None:
    peer = agreed("1800;refresher=uac", TAKES_UPDATE)
    seen = times_of(peer, 14_400.0, answer=True)
    assert seen == [(900.0 * n, "UPDATE") for n in range(1, 17)]
    assert peer.leg.state == UP


def test_a_refresh_without_session_expires_in_its_2xx_ends_the_timer() -> None:
    peer = agreed("1800;refresher=uac", TAKES_UPDATE)
    peer.wait(900.0)
    peer.answer(peer.one_request(), 200)
    peer.wait(100_000.0)
    assert (peer.starts(), peer.leg.state) == ([], UP)


def test_our_own_reinvite_counts_as_a_refresh() -> None:
    peer = agreed("1800;refresher=uac", TAKES_UPDATE)
    peer.wait(800.0)
    peer.do(peer.leg.reoffer(described(6000), peer.now))
    reinvite = peer.one_request()
    assert reinvite.headers["Session-Expires"] == ["1800;refresher=uac"]
    peer.answer(reinvite, 200, body=sdp(), Session_Expires="1800;refresher=uac")
    assert peer.events() == [events.Reanswered("call", "a")]
    peer.sent()
    peer.wait(1699.9)
    assert peer.starts() == []
    peer.wait(1700.0)
    assert peer.starts() == ["UPDATE"]


def test_it_waits_for_an_offer_that_is_under_way() -> None:
    peer = agreed("1800;refresher=uac")
    peer.wait(890.0)
    peer.ask("INVITE", 1, sdp(4002, 2))
    (offered,) = peer.events()
    assert isinstance(offered, events.Offered)
    peer.wait(910.0)
    assert peer.starts() == []
    peer.do(peer.leg.refuse(offered.key, 488))
    assert peer.starts() == ["488 INVITE"]
    peer.ask("ACK", 1, branch="peer1")
    peer.wait(914.0)
    assert set(peer.starts()) == {"INVITE"}


def test_a_challenged_refresh() -> None:
    peer = OneLeg(username="alice", password="secret")
    peer.answer(peer.ring(), 200, body=sdp(), Session_Expires="90;refresher=uac", Allow=TAKES_UPDATE)
    peer.sent()
    peer.wait(45.0)
    peer.answer(peer.one_request(), 407, Proxy_Authenticate='Digest realm="r", nonce="1"')
    again = peer.one_request()
    assert (again.method, "Proxy-Authorization" in again.headers) == ("UPDATE", True)
    peer.answer(again, 200, Session_Expires="90;refresher=uac")
    peer.wait(89.9)
    assert (peer.starts(), peer.leg.state) == ([], UP)


# ── what may go wrong ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("allow", ["INVITE", TAKES_UPDATE])
@pytest.mark.parametrize("status", [408, 481])
def test_refused_for_there_is_nobody(allow: str, status: int) -> None:
    """§10: BYE."""
    peer = agreed("1800;refresher=uac", allow)
    peer.wait(900.0)
    peer.answer(peer.one_request(), status)
    assert peer.starts()[-1] == "BYE"
    (hung_up,) = peer.events()
    assert isinstance(hung_up, events.HungUp)
    assert (hung_up.why.sip_code, hung_up.is_local) == (status, True)


@pytest.mark.parametrize("allow", ["INVITE", TAKES_UPDATE])
def test_never_answered(allow: str) -> None:
    peer = agreed("1800;refresher=uac", allow)
    peer.wait(931.9)
    assert "BYE" not in peer.starts()
    peer.wait(932.0)
    assert peer.starts()[-1] == "BYE"
    peer.wait(2000.0)
    assert not peer.clients


@pytest.mark.parametrize("status", [405, 501])
def test_a_peer_that_does_not_take_update_after_all_is_asked_by_reinvite(status: int) -> None:
    peer = agreed("1800;refresher=uac", TAKES_UPDATE)
    peer.wait(900.0)
    peer.answer(peer.one_request(), status)
    reinvite = peer.one_request()
    assert (reinvite.method, peer.now) == ("INVITE", 900.0)
    peer.answer(reinvite, 200, body=sdp(), Session_Expires="1800;refresher=uac")
    peer.sent()
    peer.wait(1800.0)
    assert peer.starts() == ["INVITE"]


@pytest.mark.parametrize("allow", ["INVITE", TAKES_UPDATE])
def test_glare_is_tried_again_after_a_while(allow: str) -> None:
    peer = agreed("1800;refresher=uac", allow)
    peer.wait(900.0)
    refresh = peer.one_request()
    peer.answer(refresh, 491)
    peer.sent()
    peer.wait(902.0)
    assert peer.starts() == []
    peer.wait(904.0)
    assert set(peer.starts()) == {refresh.method}


def test_glare_for_ever_is_no_loop() -> None:
    peer = agreed("1800;refresher=uac", TAKES_UPDATE)
    tries = 0
    while peer.leg.state == UP:
        assert peer.next_due is not None
        peer.wait(peer.next_due)
        for message in peer.sent():
            if isinstance(message, Request) and message.method == "UPDATE":
                tries += 1
                peer.answer(message, 491)
    assert (tries, peer.now) == (11, 1768.0)


def test_a_busy_peer_says_when() -> None:
    peer = agreed("1800;refresher=uac", TAKES_UPDATE)
    peer.wait(900.0)
    peer.answer(peer.one_request(), 500, Retry_After="7 (soon)")
    peer.sent()
    peer.wait(906.9)
    assert peer.starts() == []
    peer.wait(907.0)
    assert peer.starts() == ["UPDATE"]


@pytest.mark.parametrize(("allow", "method"), [("INVITE", "INVITE"), (TAKES_UPDATE, "UPDATE")])
def test_any_other_refusal_is_asked_about_once_more_then_the_session_runs_out(allow: str, method: str) -> None:
    peer = agreed("1800;refresher=uac", allow)
    peer.wait(900.0)
    peer.answer(peer.one_request(), 488)
    peer.sent()
    assert peer.events() == [events.Refreshed("call", "a", False)]
    peer.wait(1334.0)
    again = peer.one_request()
    assert again.method == method
    peer.answer(again, 488)
    peer.sent()
    peer.wait(1767.9)
    assert (peer.starts(), peer.leg.state) == ([], UP)
    peer.wait(1768.0)
    assert peer.starts() == ["BYE"]
    assert peer.events()[-1] == events.HungUp("call", "a", EXPIRED, True)


def test_422_to_a_refresh() -> None:
    peer = agreed("90;refresher=uac", TAKES_UPDATE)
    peer.wait(45.0)
    peer.answer(peer.one_request(), 422, Min_SE="300")
    again = peer.one_request()
    assert (again.method, again.headers["Session-Expires"], again.headers["Min-SE"]) == (
        "UPDATE", ["300;refresher=uac"], ["300"],
    )  # fmt: skip
    peer.answer(again, 200, Session_Expires="300;refresher=uac")
    peer.wait(194.9)
    assert (peer.starts(), peer.leg.state) == ([], UP)


def test_a_leg_that_is_down_has_no_session_to_end() -> None:
    peer = agreed("90;refresher=uas")
    peer.ask("BYE", 1)
    peer.wait(200.0)
    assert (peer.starts(), peer.leg.state, peer.leg.session) == (["200 BYE"], DOWN, None)
    peer = agreed("90;refresher=uas")
    peer.wait(59.0)
    peer.hang_up()
    peer.wait(70.0)
    assert set(peer.starts()) == {"BYE"}


def test_a_timer_by_itself() -> None:
    session = SessionTimer(1800)
    headers: dict[str, list[str]] = {}
    session.put_on(headers)
    assert headers == {"Session-Expires": ["1800"]}
    session.agree(Response(200, "OK", {"Session-Expires": ["90;refresher=uas"], "Contact": [CONTACT]}), 100.0)
    assert (session.due, session.ends_at, session.is_ours) == (160.0, 160.0, False)
    session.put_on(headers)
    assert headers == {"Session-Expires": ["90;refresher=uas"]}
    session.stop()
    assert session.due == float("inf")
