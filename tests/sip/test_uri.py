"""URIs (RFC 3261 §19.1)."""

from __future__ import annotations

import pytest

from c2c_b2bua.sip.errors import SipError
from c2c_b2bua.sip.uri import Uri

# §19.1.4, "the URIs within each of the following sets are equivalent".
EQUAL = [
    ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"),
    ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
    ("sip:carol@chicago.com", "sip:carol@chicago.com;security=on"),
    (
        "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
        "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
    ),
    (
        "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
        "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
    ),
]
# §19.1.4, "the URIs within each of the following sets are not equivalent", each with the RFC's reason.
UNEQUAL = [
    ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),  # different usernames
    ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),  # can resolve to different ports
    ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),  # can resolve to different transports
    ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),  # different port and transport
    ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),  # different header component
    ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),  # even though that is what it resolves to
    ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
    ("sip:alice@atlanta.com", "sips:alice@atlanta.com"),
    ("sip:alice:secret@atlanta.com", "sip:alice@atlanta.com"),
    ("sip:alice@atlanta.com", "sip:atlanta.com"),
]


@pytest.mark.parametrize(("one", "other"), EQUAL)
def test_equal_by_the_rfc(one: str, other: str) -> None:
    assert Uri.parse(one).equals(Uri.parse(other))
    assert Uri.parse(other).equals(Uri.parse(one))


@pytest.mark.parametrize(("one", "other"), UNEQUAL)
def test_unequal_by_the_rfc(one: str, other: str) -> None:
    assert not Uri.parse(one).equals(Uri.parse(other))
    assert not Uri.parse(other).equals(Uri.parse(one))


PRINTED_AS_READ = [
    "sip:alice@atlanta.com",
    "sip:alice:secretword@atlanta.com;transport=tcp",
    "sips:alice@atlanta.com?subject=project%20x&priority=urgent",
    "sip:+1-212-555-1212:1234@gateway.com;user=phone",
    "sip:1212@gateway.com",
    "sip:alice@192.0.2.4",
    "sip:atlanta.com;method=REGISTER?to=alice%40atlanta.com",
    "sip:alice;day=tuesday@atlanta.com",
    "sip:alice@[2001:db8::10]:5070",
    "sip:[::1];transport=udp",
    "sip:user;par=u%40example.net@example.com",
    "sip:1?2/3@host",
    "sip:*21%23@pbx.example.com",
    "sip:host.example.com.:65535",
    "tel:+14155550100",
    "isbn:2983792873",
    "soap.beep://192.0.2.103:3002",
    "urn:service:sos",
]


@pytest.mark.parametrize("text", PRINTED_AS_READ)
def test_prints_what_it_read(text: str) -> None:
    assert str(Uri.parse(text)) == text


def test_parts() -> None:
    assert Uri.parse("sip:alice:sesame@Atlanta.COM:5070;Transport=TCP;lr?Subject=x") == Uri(
        scheme="sip",
        host="atlanta.com",
        port=5070,
        user="alice",
        password="sesame",
        parameters={"transport": "TCP", "lr": None},
        headers="Subject=x",
    )
    assert Uri.parse("SIPS:[2001:DB8::1]") == Uri(scheme="sips", host="[2001:db8::1]")
    assert Uri.parse("TEL:+1-415") == Uri(scheme="tel", opaque="+1-415")


def test_transport_is_lower_case() -> None:
    assert Uri.parse("sip:a@b;transport=TLS").transport == "tls"
    assert Uri.parse("sip:a@b").transport == ""


def test_user_may_hold_every_character_of_the_grammar() -> None:
    user = "1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*"
    uri = Uri.parse(f"sip:{user}:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@example.com")
    assert (uri.user, uri.password, uri.host) == (user, "&it+has=1,weird!*pas$wo~d_too.(doesn't-it)", "example.com")


def test_parameter_names_lose_their_escapes() -> None:
    assert Uri.parse("sip:a@b;%6C%72;n%61me=v%61lue%25%34%31").parameters == {"lr": None, "name": "v%61lue%25%34%31"}


def test_parameter_name_keeps_an_escape_it_needs() -> None:
    assert str(Uri.parse("sip:a@b;x%3by=1")) == "sip:a@b;x%3by=1"


REFUSED = [
    "",
    "sip:",
    "sip:@host",
    "sip:alice@",
    "sip:alice@host:",
    "sip:alice@host:65536",
    "sip:alice@host:0x50",
    "sip:alice@ho st",
    " sip:alice@host",
    "sip:alice@host ",
    "sip:al ice@host",
    "sip:alice@host;lr;lr",
    "sip:alice@host;lr;%6cr",
    "sip:%4@host",
    "sip:%zz@host",
    "sip:alice@[2001:db8::1",
    "sip:alice@2001:db8::1",
    "sip:alice@host?subject",
    "sip:alice@host\r\nEvil: x",
    "sip:al\x00ice@host",
    "sip:alice@-host",
    "alice@host",
    "<sip:alice@host>",
    "1tel:+1",
]


@pytest.mark.parametrize("text", REFUSED)
def test_refuses(text: str) -> None:
    with pytest.raises(SipError) as caught:
        Uri.parse(text)
    assert caught.value.status == 400


@pytest.mark.parametrize("text", ["sip:" + "a" * 60_000, "sip:" + "a." * 30_000 + "!", "sip:a@b" + ";c" * 30_000 + "!"])
def test_long_nonsense_is_refused_at_once(text: str) -> None:
    """Linear patterns: a quadratic one would take minutes here, and stall every other call."""
    try:
        Uri.parse(text + "\x00")
    except SipError:
        return
    raise AssertionError("nonsense was taken")
