"""Phones register with us (RFC 3261 §10.3, RFC 3327, RFC 5626 §6): every rule of the registrar, by messages."""

from __future__ import annotations

from functools import partial
from itertools import pairwise

import msgspec
import pytest

from c2c_b2bua import config
from c2c_b2bua.registration.binding import Bound, Subscriber, Unbound
from c2c_b2bua.registration.registrar import REGISTRAR, REMINDER
from c2c_b2bua.sip.flow import Flow
from c2c_b2bua.sip.uri import Uri
from c2c_b2bua.transaction.actions import Send
from tests.registration.desk_phone import ALICE, AOR, DOMAIN, NOW, UDP, DeskPhone, core, tcp, websocket

HOME = "sip:1001@192.168.1.10:5060"
DEVICE = '+sip.instance="<urn:uuid:00000000-0000-1000-8000-000a95a0e128>"'


@pytest.fixture
def phone() -> DeskPhone:
    return DeskPhone(core())


# ── bound ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_ladder_of_the_registrar(phone: DeskPhone) -> None:
    challenge = phone.ask(f"Contact: <{HOME}>")
    phone.challenged(challenge)
    assert challenge is not None
    assert challenge.to_tag
    bound = phone.register("User-Agent: Yealink SIP-T46S 66.86")
    assert (bound.status, bound.headers["Contact"]) == (200, [f"<{HOME}>;expires=3600"])
    (news,) = phone.news
    assert isinstance(news, Bound)
    binding = news.binding
    assert (news.is_new, binding.aor, binding.uri, binding.user_agent) == (True, AOR, HOME, "Yealink SIP-T46S 66.86")
    # It is called over the way it came, not at the private address it names.
    assert binding.flow == Flow(UDP, "203.0.113.5", 40000)
    assert (binding.registered_at, binding.expires_at) == (NOW, NOW + 3600)
    phone.now += 100
    assert phone.register("Expires: 0").headers.get("Contact") is None
    assert phone.news[1:] == [Unbound(binding, "removed")]
    assert phone.uris == []


def test_renewed(phone: DeskPhone) -> None:
    phone.register()
    phone.now += 1000
    again = phone.register()
    assert again.headers["Contact"] == [f"<{HOME}>;expires=3600"]
    first, second = phone.news
    assert isinstance(second, Bound)
    assert not second.is_new
    assert (second.binding.id, second.binding.registered_at) == (first.binding.id, NOW)
    assert second.binding.refreshed_at == NOW + 1000


def test_what_is_bound_is_told_without_a_contact(phone: DeskPhone) -> None:
    phone.register(contact=f"<{HOME}>;q=0.5;{DEVICE};foo=bar")
    phone.now += 10
    asked = phone.register(contact="")
    assert asked.headers["Contact"] == [
        f'<{HOME}>;expires=3590;q=0.5;+sip.instance="<urn:uuid:00000000-0000-1000-8000-000a95a0e128>"'
    ]
    assert len(phone.news) == 1


def test_by_username(phone: DeskPhone) -> None:
    """The phone may call itself by the user's name; it is the same phone of the same extension."""
    phone.user = phone.name = "alice"
    assert phone.register().status == 200
    assert phone.uris == [HOME]


@pytest.mark.parametrize("name", ["1001", "alice", f"1001@{DOMAIN}", f"alice@{DOMAIN}"])
def test_names_for_the_password(phone: DeskPhone, name: str) -> None:
    phone.name = name
    assert phone.register().status == 200


def test_an_extension_goes_before_a_username() -> None:
    odd = Subscriber(user="1003", domain=DOMAIN, username="1001", password="odd")
    phone = DeskPhone(core(subscribers=[odd, ALICE]))
    assert phone.register().status == 200


def test_several_contacts_best_first(phone: DeskPhone) -> None:
    phone.register(contact="<sip:1001@192.168.1.10>;q=0.2")
    other = DeskPhone(phone.core, flow=Flow(UDP, "198.51.100.7", 5060))
    other.now += 1
    other.register(contact="<sip:1001@10.0.0.9>;q=0.9")
    third = DeskPhone(phone.core, flow=Flow(UDP, "198.51.100.8", 5060))
    third.now += 2
    listed = third.register(contact="<sip:1001@10.0.0.10>;q=0.2").headers["Contact"]
    assert [value.partition(">")[0] for value in listed] == [
        "<sip:1001@192.168.1.10", "<sip:1001@10.0.0.9", "<sip:1001@10.0.0.10",
    ]  # fmt: skip
    assert third.uris == ["sip:1001@10.0.0.9", "sip:1001@10.0.0.10", "sip:1001@192.168.1.10"]


