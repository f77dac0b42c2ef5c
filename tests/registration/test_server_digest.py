"""Digest authentication as a server (RFC 3261 §22.4, RFC 7616, RFC 8760): nonces, counts, guesses."""

from __future__ import annotations

import hashlib

import pytest

from c2c_b2bua import config
from c2c_b2bua.registration import server_digest
from c2c_b2bua.registration.server_digest import Nonces, source_of
from c2c_b2bua.sip.fields import Challenge
from c2c_b2bua.sip.flow import Flow
from c2c_b2bua.sip.message import Response
from c2c_b2bua.sip.reading import parse
from c2c_b2bua.sip.tokens import Tokens
from c2c_b2bua.transaction.actions import Send
from tests.registration.desk_phone import ALICE, AOR, DOMAIN, NOW, UDP, DeskPhone, core, tcp

CONTACT = "Contact: <sip:1001@192.168.1.10:5060>"
MD5_ONLY = config.Registrar(digest=["MD5"])


@pytest.fixture
def phone() -> DeskPhone:
    return DeskPhone(core())


def challenges(response: Response | None) -> list[dict[str, str]]:
    """The parameters of the challenges of a 401."""
    assert response is not None
    assert response.status == 401
    return [Challenge.parse(value).parameters for value in response.headers["WWW-Authenticate"]]


def is_stale(response: Response | None) -> bool:
    return challenges(response)[0].get("stale") == "true"


# ── what is offered ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_strongest_is_offered_first(phone: DeskPhone) -> None:
    offered = challenges(phone.ask(CONTACT))
    assert [challenge["algorithm"] for challenge in offered] == ["SHA-256", "MD5"]
    for challenge in offered:
        assert (challenge["realm"], challenge["qop"]) == (DOMAIN, "auth")
        assert "stale" not in challenge
    assert offered[0]["nonce"] == offered[1]["nonce"]


@pytest.mark.parametrize("index", [0, 1])
def test_either_is_accepted(phone: DeskPhone, index: int) -> None:
    phone.challenged(phone.ask(CONTACT), index)
    assert phone.register().status == 200


def test_an_algorithm_that_was_not_offered_is_asked_for_again() -> None:
    phone = DeskPhone(core(config.Registrar(digest=["SHA-256"])))
    offered = challenges(phone.ask(CONTACT))[0]
    phone.challenge = Challenge("Digest", {**offered, "algorithm": "MD5"})
    answer = phone.ask(CONTACT, phone.authorization())
    assert [challenge["algorithm"] for challenge in challenges(answer)] == ["SHA-256"]
    assert not phone.core.registrar.digest.guesses.buckets


def test_who_stops_at_a_challenge_it_does_not_know_is_shown_the_last(phone: DeskPhone) -> None:
    """Phones from before RFC 8760 give up at SHA-256, and try again from the start: then there is MD5 alone."""
    assert offered(phone) == ["SHA-256", "MD5"]
    assert offered(phone) == ["MD5"]
    # Another kind of phone of the same user, or one elsewhere, or another user, is shown all.
    assert offered(DeskPhone(phone.core, flow=Flow(UDP, "198.51.100.1", 5060))) == ["SHA-256", "MD5"]
    assert offered(phone, "User-Agent: other") == ["SHA-256", "MD5"]
    assert offered(DeskPhone(phone.core, user="1002")) == ["SHA-256", "MD5"]
    phone.challenged(phone.ask(CONTACT))
    assert phone.register().status == 200
    # And that is remembered, also when it starts again.
    for _ in range(2):
        assert offered(phone) == ["MD5"]


def test_who_has_answered_with_the_last_is_shown_the_last_when_its_nonce_is_stale(phone: DeskPhone) -> None:
    phone.challenged(phone.ask(CONTACT), 1)
    assert phone.ask(CONTACT, phone.authorization()).status == 200  # type: ignore[union-attr]
    phone.now += 400
    again = challenges(phone.ask(CONTACT, phone.authorization()))
    assert [(challenge["algorithm"], challenge["stale"]) for challenge in again] == [("MD5", "true")]


def test_nobody_else_can_have_a_phone_shown_the_last(phone: DeskPhone) -> None:
    thief = DeskPhone(phone.core, password="wrong", flow=Flow(UDP, "198.51.100.1", 5060))
    thief.challenged(thief.ask(CONTACT), 1)
    thief.ask(CONTACT, thief.authorization())
    assert offered(phone) == ["SHA-256", "MD5"]


