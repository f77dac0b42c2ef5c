"""Numbers and URIs: normalized as §8.3 says, refused where they are dangerous."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from c2c_b2bua.numbers import Destinations, NumberError, SipUri, dialled, normalized

HOME = Destinations("US", ("US",))


@pytest.mark.parametrize(
    ("given_number", "expected"),
    [
        ("4155550100", "+14155550100"),
        ("14155550100", "+14155550100"),
        ("+14155550100", "+14155550100"),
        ("01144207946000", "+44207946000"),
        ("0044207946000", "+44207946000"),
        ("2600", "2600"),
        ("84395187319", "+84395187319"),
        ("4151550100", "+4151550100"),
        ("0395187319", "0395187319"),
        ("2234567890", "+12234567890"),
        ("12234567890", "+12234567890"),
        ("+12234567890", "+12234567890"),
    ],
)
def test_8_3_normalization(given_number: str, expected: str) -> None:
    assert dialled(given_number, "US") == expected


@pytest.mark.parametrize(
    ("given_number", "expected"),
    [
        ("(415) 555-0100", "+14155550100"),
        ("+1 415.555.0100", "+14155550100"),
        ("tel:+1-415-555-0100", "+14155550100"),
        ("sip:bob@Example.com", "sip:bob@example.com"),
        ("SIPS:bob@[::1]:5061", "sips:bob@[::1]:5061"),
        (" 2600 ", "2600"),
    ],
)
def test_what_people_paste(given_number: str, expected: str) -> None:
    assert dialled(given_number, "US") == expected


@pytest.mark.parametrize(
    ("number", "country", "expected"),
    [
        ("0395187319", "VN", "+84395187319"),
        ("020 7946 0000", "GB", "+442079460000"),
        ("0012125550100", "VN", "+12125550100"),
        ("600", "VN", "600"),
        ("0612345678", "FR", "+33612345678"),
    ],
)
def test_other_countries(number: str, country: str, expected: str) -> None:
    assert dialled(number, country) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "4155550100\r\nX: y",
        "41555\x0050100",
        "sip:bob@example.com?Route=x",
        "sip:bob@example.com;maddr=192.0.2.1",
        "sip:bob@example.com;transport=ws",
        "sip:bob@example.com;lr",
        "sip:bob:secret@example.com",
        "sip:b%0d%0aob@example.com",
        "sip:bob@exa mple.com",
        "sip:bob@example.com:99999",
        "sip:",
        "sip:<bob>@example.com",
        "http://example.com",
        "call me",
        "1" * 65,
        "+",
        "bob@example.com",
    ],
)
def test_what_is_refused(text: str) -> None:
    with pytest.raises(NumberError):
        dialled(text, "US")


def test_transport_is_a_matter_of_trust() -> None:
    text = "sip:bob@example.com;transport=tcp"
    assert str(SipUri.parse(text)) == text
    with pytest.raises(NumberError, match="transport=tcp"):
        SipUri.parse(text, ())


@given(st.text(max_size=40))
def test_whatever_is_dialled_has_no_control_characters(text: str) -> None:
    try:
        number = dialled(text, "US")
    except NumberError:
        return
    assert number.isascii() and number.isprintable() and " " not in number


@given(st.from_regex(r"\+?[0-9]{1,20}", fullmatch=True), st.sampled_from(["US", "VN", "GB", "IT"]))
def test_normalizing_twice_is_normalizing_once(number: str, country: str) -> None:
    once = normalized(number, country)
    assert normalized(once, country) == once


@pytest.mark.parametrize("number", ["+14155550100", "+15551234567", "+18005551234", "2600", "411"])
def test_home_may_be_called(number: str) -> None:
    assert HOME.refusal(number) is None


@pytest.mark.parametrize(
    ("number", "why"),
    [
        ("+442079460000", "is in GB"),
        ("+18765551234", "is in JM"),
        ("+999123456", "no known country code"),
        ("+19005551212", "premium"),
        ("+8816123456", "satellite"),
        ("0395187319", "is no number of US"),
        ("*72", "not a telephone number"),
        ("alice", "not a telephone number"),
        ("911", "emergency"),
        ("112", "emergency"),
        ("+1911", "emergency"),
        ("+911", "emergency"),
    ],
)
def test_what_may_not_be_called(number: str, why: str) -> None:
    assert why in (HOME.refusal(number) or "")


def test_every_country_is_a_choice_but_emergency_and_premium_are_not() -> None:
    anywhere = Destinations("US", ("*",))
    assert anywhere.refusal("+442079460000") is None
    assert anywhere.refusal("0395187319") is None
    assert anywhere.refusal("911")
    assert anywhere.refusal("+19005551212")
    assert Destinations("US", ("US",), premium=True).refusal("+19005551212") is None
    assert Destinations("GB", ("GB",)).refusal("999")


@pytest.mark.parametrize(
    ("digits", "country", "is_harmful"),
    [
        ("911", "US", True),
        ("19005551212", "US", True),
        ("9911", "US", False),
        ("94155550100", "US", False),
        ("04155550100", "US", False),
        ("9600", "US", False),
        ("112", "IT", True),
        ("899123456", "IT", True),
        ("0899123456", "IT", False),
        ("*9", "US", False),
    ],
)
def test_what_follows_an_access_code(digits: str, country: str, is_harmful: bool) -> None:
    assert (Destinations(country, ("*",)).hazard(digits) is not None) == is_harmful
    if "9005551212" in digits:
        assert Destinations(country, ("*",), premium=True).hazard(digits) is None