@pytest.mark.parametrize("q", ["nan", "2", "-1", "x", "1_0"])
def test_a_q_that_is_none_counts_as_one(phone: DeskPhone, q: str) -> None:
    phone.register(contact=f"<{HOME}>;q={q}")
    assert phone.core.registrar.contacts(AOR, phone.now)[0].q == 1.0


def test_two_contacts_in_one_request(phone: DeskPhone) -> None:
    phone.register(contact=f"<{HOME}>, <sip:1001@192.168.1.11>;expires=600")
    assert [binding.expires_at - NOW for binding in phone.core.registrar.of(AOR, NOW)] == [3600, 600]


def test_too_many_contacts_in_one_request(phone: DeskPhone) -> None:
    contacts = ", ".join(f"<sip:1001@192.168.1.{number}>" for number in range(11))
    assert phone.register(contact=contacts).status == 403
    assert phone.uris == []


def test_of_too_many_contacts_the_oldest_goes() -> None:
    b2bua = core(config.Registrar(max_contacts=2))
    phones = [DeskPhone(b2bua, flow=Flow(UDP, "203.0.113.5", 4000 + number)) for number in range(3)]
    for number, phone in enumerate(phones):
        phone.now += number
        phone.register(contact=f"<sip:1001@192.168.1.{number}>")
    assert phones[2].uris == ["sip:1001@192.168.1.2", "sip:1001@192.168.1.1"]
    assert [(type(news), news.binding.uri) for news in phones[2].news] == [
        (Bound, "sip:1001@192.168.1.2"), (Unbound, "sip:1001@192.168.1.0"),
    ]  # fmt: skip


def test_a_lost_contact_goes_before_the_oldest() -> None:
    b2bua = core(config.Registrar(max_contacts=2))
    old, lost = DeskPhone(b2bua), DeskPhone(b2bua, flow=tcp(1))
    old.register(contact="<sip:1001@192.168.1.1>")
    lost.now += 1
    lost.register(contact="<sip:1001@192.168.1.2;transport=tcp>")
    b2bua.unreachable(lost.flow, NOW + 2)
    newest = DeskPhone(b2bua, flow=tcp(2))
    newest.now += 3
    newest.register(contact="<sip:1001@192.168.1.3;transport=tcp>")
    assert newest.uris == ["sip:1001@192.168.1.3;transport=tcp", "sip:1001@192.168.1.1"]


def test_a_phone_that_starts_anew_takes_its_own_place(phone: DeskPhone) -> None:
    """Another URI over the same flow: some phones make one up at every start."""
    phone.register(contact="<sip:1001-0x55aa@192.168.1.10>")
    anew = DeskPhone(phone.core)
    anew.register(contact="<sip:1001-0x66bb@192.168.1.10>")
    assert anew.uris == ["sip:1001-0x66bb@192.168.1.10"]
    assert [type(news) for news in anew.news] == [Bound, Unbound]


# ── order ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_request_that_comes_late_changes_nothing(phone: DeskPhone) -> None:
    phone.register()
    phone.sequence -= 1
    late = phone.register(f"Contact: <{HOME}>", contact="<sip:1001@192.168.1.99>")
    assert (late.status, late.reason) == (500, "CSeq out of order")
    assert phone.uris == [HOME]


def test_all_or_nothing(phone: DeskPhone) -> None:
    """§10.3: one contact that cannot be bound, and none is."""
    assert phone.register(contact=f"<{HOME}>, <sip:1001@192.168.1.11>;expires=10").status == 423
    assert phone.uris == []


def test_a_new_call_id_says_it_anew(phone: DeskPhone) -> None:
    phone.register()
    anew = DeskPhone(phone.core)
    assert anew.register(contact=f"<{HOME}>;expires=100").headers["Contact"] == [f"<{HOME}>;expires=100"]


@pytest.mark.parametrize(
    ("one", "same"),
    [
        ("sip:1001@192.168.1.10:5060;ob", True),
        ("sip:%31001@192.168.1.10:5060", True),
        ("sip:1001@192.168.1.10:5060?Subject=x", True),
        ("sip:1001@192.168.1.10", False),
        ("sip:1001@192.168.1.10:5060;transport=udp", False),
        ("sips:1001@192.168.1.10:5060", False),
    ],
)
def test_equal_uris_are_one_contact(phone: DeskPhone, one: str, same: bool) -> None:
    phone.register()
    other = DeskPhone(phone.core, flow=Flow(UDP, "198.51.100.7", 5060))
    other.register(contact=f"<{one}>")
    assert len(other.uris) == (1 if same else 2)