def test_who_has_answered_with_the_first_is_shown_all_the_next_time(phone: DeskPhone) -> None:
    for _ in range(3):
        phone.challenge = None
        phone.register()
        made_with = phone.challenge
        assert made_with is not None
        assert made_with.parameters["algorithm"] == "SHA-256"


@pytest.mark.parametrize("agent", ["baresip v1.0.0 (x86_64/linux)", "Twinkle/1.10.2", "Asterisk PBX 18.5.0"])
def test_phones_that_are_known_to_stop_are_shown_the_last_at_once(phone: DeskPhone, agent: str) -> None:
    assert offered(phone, f"User-Agent: {agent}") == ["MD5"]
    strict = DeskPhone(core(config.Registrar(digest=["SHA-512-256", "SHA-256"])))
    assert offered(strict, f"User-Agent: {agent}") == ["SHA-512-256", "SHA-256"]


def offered(phone: DeskPhone, *more: str) -> list[str]:
    """The algorithms of the challenges that a REGISTER without credentials gets."""
    return [challenge["algorithm"] for challenge in challenges(phone.ask(CONTACT, *more))]


def test_not_everybody_is_remembered(phone: DeskPhone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_digest, "MOST_REMEMBERED", 10)
    for number in range(100):
        offered(phone, f"User-Agent: {number}")
        assert len(phone.core.registrar.digest.unanswered) <= 10


# ── nonces ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_nonce_is_used_again_and_again(phone: DeskPhone) -> None:
    for _ in range(5):
        phone.register()
    assert phone.uses == 5


def test_a_replay_is_refused_and_says_nothing(phone: DeskPhone) -> None:
    phone.register()
    line = phone.authorization()
    assert phone.ask(CONTACT, line).status == 200  # type: ignore[union-attr]
    assert is_stale(phone.ask("Contact: <sip:thief@198.51.100.66>", line))
    assert phone.uris == ["sip:1001@192.168.1.10:5060"]


def test_counts_go_up_only(phone: DeskPhone) -> None:
    phone.register()
    phone.uses = 7
    assert phone.ask(CONTACT, phone.authorization()).status == 200  # type: ignore[union-attr]
    phone.uses = 5
    assert is_stale(phone.ask(CONTACT, phone.authorization()))


def test_an_old_nonce_is_stale_when_the_password_is_right(phone: DeskPhone) -> None:
    phone.register()
    phone.now += 300.5
    assert is_stale(phone.ask(CONTACT, phone.authorization()))
    phone.password = "wrong"
    assert not is_stale(phone.ask(CONTACT, phone.authorization()))


def test_a_nonce_of_before_a_restart_is_stale(phone: DeskPhone) -> None:
    """Its uses are not known any more; the secret is, so that the phone need not ask its user."""
    phone.register()
    again = core()
    again.registrar.open(config.Registrar(), [ALICE], b"nonces", NOW + 10)
    phone.core = again
    phone.now += 20
    assert is_stale(phone.ask(CONTACT, phone.authorization()))


def test_a_nonce_is_good_for_the_address_it_was_given_to(phone: DeskPhone) -> None:
    """And of a nonce that is not, nothing is said about the password."""
    phone.register()
    phone.flow = Flow(UDP, "198.51.100.7", 5060)
    assert is_stale(phone.ask(CONTACT, phone.authorization()))
    phone.password = "wrong"
    assert is_stale(phone.ask(CONTACT, phone.authorization()))
    assert not phone.core.registrar.digest.guesses.buckets


@pytest.mark.parametrize("nonce", ["", "x", "0" * 45, "ä" * 45, "0" * 500, "zzzzzzzzzzz" + "0" * 34])
def test_a_nonce_that_is_none_of_ours(phone: DeskPhone, nonce: str) -> None:
    offered = challenges(phone.ask(CONTACT))[0]
    phone.challenge = Challenge("Digest", {**offered, "nonce": nonce})
    assert is_stale(phone.ask(CONTACT, phone.authorization()))


def test_nonces_cannot_be_made_up() -> None:
    nonces = Nonces(b"secret", Tokens(b"x"), 300, 0.0)
    nonce = nonces.make("realm", "192.0.2.1", 1000.0)
    assert nonces.made_at(nonce, "realm", "192.0.2.1") == 1000.0
    assert nonce != nonces.make("realm", "192.0.2.1", 1000.0)
    for position in range(len(nonce)):
        other = nonce[:position] + ("1" if nonce[position] == "0" else "0") + nonce[position + 1 :]
        assert nonces.made_at(other, "realm", "192.0.2.1") is None
    assert nonces.made_at(nonce, "other", "192.0.2.1") is None
    assert nonces.made_at(nonce, "realm", "192.0.2.2") is None
    assert Nonces(b"other", Tokens(b"x"), 300, 0.0).made_at(nonce, "realm", "192.0.2.1") is None


