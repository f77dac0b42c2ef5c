"""Telephone numbers and SIP URIs as people give them: checked, made E.164, allowed (RFC 3261 §19.1, RFC 3966)."""

from __future__ import annotations

import re
from functools import lru_cache

import msgspec
import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberType, shortnumberinfo

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
NUMBER = re.compile(r"\+?[0-9A-Za-z*#._-]{1,64}")
DIGITS = re.compile(r"\+?[0-9]{1,64}")
SEPARATED = re.compile(r"\+?[0-9 ().\-/]+")
SIP_URI = re.compile(
    r"(?P<scheme>sips?):"
    r"(?:(?P<user>(?:[A-Za-z0-9_.!~*'()&=+$,/-]|%[0-9A-Fa-f]{2}){1,128})@)?"
    r"(?P<host>\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?)"
    r"(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<parameters>(?:;[A-Za-z0-9-]+=[A-Za-z0-9.-]+)*)",
    re.IGNORECASE,
)
AMERICAN = (
    (re.compile(r"(?:\+?1)?([2-9]\d{2}[2-9]\d{6})"), "+1"),
    (re.compile(r"011(\d{5,})"), "+"),
    (re.compile(r"00(\d{5,})"), "+"),
    (re.compile(r"([2-9]\d{7,})"), "+"),
)
"""Kazoo's converter for North America; the first that fits the whole number wins."""

WORLDWIDE_EXPENSIVE = frozenset({870, 878, 881, 882, 883, 888, 979})
"""Country codes of satellites, international networks and premium rate (ITU-T E.164, list of assigned codes)."""

SHORT = 6
"""Digits; a longer national number that its country does not know may be anything."""


class NumberError(ValueError):
    """This is no number and no SIP URI that we would dial."""


class SipUri(msgspec.Struct, frozen=True):
    """A SIP URI in its plain form: no password, no headers, no maddr."""

    scheme: str
    user: str
    host: str
    """In lower case, an IPv6 address in its brackets."""
    port: int | None
    parameters: tuple[tuple[str, str], ...] = ()

    @classmethod
    def parse(cls, text: str, transports: tuple[str, ...] = ("udp", "tcp")) -> SipUri:
        """NumberError unless it is plain; `user=phone` and a `transport` of `transports` are all that may follow."""
        found = SIP_URI.fullmatch(text)
        if not found:
            raise NumberError("expected a SIP URI such as sip:bob@example.com, without headers or password")
        if found["port"] and not 0 < int(found["port"]) < 65536:
            raise NumberError("expected a port between 1 and 65535")
        user = found["user"] or ""
        if CONTROL.search(unescaped(user)):
            raise NumberError("expected no control characters in the user part of the SIP URI")
        parameters = tuple(
            (name.lower(), value.lower())
            for name, _, value in (part.partition("=") for part in found["parameters"].split(";") if part)
        )
        for name, value in parameters:
            if not (name == "user" and value == "phone") and not (name == "transport" and value in transports):
                raise NumberError(f"the parameter {name}={value} is not allowed in this SIP URI")
        port = int(found["port"]) if found["port"] else None
        return cls(found["scheme"].lower(), user, found["host"].lower(), port, parameters)

    def __str__(self) -> str:
        user = f"{self.user}@" if self.user else ""
        port = f":{self.port}" if self.port is not None else ""
        return f"{self.scheme}:{user}{self.host}{port}" + "".join(f";{name}={value}" for name, value in self.parameters)


def unescaped(text: str) -> str:
    """Percent escapes as the Latin-1 characters they stand for."""
    return re.sub(r"%([0-9A-Fa-f]{2})", lambda found: chr(int(found[1], 16)), text)


def is_uri(text: str) -> bool:
    """Whether this wants to be a SIP URI."""
    return text[:4].lower() == "sip:" or text[:5].lower() == "sips:"


def dialled(text: str, country: str, transports: tuple[str, ...] = ("udp", "tcp")) -> str:
    """A contact or extension as it is dialled: plain SIP URI, E.164, or a number as it stands; else NumberError."""
    if DIGITS.fullmatch(text):
        return normalized(text, country)
    if CONTROL.search(text):
        raise NumberError("expected no control characters")
    text = text.strip()
    if is_uri(text):
        return str(SipUri.parse(text, transports))
    if text[:4].lower() == "tel:":
        text = text[4:]
    if SEPARATED.fullmatch(text):
        text = re.sub(r"[^0-9+]", "", text)
    if not NUMBER.fullmatch(text):
        raise NumberError("expected a telephone number or a SIP URI")
    return normalized(text, country)


@lru_cache(maxsize=4096)
def normalized(number: str, country: str) -> str:
    """E.164 when it can be told, else the number as it stands; `country` is a region of two letters."""
    if number.startswith("+"):
        return number
    if country == "US":
        for pattern, prefix in AMERICAN:
            if found := pattern.fullmatch(number):
                return prefix + found[1]
        return number
    if not (number.isascii() and number.isdigit()):
        return number
    try:
        parsed = phonenumbers.parse(number, country)
    except NumberParseException:
        return number
    abroad = parsed.country_code != phonenumbers.country_code_for_region(country)
    if phonenumbers.is_valid_number(parsed) or (abroad and phonenumbers.is_possible_number(parsed)):
        return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
    return number