# ── everything unbound ───────────────────────────────────────────────────────────────────────────────────────────────


def test_a_star_unbinds_all(phone: DeskPhone) -> None:
    phone.register()
    other = DeskPhone(phone.core, flow=Flow(UDP, "198.51.100.7", 5060))
    other.register(contact="<sip:1001@10.0.0.9>")
    assert other.register("Expires: 0", contact="*").headers.get("Contact") is None
    assert other.uris == []
    assert [(type(news), news.binding.uri) for news in other.news[1:]] == [
        (Unbound, HOME), (Unbound, "sip:1001@10.0.0.9"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("more", "contact"),
    [([], "*"), (["Expires: 60"], "*"), (["Expires: 0"], f"*, <{HOME}>"), (["Expires: none"], "*")],
)
def test_a_star_stands_alone_and_with_expires_0(phone: DeskPhone, more: list[str], contact: str) -> None:
    phone.register()
    assert phone.register(*more, contact=contact).status == 400
    assert phone.uris == [HOME]


def test_a_late_star_unbinds_nothing(phone: DeskPhone) -> None:
    phone.register()
    phone.sequence -= 1
    assert phone.register("Expires: 0", contact="*").status == 500
    assert phone.uris == [HOME]


# ── how long ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("more", "parameter", "seconds"),
    [
        ([], "", 3600),
        (["Expires: 600"], "", 600),
        (["Expires: 600"], ";expires=900", 900),
        (["Expires: soon"], "", 3600),
        (["Expires: 600"], ";expires=soon", 3600),
        ([], ";expires", 3600),
        (["Expires: 86400"], "", 7200),
        ([], ";expires=99999999999999999999", 7200),
        ([], ";expires=60", 60),
    ],
)
def test_how_long(phone: DeskPhone, more: list[str], parameter: str, seconds: int) -> None:
    assert phone.register(*more, contact=f"<{HOME}>{parameter}").headers["Contact"] == [f"<{HOME}>;expires={seconds}"]


def test_too_short(phone: DeskPhone) -> None:
    brief = phone.register(contact=f"<{HOME}>;expires=59")
    assert (brief.status, brief.headers["Min-Expires"]) == (423, ["60"])


def test_a_binding_ends(phone: DeskPhone) -> None:
    phone.register(contact=f"<{HOME}>;expires=100")
    (bound,) = phone.news
    assert phone.core.registrar.contacts(AOR, NOW + 99.9)
    assert phone.core.registrar.contacts(AOR, NOW + 100) == []
    assert [action for action in due(phone, NOW + 99.9) if isinstance(action, Unbound)] == []
    assert [action for action in due(phone, NOW + 100) if isinstance(action, Unbound)] == [
        Unbound(bound.binding, "expired")
    ]
    assert phone.core.registrar.count == 0
    assert not phone.core.registrar.by_flow
    assert not phone.core.registrar.due


def test_one_timer_for_a_user_however_often_it_renews(phone: DeskPhone) -> None:
    for _ in range(5):
        phone.register(contact=f"<{HOME}>;expires=100")
        phone.now += 50
    timers = [timer for timer in phone.core.timers if timer[2:] == (REGISTRAR, AOR)]
    assert len(timers) == 1
    assert [action for action in due(phone, NOW + 299) if isinstance(action, Unbound)] == []
    assert phone.core.registrar.count == 1
    assert [type(action) for action in due(phone, NOW + 300) if isinstance(action, Unbound)] == [Unbound]


def test_the_first_of_two_ends_first(phone: DeskPhone) -> None:
    phone.register(contact=f"<{HOME}>;expires=200")
    other = DeskPhone(phone.core, flow=Flow(UDP, "198.51.100.7", 5060))
    other.register(contact="<sip:1001@10.0.0.9>;expires=100")
    ended = [action.binding.uri for action in due(phone, NOW + 150) if isinstance(action, Unbound)]
    assert ended == ["sip:1001@10.0.0.9"]
    ended = [action.binding.uri for action in due(phone, NOW + 250) if isinstance(action, Unbound)]
    assert ended == [HOME]