def test_counts_are_forgotten_with_their_nonces() -> None:
    nonces = Nonces(b"secret", Tokens(b"x"), 300, 0.0)
    for minute in range(60):
        now = minute * 60.0
        for _ in range(10):
            assert nonces.count(nonces.make("realm", "", now), now, 1, now)
        assert nonces.counted == sum(map(len, nonces.used.values())) <= 70


def test_of_too_many_nonces_the_oldest_are_stale(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_digest, "MOST_COUNTED", 100)
    nonces = Nonces(b"secret", Tokens(b"x"), 300, 0.0)
    first = nonces.make("realm", "", 0.0)
    assert nonces.count(first, 0.0, 1, 0.0)
    for number in range(100):
        now = 60.0 + number / 10
        assert nonces.count(nonces.make("realm", "", now), now, 1, now)
    assert nonces.counted <= 100
    assert not nonces.is_fresh(0.0, 70.0)
    assert nonces.is_fresh(65.0, 70.0)


# ── older kinds ──────────────────────────────────────────────────────────────────────────────────────────────────────


def of_rfc_2069(phone: DeskPhone, uri: str = f"sip:{DOMAIN}", password: str = "secret") -> str:
    """Credentials without qop, as some phones still make them."""
    assert phone.challenge is not None
    nonce = phone.challenge.parameters["nonce"]

    def md5(text: str) -> str:
        return hashlib.md5(text.encode()).hexdigest()

    response = md5(f"{md5(f'1001:{DOMAIN}:{password}')}:{nonce}:{md5(f'REGISTER:{uri}')}")
    return (
        f'Authorization: Digest username="1001", realm="{DOMAIN}", nonce="{nonce}", uri="{uri}", response="{response}"'
    )


def test_without_qop_a_nonce_serves_once(phone: DeskPhone) -> None:
    phone.challenged(phone.ask(CONTACT))
    line = of_rfc_2069(phone)
    assert phone.ask(CONTACT, line).status == 200  # type: ignore[union-attr]
    assert is_stale(phone.ask(CONTACT, line))
    phone.challenged(phone.ask(CONTACT))
    assert not is_stale(phone.ask(CONTACT, of_rfc_2069(phone, password="wrong")))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("qop=auth", "qop=auth-int"),
        ("nc=00000001", "nc=1"),
        ("nc=00000001", "nc=0000000g"),
        ("nc=00000001", "nc=00000000"),
        (', cnonce="cnonce1"', ""),
        ("qop=auth, ", ""),
        ("Digest ", "Basic "),
        ("username=", "user="),
        (f'realm="{DOMAIN}"', 'realm="elsewhere.example"'),
    ],
)
def test_credentials_of_another_kind_are_asked_for_again(phone: DeskPhone, old: str, new: str) -> None:
    phone.challenged(phone.ask(CONTACT))
    line = phone.authorization()
    assert old in line
    assert not is_stale(phone.ask(CONTACT, line.replace(old, new)))
    assert not phone.core.registrar.digest.guesses.buckets


def test_an_unknown_scheme(phone: DeskPhone) -> None:
    """RFC 4475 §3.3.12."""
    assert len(challenges(phone.ask(CONTACT, "Authorization: NoOneKnowsThisScheme opaque-data=here"))) == 2


def test_credentials_for_another_domain_prove_nothing(phone: DeskPhone) -> None:
    phone.challenged(phone.ask(CONTACT))
    response = phone.ask(CONTACT, phone.authorization(uri="sip:elsewhere.example"))
    assert response is not None
    assert response.status == 401
    assert phone.uris == []


@pytest.mark.parametrize(
    "uri", [f"sip:{DOMAIN}:5060", f"sip:1001@{DOMAIN}", f"sip:{DOMAIN};transport=udp", "sip:192.0.2.1:5060"]
)
def test_phones_write_the_domain_in_many_ways(phone: DeskPhone, uri: str) -> None:
    phone.challenged(phone.ask(CONTACT))
    assert phone.ask(CONTACT, phone.authorization(uri=uri)).status == 200  # type: ignore[union-attr]