@lru_cache(maxsize=4096)
def formatted(number: str, form: str, country: str) -> str:
    """An E.164 number as somebody in `country` wants it written; any other stays as it is.

    `form`: `plus` +390612345678, `e164` 390612345678, `national` as it is dialled there (0612345678, abroad 00…), or "".
    """
    if not form or not (number.startswith("+") and number[1:].isdecimal() and number.isascii()):
        return number
    if form != "national":
        return number if form == "plus" else number[1:]
    try:
        parsed = phonenumbers.parse(number, None)
    except NumberParseException:
        return number
    if parsed.country_code == phonenumbers.country_code_for_region(country):
        text = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.NATIONAL)
    else:
        text = phonenumbers.format_out_of_country_calling_number(parsed, country)
    return re.sub(r"[^0-9]", "", text)


class Destinations(msgspec.Struct, frozen=True):
    """Which telephone numbers may be called through a trunk."""

    country: str
    """Where we are: whose national and emergency numbers these are."""
    countries: tuple[str, ...]
    """Regions of two letters that may be called; `*`: all."""
    premium: bool = False

    def refusal(self, number: str) -> str | None:
        """Why this number, as `dialled` gave it, may not be called; None: it may."""
        return refusal(number, self.country, self.countries, self.premium)

    def hazard(self, digits: str) -> str | None:
        """Why a trunk may not be asked to dial these digits, whatever they begin with; None: they are harmless."""
        return hazard(digits, self.country, self.premium)

    def is_emergency(self, number: str) -> bool:
        """Whether this reaches, or may reach, an emergency service."""
        return is_emergency(number, self.country)


@lru_cache(maxsize=4096)
def is_emergency(number: str, country: str) -> bool:
    """112 and 911 are that everywhere; the rest by the country's own list, with and without its country code."""
    digits = number.removeprefix("+")
    own_code = str(phonenumbers.country_code_for_region(country))
    for candidate in {digits, digits.removeprefix(own_code)}:
        if candidate in {"112", "911"} or shortnumberinfo.is_emergency_number(candidate, country):
            return True
    return not number.startswith("+") and shortnumberinfo.connects_to_emergency_number(number, country)


@lru_cache(maxsize=4096)
def hazard(digits: str, country: str, premium: bool) -> str | None:
    """See `Destinations.hazard`."""
    number = normalized(digits, country)
    if is_emergency(digits, country) or is_emergency(number, country):
        return f"{digits} is an emergency number; those cannot be called from here"
    try:
        is_premium = phonenumbers.number_type(phonenumbers.parse(number, country)) == PhoneNumberType.PREMIUM_RATE
    except NumberParseException:
        is_premium = False
    if is_premium and not premium:
        return f"{digits} is a premium-rate number; [calls] allow_premium does not allow those"
    return None


@lru_cache(maxsize=4096)
def refusal(number: str, country: str, countries: tuple[str, ...], premium: bool) -> str | None:
    """See `Destinations.refusal`."""
    if is_emergency(number, country):
        return "emergency numbers cannot be called from here"
    if not re.fullmatch(r"\+?[0-9]+", number):
        return f"{number} is not a telephone number, and no extension of this account"
    if not number.startswith("+"):
        return local_refusal(number, country, countries, premium)
    try:
        parsed = phonenumbers.parse(number, None)
    except NumberParseException:
        return f"{number} has no known country code"
    if not premium and (
        parsed.country_code in WORLDWIDE_EXPENSIVE or phonenumbers.number_type(parsed) == PhoneNumberType.PREMIUM_RATE
    ):
        return f"{number} is a premium-rate or satellite number; [calls] allow_premium does not allow those"
    if "*" in countries:
        return None
    region = phonenumbers.region_code_for_number(parsed)
    regions = [region] if region else phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(parsed.country_code or 0, ())
    if not set(regions) & set(countries):
        where = " or ".join(regions) or "an unknown country"
        return f"{number} is in {where}; [calls] countries allows {', '.join(countries)}"
    return None


def local_refusal(number: str, country: str, countries: tuple[str, ...], premium: bool) -> str | None:
    """Why a number that is not E.164 may not go to a trunk: what it costs, and where it leads, must be known."""
    if len(number) > SHORT:
        return None if "*" in countries else f"{number} is no number of {country}; give it with + and country code"
    short = phonenumbers.PhoneNumber(
        country_code=phonenumbers.country_code_for_region(country), national_number=int(number)
    )
    cost = shortnumberinfo.expected_cost_for_region(short, country)
    if not premium and cost == shortnumberinfo.ShortNumberCost.PREMIUM_RATE:
        return f"{number} is a premium-rate number; [calls] allow_premium does not allow those"
    return None