def due(phone: DeskPhone, until: float) -> list[object]:
    """Everything that timers do until then."""
    done: list[object] = []
    while (at := phone.core.next_due) is not None and at <= until:
        done += phone.core.tick(at)
    return done


# ── flows ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_without_rport_it_is_reached_where_its_responses_go(phone: DeskPhone) -> None:
    """RFC 3261 §18.2.2: it sends from one port and listens on the one its Via names."""
    phone.via = "SIP/2.0/UDP 203.0.113.5:5062"
    phone.register()
    assert phone.core.registrar.contacts(AOR, NOW)[0].flow == Flow(UDP, "203.0.113.5", 5062)


def test_a_stream_that_breaks_takes_its_phone_with_it() -> None:
    phone = DeskPhone(core(), flow=tcp(7))
    phone.register(contact="<sip:1001@192.168.1.10;transport=tcp>")
    assert phone.uris == ["sip:1001@192.168.1.10;transport=tcp"]
    phone.core.unreachable(tcp(8), NOW)
    assert len(phone.uris) == 1
    phone.core.unreachable(tcp(7), NOW)
    assert phone.uris == []
    (kept,) = phone.core.registrar.of(AOR, NOW)
    assert kept.is_lost
    anew = DeskPhone(phone.core, flow=tcp(9))
    anew.register(contact="<sip:1001@192.168.1.10;transport=tcp>")
    (binding,) = anew.core.registrar.contacts(AOR, NOW)
    assert (binding.id, binding.flow) == (kept.id, tcp(9))


def test_a_new_flow_of_a_device_replaces_the_old_one() -> None:
    """RFC 5626 §6: the same instance and reg-id are the same binding, whatever the URI."""
    b2bua = core()
    first, second = DeskPhone(b2bua, flow=tcp(1)), DeskPhone(b2bua, flow=tcp(2))
    one = first.register("Supported: outbound, path", contact=f"<sip:1001@10.0.0.1:1111>;{DEVICE};reg-id=1")
    assert one.headers["Require"] == ["outbound"]
    second.register("Supported: outbound", contact=f"<sip:1001@10.0.0.1:2222>;{DEVICE};reg-id=1")
    assert second.uris == ["sip:1001@10.0.0.1:2222"]
    third = DeskPhone(b2bua, flow=tcp(3))
    third.register("Supported: outbound", contact=f"<sip:1001@10.0.0.1:2222>;{DEVICE};reg-id=2")
    assert len(third.uris) == 2


@pytest.mark.parametrize(
    ("more", "parameters"),
    [([], f";{DEVICE};reg-id=1"), (["Supported: outbound"], ";reg-id=1"), (["Supported: outbound"], f";{DEVICE}")],
)
def test_it_takes_all_three_to_be_a_flow(phone: DeskPhone, more: list[str], parameters: str) -> None:
    response = phone.register(*more, contact=f"<{HOME}>{parameters}")
    assert response.status == 200
    assert "Require" not in response.headers
    assert phone.core.registrar.contacts(AOR, NOW)[0].reg_id == 0


def test_a_path_leads_back(phone: DeskPhone) -> None:
    path = "<sip:edge.example.com;lr;ob>"
    response = phone.register("Supported: path", f"Path: {path}", contact=f"<{HOME}>")
    assert response.headers["Path"] == [path]
    (binding,) = phone.core.registrar.contacts(AOR, NOW)
    assert (binding.path, binding.flow) == ((path,), None)


def test_a_path_is_kept_and_not_told_to_a_phone_that_knows_none(phone: DeskPhone) -> None:
    assert "Path" not in phone.register("Path: <sip:edge.example.com;lr>").headers
    assert phone.core.registrar.contacts(AOR, NOW)[0].path == ("<sip:edge.example.com;lr>",)


def test_through_a_proxy_without_path_the_contact_is_called(phone: DeskPhone) -> None:
    phone.register("Via: SIP/2.0/UDP 10.0.0.3;branch=z9hG4bKphone")
    assert phone.core.registrar.contacts(AOR, NOW)[0].flow is None


@pytest.mark.parametrize(
    ("path", "status"), [("<sip:edge.example.com;lr;ob>", 200), ("<sip:edge.example.com;lr>", 439)]
)
def test_outbound_needs_a_first_hop_that_knows_it(phone: DeskPhone, path: str, status: int) -> None:
    response = phone.register(
        "Supported: outbound, path", f"Path: {path}", "Via: SIP/2.0/UDP 10.0.0.3;branch=z9hG4bKphone",
        contact=f"<{HOME}>;{DEVICE};reg-id=1",
    )  # fmt: skip
    assert response.status == status


