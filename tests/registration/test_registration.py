"""One address of record kept registered (RFC 3261 §10.2, §22): asked for, renewed, refused, taken back."""

from __future__ import annotations

import pytest

from c2c_b2bua.phone import REGISTRATION, Manners, Phone
from c2c_b2bua.registration.registration import (
    IDLE,
    OVER,
    REGISTERED,
    REGISTERING,
    UNREGISTERING,
    WAITING,
    Identity,
    Registered,
    Registration,
    RegistrationFailed,
    Unregistered,
)
from c2c_b2bua.sip.digest import response_hash
from c2c_b2bua.sip.fields import Challenge
from c2c_b2bua.sip.flow import Flow, Interface, Interfaces
from c2c_b2bua.sip.message import Request, Response
from c2c_b2bua.sip.reading import parse
from c2c_b2bua.sip.tokens import Tokens
from c2c_b2bua.transaction.actions import Action, Send, SendRequest, StartTimer, Work

AOR = "sip:1001@acme.example.com"
IDENTITY = Identity(
    user="1001", domain="acme.example.com", registrar="sip:192.0.2.9", username="alice", password="secret"
)
CHALLENGE = 'Digest realm="acme", nonce="n1", qop="auth", algorithm=SHA-256'
CONTACT = "<sip:1001@192.0.2.1:5060>"
NOW = 1000.0


def registration(identity: Identity = IDENTITY) -> Registration:
    return Registration("key", identity, Tokens(b"x" * 32))


def asked(work: Work) -> Request:
    """The only action, a REGISTER; as the transaction layer stamps it."""
    (action,) = work
    assert isinstance(action, SendRequest)
    assert (action.owner, str(action.hop), action.flow) == ("key", "sip:192.0.2.9", None)
    action.request.headers["Via"] = ["SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1"]
    action.request.headers["Contact"] = [CONTACT]
    return action.request


def answer(request: Request, status: int, **headers: str) -> Response:
    response = request.response(status, to_tag="theirs")
    for name, value in headers.items():
        response.headers[name.replace("_", "-")] = [value]
    return response


def registered(machine: Registration, **headers: str) -> Request:
    """Through its first REGISTER, accepted."""
    request = asked(machine.start())
    machine.responded(request, answer(request, 200, **headers), NOW)
    assert machine.state == REGISTERED
    return request


# ── asked for ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_is_asked() -> None:
    machine = registration()
    assert machine.state == IDLE
    request = asked(machine.start())
    assert machine.state == REGISTERING
    assert (request.method, request.uri) == ("REGISTER", "sip:acme.example.com")
    assert request.get("To") == f"<{AOR}>"
    assert request.get("From") == f"<{AOR}>;tag={machine.tag}"
    assert (request.get("CSeq"), request.get("Expires")) == ("1 REGISTER", "3600")
    assert "Authorization" not in request.headers


def test_a_challenge_is_answered_and_credentials_stay_on() -> None:
    machine = registration()
    first = asked(machine.start())
    second = asked(machine.responded(first, answer(first, 401, WWW_Authenticate=CHALLENGE), NOW))
    assert (second.call_id, second.get("From")) == (first.call_id, first.get("From"))
    assert second.cseq.number == 2
    check(second, 1)
    assert machine.responded(second, answer(second, 200, Contact=f"{CONTACT};expires=600"), NOW) == [
        Registered(AOR, 600),
        StartTimer("key", "renew", NOW + 540),
    ]
    third = asked(machine.timer("renew", NOW + 540))
    assert third.cseq.number == 3
    check(third, 2)


def test_a_proxy_may_challenge_too() -> None:
    machine = registration()
    first = asked(machine.start())
    second = asked(machine.responded(first, answer(first, 407, Proxy_Authenticate=CHALLENGE), NOW))
    assert "Proxy-Authorization" in second.headers