# ── guesses ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("user", "name"), [("1001", "1001"), ("1009", "1009"), ("1001", "1002"), ("1001", "")])
def test_the_same_answer_for_a_wrong_password_and_an_unknown_user(phone: DeskPhone, user: str, name: str) -> None:
    phone.user, phone.name, phone.password = user, name, "wrong"
    first = phone.ask(CONTACT)
    phone.challenged(first)
    second = phone.ask(CONTACT, phone.authorization())
    assert first is not None
    assert second is not None
    assert (second.status, second.reason) == (401, "Unauthorized")
    assert list(second.headers) == list(first.headers)
    assert len(second.headers["WWW-Authenticate"]) == 2
    # Both count as guesses.
    assert phone.core.registrar.digest.guesses.buckets["203.0.113.5"].tokens(NOW) == pytest.approx(9)


def test_another_users_password_is_no_password(phone: DeskPhone) -> None:
    phone.name, phone.password = "1002", "other"
    phone.challenged(phone.ask(CONTACT))
    assert not is_stale(phone.ask(CONTACT, phone.authorization()))
    assert phone.uris == []


def test_an_empty_password_lets_nobody_in(phone: DeskPhone) -> None:
    """The dummy that unknown users are compared with."""
    phone.user = phone.name = "1009"
    phone.password = ""
    phone.challenged(phone.ask(CONTACT))
    assert not is_stale(phone.ask(CONTACT, phone.authorization()))
    assert not phone.core.registrar.bindings


def guess(phone: DeskPhone, times: int) -> list[bool]:
    """Wrong passwords, one after the other; which of them were answered."""
    answered = []
    for _ in range(times):
        response = phone.ask(CONTACT)
        if response is not None:
            phone.challenged(response)
            response = phone.ask(CONTACT, phone.authorization())
        answered.append(response is not None)
    return answered


def test_who_guesses_is_not_listened_to_for_a_while(phone: DeskPhone) -> None:
    phone.password = "wrong"
    assert guess(phone, 12) == [True] * 10 + [False] * 2
    phone.password = "secret"
    assert phone.ask(CONTACT) is None
    assert not phone.core.servers or len(phone.core.servers) == 20
    phone.now += 20
    assert phone.register().status == 200


def test_who_is_registered_is_not_locked_out_by_a_neighbour(phone: DeskPhone) -> None:
    phone.register()
    thief = DeskPhone(phone.core, password="wrong", flow=Flow(UDP, "203.0.113.5", 666))
    assert guess(thief, 11) == [True] * 10 + [False]
    assert phone.register().status == 200
    # Somebody else's address is not concerned.
    other = DeskPhone(phone.core, flow=Flow(UDP, "198.51.100.1", 5060))
    assert other.register(contact="<sip:1001@10.0.0.1>").status == 200


def test_the_limit_is_for_the_address_not_for_the_stream() -> None:
    b2bua = core()
    answered = [
        any(guess(DeskPhone(b2bua, password="wrong", flow=tcp(number)), 1)) for number in range(1, 13)
    ]  # fmt: skip
    assert answered == [True] * 10 + [False] * 2


@pytest.mark.parametrize(
    ("host", "source"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2::1", "20010db800010002"),
        ("2001:db8:1:2:ffff::9", "20010db800010002"),
        ("fe80::1%eth0", "fe80000000000000"),
        ("::x", "::x"),
    ],
)
def test_sources(host: str, source: str) -> None:
    assert source_of(host) == source


# ── nothing reflected ────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_challenge_is_no_amplifier(phone: DeskPhone) -> None:
    """A forged source gets at most three times what was sent."""
    data = (
        f"REGISTER sip:{DOMAIN} SIP/2.0\r\nv:SIP/2.0/UDP x;branch=z9hG4bK1\r\nf:<sip:1@{DOMAIN}>;tag=1\r\n"
        f"t:<sip:1@{DOMAIN}>\r\ni:1\r\nCSeq:1 REGISTER\r\n\r\n"
    ).encode()
    (sent,) = phone.core.receive(data, phone.flow, NOW)
    assert isinstance(sent, Send)
    assert parse(sent.data).via.parameters["received"] == "203.0.113.5"
    assert len(sent.data) <= 3 * len(data) + len(";received=203.0.113.5")
    assert sent.flow.host == "203.0.113.5"


def test_no_secret_is_in_any_answer(phone: DeskPhone) -> None:
    phone.challenged(phone.ask(CONTACT))
    sent = [a.data for a in phone.give(phone.text(CONTACT, phone.authorization())) if isinstance(a, Send)]
    assert sent
    assert all(b"secret" not in data for data in sent)
    assert "secret" not in repr(phone.core.registrar.of(AOR, NOW))