def pings(phone: DeskPhone, since: float, until: float) -> list[tuple[int, Flow]]:
    """The seconds in which somebody was reminded of us, and who."""
    sent = []
    while (at := phone.core.next_due) is not None and at <= until:
        sent += [(int(at - NOW), a.flow) for a in phone.core.tick(at) if isinstance(a, Send) and a.data == b"\r\n\r\n"]
    return [(at, flow) for at, flow in sent if at >= since - NOW]


def test_the_way_to_a_phone_behind_a_nat_is_kept_open(phone: DeskPhone) -> None:
    phone.register()
    neighbour = DeskPhone(phone.core, user="1002", password="other", flow=Flow(UDP, "203.0.113.5", 40001))
    neighbour.register(contact="<sip:1002@192.168.1.11>")
    sent = pings(phone, NOW, NOW + 100)
    for one in (phone, neighbour):
        turns = [at for at, flow in sent if flow == one.flow]
        assert [later - at for at, later in pairwise(turns)] == [25, 25, 25]
    assert len(sent) == 8
    neighbour.now = NOW + 100
    neighbour.register("Expires: 0", contact="<sip:1002@192.168.1.11>")
    assert {flow for _, flow in pings(phone, NOW + 100, NOW + 150)} == {phone.flow}
    phone.now = NOW + 150
    phone.register("Expires: 0")
    assert pings(phone, NOW + 150, NOW + 1000) == []
    assert REMINDER not in {name for _, _, _, name in phone.core.timers}


@pytest.mark.parametrize(
    ("contact", "flow"),
    [
        ("<sip:1001@203.0.113.5:40000>", Flow(UDP, "203.0.113.5", 40000)),
        ("<sip:1001@[2001:db8::5]>", Flow(UDP, "2001:db8::5", 5060)),
        ("<sip:1001@192.168.1.10;transport=tcp>", tcp(1)),
    ],
)
def test_who_is_where_it_says_or_on_a_stream_needs_no_reminder(contact: str, flow: Flow) -> None:
    phone = DeskPhone(core(), flow=flow)
    phone.register(contact=contact)
    assert not phone.core.registrar.keep_alive.is_needed


def test_reminders_can_be_turned_off() -> None:
    phone = DeskPhone(core(config.Registrar(nat_keepalive=0)))
    phone.register()
    assert pings(phone, NOW, NOW + 100) == []


def test_reminders_go_on_after_a_restart(phone: DeskPhone) -> None:
    phone.register()
    b2bua = core()
    b2bua.restore(phone.core.registrar.of(AOR, NOW), NOW)
    assert [flow for _, flow in pings(DeskPhone(b2bua), NOW, NOW + 25)] == [phone.flow]


# ── refused ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("more", "contact", "status"),
    [
        ([], "<tel:+14155550100>", 416),
        ([], f"<sip:{'1' * 600}@192.168.1.10>", 513),
        ([], f'<{HOME}>;+sip.instance="{"x" * 300}"', 400),
        ([], "sip:1001@192.168.1.10?a=b", 400),
        (["Path: <sip:a;lr>" for _ in range(9)], f"<{HOME}>", 513),
        (["Path: <tel:+1>"], f"<{HOME}>", 400),
        (["Require: gruu"], f"<{HOME}>", 420),
    ],
)
def test_what_cannot_be_bound(phone: DeskPhone, more: list[str], contact: str, status: int) -> None:
    phone.challenged(phone.ask())
    assert phone.register(*more, contact=contact).status == status
    assert phone.uris == []


def test_420_says_what(phone: DeskPhone) -> None:
    response = phone.ask("Require: path, gruu, pref")
    assert response is not None
    assert (response.status, response.headers["Unsupported"]) == (420, ["gruu, pref"])


@pytest.mark.parametrize(
    ("parts", "status"),
    [
        ({"sender": f"<sip:1002@{DOMAIN}>"}, 403),
        ({"sender": "<sip:1001@elsewhere.example>"}, 403),
        ({"sender": f"<sip:alice@{DOMAIN}>"}, 200),
        ({"uri": "sip:192.0.2.1"}, 200),
        ({"uri": f"sip:{DOMAIN}:5060;transport=udp"}, 200),
        ({"uri": "sip:elsewhere.example"}, 403),
        ({"uri": "tel:+14155550100"}, 416),
    ],
)
def test_who_registers_whom_and_where(phone: DeskPhone, parts: dict[str, str], status: int) -> None:
    if "uri" not in parts:
        assert phone.register(**parts).status == status
        return
    phone.challenged(phone.ask())
    response = phone.ask(f"Contact: <{HOME}>", phone.authorization(uri=parts["uri"]), **parts)
    assert response is not None
    assert response.status == status