def check(request: Request, count: int) -> None:
    """The credentials are right: recomputed from what they say and the password."""
    (value,) = request.headers["Authorization"]
    credentials = Challenge.parse(value)
    given = credentials.parameters
    assert (given["username"], given["uri"], given["nc"]) == ("alice", request.uri, f"{count:08x}")
    expected = response_hash(
        credentials, "alice", "secret", "REGISTER", given["uri"], given["nc"], given["cnonce"]
    )  # fmt: skip
    assert given["response"] == expected


def test_wrong_credentials_are_the_end() -> None:
    machine = registration()
    first = asked(machine.start())
    second = asked(machine.responded(first, answer(first, 401, WWW_Authenticate=CHALLENGE), NOW))
    refused = machine.responded(second, answer(second, 401, WWW_Authenticate=CHALLENGE), NOW)
    assert refused == [RegistrationFailed(AOR, 401, "Unauthorized")]
    assert machine.is_over


def test_a_challenge_without_a_password_is_the_end() -> None:
    machine = registration(Identity(user="1001", domain="acme.example.com", registrar="sip:192.0.2.9"))
    first = asked(machine.start())
    refused = machine.responded(first, answer(first, 401, WWW_Authenticate=CHALLENGE), NOW)
    assert refused == [RegistrationFailed(AOR, 401, "Unauthorized")]


def test_provisional_and_overtaken_responses_say_nothing() -> None:
    machine = registration()
    first = asked(machine.start())
    assert machine.responded(first, answer(first, 100), NOW) == []
    asked(machine.responded(first, answer(first, 401, WWW_Authenticate=CHALLENGE), NOW))
    assert machine.responded(first, answer(first, 403), NOW) == []
    assert machine.state == REGISTERING


# ── for how long ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("headers", "seconds", "renewed_after"),
    [
        ({"Contact": f"{CONTACT};expires=1800"}, 1800, 1740.0),
        ({"Contact": f"<sip:1001@192.0.2.7>;expires=10, {CONTACT};expires=1800"}, 1800, 1740.0),
        ({"Contact": f"{CONTACT};q=0.5", "Expires": "900"}, 900, 840.0),
        ({"Contact": "<sip:1001@192.0.2.7>;expires=10"}, 3600, 3540.0),
        ({"Contact": f"{CONTACT};expires=80"}, 80, 40.0),
        ({"Contact": f"{CONTACT};expires=0"}, 1, 0.5),
        ({"Contact": f"{CONTACT};expires=99999999999"}, 3600, 3540.0),
        ({"Contact": f"{CONTACT};expires=999999999"}, 86_400, 86_340.0),
        ({"Contact": "<<<"}, 3600, 3540.0),
        ({"Expires": "soon"}, 3600, 3540.0),
        ({}, 3600, 3540.0),
    ],
)
def test_the_registrar_says_how_long(headers: dict[str, str], seconds: int, renewed_after: float) -> None:
    machine = registration()
    request = asked(machine.start())
    assert machine.responded(request, answer(request, 200, **headers), NOW) == [
        Registered(AOR, seconds),
        StartTimer("key", "renew", NOW + renewed_after),
    ]


def test_too_brief() -> None:
    machine = registration()
    first = asked(machine.start())
    second = asked(machine.responded(first, answer(first, 423, Min_Expires="7200"), NOW))
    assert (second.get("Expires"), second.cseq.number) == ("7200", 2)
    assert machine.responded(second, answer(second, 200), NOW)[0] == Registered(AOR, 7200)
    assert asked(machine.timer("renew", NOW + 7140)).get("Expires") == "7200"


@pytest.mark.parametrize("shortest", ["7200", "3600", "10", "86401", "x", ""])
def test_too_brief_is_no_loop(shortest: str) -> None:
    machine = registration()
    request = asked(machine.start())
    if shortest == "7200":
        request = asked(machine.responded(request, answer(request, 423, Min_Expires=shortest), NOW))
    refused = machine.responded(request, answer(request, 423, Min_Expires=shortest), NOW)
    assert refused == [RegistrationFailed(AOR, 423, "Interval Too Brief")]