# ── after a restart ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_restored(phone: DeskPhone) -> None:
    phone.register()
    kept = phone.core.registrar.of(AOR, NOW)
    b2bua = core()
    assert b2bua.restore(kept, NOW + 10) == []
    assert b2bua.registrar.contacts(AOR, NOW + 10) == kept
    assert b2bua.registrar.is_registered(phone.flow)
    after = DeskPhone(b2bua)
    assert [type(action) for action in due(after, NOW + 3600) if isinstance(action, Unbound)] == [Unbound]


def test_who_has_left_or_is_over_is_not_restored(phone: DeskPhone) -> None:
    phone.register()
    kept = phone.core.registrar.of(AOR, NOW)
    b2bua = core(subscribers=[])
    b2bua.restore(kept, NOW)
    assert b2bua.registrar.count == 0
    b2bua = core()
    b2bua.restore(kept, NOW + 3600)
    assert b2bua.registrar.count == 0
    assert not b2bua.timers


def test_what_a_contact_says_of_itself_is_part_of_its_name(phone: DeskPhone) -> None:
    """PJSIP says `ob` (RFC 5626 §5.3.2), without any outbound support: it is called by that name."""
    response = phone.register(contact='"1001" <sip:1001@192.168.1.10:5060;ob>;reg-id=1;+sip.instance="<urn:uuid:x>"')
    assert response.status == 200
    assert phone.uris == ["sip:1001@192.168.1.10:5060;ob"]
    assert "<sip:1001@192.168.1.10:5060;ob>" in response.headers["Contact"][0]


# ── phones that have moved ───────────────────────────────────────────────────────────────────────────────────────────

PUBLIC = "sip:1001@203.0.113.5:5060;transport=tcp"


@pytest.mark.parametrize("uri", [PUBLIC, "sip:1001@192.168.1.10:5060;transport=tcp", "sip:x@host.invalid;transport=ws"])
def test_a_phone_is_followed_to_the_stream_over_which_it_has_registered_again(uri: str) -> None:
    b2bua = core()
    before = websocket(7) if "ws" in uri else tcp(7)
    phone = DeskPhone(b2bua, flow=before)
    phone.register(contact=f"<{uri}>")
    way = partial(b2bua.registrar.way_to, AOR, uri, Uri.parse(uri))
    assert way(before, NOW) == before
    b2bua.unreachable(before, NOW)
    phone.flow = after = msgspec.structs.replace(before, port=40100, connection=8)
    phone.register(contact=f"<{uri}>")
    assert way(before, NOW) == after
    # As a call names it that was taken over from a killed process.
    assert way(msgspec.structs.replace(before, connection=0), NOW) == after


@pytest.mark.parametrize(
    ("uri", "by_contact"),
    [
        (PUBLIC, True),
        ("sip:1001@desk.example.com;transport=tcp", True),
        ("sip:1001@192.168.1.10:5060;transport=tcp", False),
        ("sip:x@host.invalid;transport=ws", False),
    ],
)
def test_a_phone_whose_stream_is_gone_is_reached_by_a_contact_that_leads_to_it(uri: str, by_contact: bool) -> None:
    """Not behind its NAT, and not in a browser."""
    b2bua = core()
    flow = websocket(7) if "ws" in uri else tcp(7)
    way = partial(b2bua.registrar.way_to, AOR, uri, Uri.parse(uri))
    DeskPhone(b2bua, flow=flow).register(contact=f"<{uri}>")
    b2bua.unreachable(flow, NOW)
    assert way(flow, NOW) == (None if by_contact else flow)
    from_before = msgspec.structs.replace(flow, connection=0)
    assert way(from_before, NOW) == (None if by_contact else from_before)


def test_another_phone_of_the_user_is_not_taken_for_it() -> None:
    b2bua = core()
    flow = tcp(7)
    DeskPhone(b2bua, flow=tcp(8)).register(contact="<sip:1001@203.0.113.5:5070;transport=tcp>")
    assert b2bua.registrar.way_to(AOR, PUBLIC, Uri.parse(PUBLIC), flow, NOW) == flow