# ── refused ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("status", [301, 400, 403, 404, 600, 603])
def test_refused_for_good(status: int) -> None:
    machine = registration()
    request = asked(machine.start())
    (failed,) = machine.responded(request, answer(request, status), NOW)
    assert isinstance(failed, RegistrationFailed)
    assert (failed.status, failed.again_in) == (status, None)
    assert machine.is_over
    assert machine.timer("again", NOW + 30) == []


LADDER = [30, 60, 120, 240, 480, 960, 1800, 1800]


def test_what_may_pass_is_tried_again_ever_more_seldom() -> None:
    machine = registration()
    request, now, pauses = asked(machine.start()), NOW, []
    for status in (408, 503, 500, 408, 408, 408, 408, 408):
        failed, timer = machine.responded(request, answer(request, status), now)
        assert isinstance(failed, RegistrationFailed)
        assert failed.again_in is not None
        assert timer == StartTimer("key", "again", now + failed.again_in)
        assert machine.state == WAITING
        longest = LADDER[len(pauses)]
        assert longest / 2 <= failed.again_in <= longest
        pauses.append(failed.again_in)
        now += failed.again_in
        request = asked(machine.timer("again", now))
    assert len({pause / longest for pause, longest in zip(pauses, LADDER, strict=True)}) > 4, "by lot"
    machine.responded(request, answer(request, 200), now)
    request = asked(machine.timer("renew", now))
    failed, _ = machine.responded(request, answer(request, 503), now)
    assert isinstance(failed, RegistrationFailed)
    assert failed.again_in is not None
    assert 15 <= failed.again_in <= 30


def test_two_do_not_come_back_at_the_same_moment() -> None:
    waits = set()
    for secret in (b"x", b"y", b"z"):
        machine = Registration("key", IDENTITY, Tokens(secret))
        request = asked(machine.start())
        failed, _ = machine.responded(request, answer(request, 503), NOW)
        assert isinstance(failed, RegistrationFailed)
        waits.add(failed.again_in)
    assert len(waits) == 3


@pytest.mark.parametrize("status", [301, 401, 403, 404, 423, 603])
def test_somebody_may_be_patient_with_a_refusal(status: int) -> None:
    machine = Registration("key", IDENTITY, Tokens(b"x"), refused_pause=3600.0)
    request = asked(machine.start())
    failed, timer = machine.responded(request, answer(request, status), NOW)
    assert isinstance(failed, RegistrationFailed)
    assert (failed.status, failed.again_in) == (status, 3600.0)
    assert timer == StartTimer("key", "again", NOW + 3600)
    assert machine.timer("renew", NOW + 3600) == []
    asked(machine.timer("again", NOW + 3600))


@pytest.mark.parametrize(
    ("status", "retry_after", "wait"),
    [(503, "5", 5.0), (503, "0", 1.0), (480, "7 (lunch);duration=60", 7.0), (503, "99999", 1800.0)],
)
def test_retry_after(status: int, retry_after: str, wait: float) -> None:
    machine = registration()
    request = asked(machine.start())
    failed, timer = machine.responded(request, answer(request, status, Retry_After=retry_after), NOW)
    assert isinstance(failed, RegistrationFailed)
    assert failed.again_in == wait
    assert timer == StartTimer("key", "again", NOW + wait)


# ── taken back ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_taken_back() -> None:
    machine = registration()
    registered(machine)
    request = asked(machine.stop())
    assert machine.state == UNREGISTERING
    assert (request.get("Expires"), request.cseq.number) == ("0", 2)
    assert machine.stop() == []
    assert machine.timer("renew", NOW + 3540) == []
    again = asked(machine.responded(request, answer(request, 401, WWW_Authenticate=CHALLENGE), NOW))
    assert again.get("Expires") == "0"
    assert machine.responded(again, answer(again, 200), NOW) == [Unregistered(AOR)]
    assert machine.is_over


def test_taken_back_while_it_is_asked_for() -> None:
    machine = registration()
    first = asked(machine.start())
    request = asked(machine.stop())
    assert machine.responded(first, answer(first, 200), NOW) == []
    assert machine.responded(request, answer(request, 403), NOW) == [Unregistered(AOR)]


def test_nothing_to_take_back() -> None:
    for state in (IDLE, WAITING, OVER):
        machine = registration()
        machine.state = state
        assert machine.stop() == []
        assert machine.is_over


# ── in a phone ───────────────────────────────────────────────────────────────────────────────────────────────────────

HERE = Interface("UDP", "192.0.2.1", 5060, 0, "1001")
REGISTRAR = Flow(HERE, "192.0.2.9", 5060)


def phone() -> Phone:
    return Phone(Interfaces([HERE]), Tokens(b"x" * 32), Manners(user="1001"))


def sent(actions: list[Action]) -> Request:
    (data,) = [action.data for action in actions if isinstance(action, Send)]
    message = parse(data)
    assert isinstance(message, Request)
    return message


def test_a_phone_registers_renews_and_leaves() -> None:
    peer = phone()
    first = sent(peer.register(IDENTITY, NOW))
    assert first.get("Contact") == CONTACT
    actions = peer.receive(bytes(answer(first, 200, Contact=f"{CONTACT};expires=120")), REGISTRAR, NOW)
    assert actions == [Registered(AOR, 120)]
    renewal = sent(due(peer, NOW + 60))
    assert renewal.get("Expires") == "3600"
    assert peer.receive(bytes(answer(renewal, 200)), REGISTRAR, NOW + 60) == [Registered(AOR, 3600)]
    last = sent(peer.switch_off(NOW + 61))
    assert not peer.is_idle
    assert peer.receive(bytes(answer(last, 200)), REGISTRAR, NOW + 61) == [Unregistered(AOR)]
    assert peer.is_idle
    due(peer, NOW + 10_000)
    assert not peer.clients
    assert not peer.timers


def test_a_registrar_that_never_answers() -> None:
    peer = phone()
    peer.register(IDENTITY, NOW)
    news = [action for action in due(peer, NOW + 33) if not isinstance(action, Send)]
    (failed,) = news
    assert isinstance(failed, RegistrationFailed)
    assert (failed.status, failed.reason) == (408, "Request Timeout")
    assert failed.again_in is not None


def test_a_registrar_that_cannot_be_reached() -> None:
    peer = phone()
    identity = Identity(user="1001", domain="acme.example.com", registrar="sip:[2001:db8::9]")
    (failed,) = peer.register(identity, NOW)
    assert isinstance(failed, RegistrationFailed)
    assert failed.status == 503
    assert "IPv6" in failed.reason


def test_a_caller_cannot_take_the_place_of_the_registration() -> None:
    peer = phone()
    first = sent(peer.register(IDENTITY, NOW))
    invite = (
        f"INVITE {AOR} SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK7\r\nFrom: <sip:x@y>;tag=x\r\nTo: <{AOR}>\r\n"
        f"Call-ID: {REGISTRATION}\r\nCSeq: 1 INVITE\r\nContact: <sip:x@192.0.2.9>\r\n\r\n"
    )
    peer.receive(invite.encode(), REGISTRAR, NOW)
    due(peer, NOW)
    assert peer.receive(bytes(answer(first, 200)), REGISTRAR, NOW) == [Registered(AOR, 3600)]
    assert isinstance(sent(due(peer, NOW + 3540)), Request)


def due(peer: Phone, until: float) -> list[Action]:
    """Let every timer act that is due by then."""
    actions: list[Action] = []
    while (at := peer.next_due) is not None and at <= until:
        actions += peer.tick(at)
    return actions
