"""What a trunk is told of the caller: exactly what its profile says, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from c2c_b2bua.config import Config
from c2c_b2bua.config_file import ConfigError, parse
from c2c_b2bua.dialog.invitation import compose_invite
from c2c_b2bua.dialog.party import Party
from c2c_b2bua.service.exchange import Exchange
from c2c_b2bua.service.identity import as_user
from c2c_b2bua.service.trunks import Trunk
from c2c_b2bua.sip.fields import NameAddr
from tests.api.conftest import SETTINGS
from tests.api.scripted_engine import ScriptedEngine
from tests.service.test_calls import made, request

CALLER = "+14155550111"
SAID = ("From", "P-Asserted-Identity", "P-Preferred-Identity", "Remote-Party-ID", "Privacy", "Diversion")
AT = "@carrier.example>"


def config(profile: str, country: str = "US") -> Config:
    trunk = '[[trunk]]\nname = "t"\nproxy = "sip:carrier.example:5080"\n'
    return parse(f'[numbers]\ncountry = "{country}"\n{trunk}{profile}', "test.toml", lambda reference: reference)


def trunk(profile: str, country: str = "US") -> Trunk:
    return Trunk(config(profile, country).trunk[0], country)


def said(profile: str, number: str = CALLER, name: str = "Sales") -> dict[str, str]:
    """What the INVITE says of the caller, header by header."""
    identity = trunk(profile).present(number, name)
    party = Party(target="", uri="sip:x@carrier.example", **identity_fields(identity))
    invite = compose_invite(party, "call", "tag")
    return {name: value.removesuffix(";tag=tag") for name in SAID for value in invite.headers.get(name, [])}


def identity_fields(identity: object) -> dict[str, object]:
    return {name: getattr(identity, name) for name in ("from_uri", "from_name", "headers")}


FROM = f'"Sales" <sip:{CALLER}{AT}'
HIDDEN = '"Anonymous" <sip:anonymous@anonymous.invalid>'
PROFILES = [
    ("", {"From": FROM}),
    ('from_user = "acme"', {"From": f'"Sales" <sip:acme{AT}'}),
    ('from_host = "acme.example"', {"From": f'"Sales" <sip:{CALLER}@acme.example>'}),
    ('from_name = "ACME"', {"From": f'"ACME" <sip:{CALLER}{AT}'}),
    ("from_name = false", {"From": f"<sip:{CALLER}{AT}"}),
    ('identity = "pai"', {"From": FROM, "P-Asserted-Identity": FROM}),
    ('identity = "ppi"', {"From": FROM, "P-Preferred-Identity": FROM}),
    ('identity = "rpid"', {"From": FROM, "Remote-Party-ID": f"{FROM};party=calling;screen=yes;privacy=off"}),
    (
        'from_user = "acme"\nidentity = "pai"\nprivacy = "id"',
        {"From": f'"Sales" <sip:acme{AT}', "P-Asserted-Identity": FROM, "Privacy": "id"},
    ),
    ('identity = "pai"\nprivacy = "id"', {"From": HIDDEN, "P-Asserted-Identity": FROM, "Privacy": "id"}),
    ('privacy = "header; user"', {"From": HIDDEN, "Privacy": "header;user"}),
    ('privacy = "none"', {"From": FROM, "Privacy": "none"}),
    ('privacy = "session;critical"', {"From": FROM, "Privacy": "session;critical"}),
    (
        'identity = "rpid"\nprivacy = "id"',
        {"From": HIDDEN, "Remote-Party-ID": f"{FROM};party=calling;screen=yes;privacy=full", "Privacy": "id"},
    ),
    ('diversion = "4155550100"', {"From": FROM, "Diversion": f"<sip:4155550100{AT};reason=unconditional"}),
    (
        'hotlines = ["14155550199"]\nidentity = "pai"\nfrom_user = "acme"',
        {"From": f'"Sales" <sip:acme{AT}', "P-Asserted-Identity": f'"Sales" <sip:14155550199{AT}'},
    ),
]


@pytest.mark.parametrize(("profile", "expected"), PROFILES, ids=[profile or "nothing" for profile, _ in PROFILES])
def test_what_a_profile_says(profile: str, expected: dict[str, str]) -> None:
    assert said(profile) == expected


def test_a_caller_without_a_name() -> None:
    assert said('identity = "pai"', name="") == {
        "From": f"<sip:{CALLER}{AT}",
        "P-Asserted-Identity": f"<sip:{CALLER}{AT}",
    }


@given(st.text(), st.text(min_size=1, max_size=40))
def test_nothing_breaks_out_of_its_header(name: str, number: str) -> None:
    try:
        number.encode()
        name.encode()
    except UnicodeEncodeError:
        return
    for profile in ('identity = "pai"', 'identity = "rpid"\nprivacy = "header"'):
        for header, value in said(profile, as_user(number), name).items():
            assert not any(character in value for character in "\r\n\0"), value
            if header not in ("Privacy",):
                parsed = NameAddr.parse(value, header)
                assert parsed.uri.host in ("carrier.example", "anonymous.invalid")


@pytest.mark.parametrize(
    ("asked", "presented"),
    [
        ("+14155550199", "14155550199"),
        ("14155550199", "14155550199"),
        ("+14155550122", "+1 first"),
        ("1001", "+1 first"),
    ],
)
def test_only_hotlines_are_presented(asked: str, presented: str) -> None:
    hotlines = 'hotlines = ["+14155550177", "14155550199"]'
    assert trunk(hotlines).caller(asked) == presented.replace("+1 first", "+14155550177")


# ── numbers ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("country", "rules", "number", "dialled"),
    [
        ("IT", "", "+390612345678", "+390612345678"),
        ("IT", 'number_format = "plus"', "+390612345678", "+390612345678"),
        ("IT", 'number_format = "e164"', "+390612345678", "390612345678"),
        ("IT", 'number_format = "national"', "+390612345678", "0612345678"),
        ("IT", 'number_format = "national"', "+442079460000", "00442079460000"),
        ("GB", 'number_format = "national"', "+442079460000", "02079460000"),
        ("US", 'number_format = "national"', "+14155550100", "4155550100"),
        ("US", 'number_format = "national"', "+442079460000", "011442079460000"),
        ("US", 'number_format = "national"', "+999123", "+999123"),
        ("US", 'number_format = "e164"', "600", "600"),
        ("US", 'number_format = "e164"\nprefix_add = "9"', "+14155550100", "914155550100"),
        ("US", 'prefix_strip = "+1"', "+14155550100", "4155550100"),
        ("US", 'prefix_strip = "+1"\nprefix_add = "001"', "+14155550100", "0014155550100"),
        ("US", 'prefix_strip = "+1"\nprefix_add = "#31#"', "+442079460000", "#31#+442079460000"),
        ("US", 'rewrite = [{match = "^\\\\+1(.*)", replace = "01\\\\1"}]', "+14155550100", "014155550100"),
        ("US", 'rewrite = [{match = "^\\\\+1", replace = "01"}]', "+14155550100", "014155550100"),
        (
            "US",
            'rewrite = [{match = "^600$", replace = "*98"}, {match = "^\\\\+", replace = "00"}]',
            "600",
            "*98",
        ),
        (
            "US",
            'rewrite = [{match = "^600$", replace = "*98"}, {match = "^\\\\+", replace = "00"}]',
            "+14155550100",
            "0014155550100",
        ),
        ("US", 'rewrite = [{match = "^7", replace = ""}]', "+14155550100", "+14155550100"),
        ("US", 'number_format = "e164"\nrewrite = [{match = "^1415", replace = "0"}]', "+14155550100", "05550100"),
    ],
)
def test_what_a_trunk_is_asked_to_dial(country: str, rules: str, number: str, dialled: str) -> None:
    assert trunk(rules, country).dialled(number) == dialled


@pytest.mark.parametrize(
    ("rules", "caller"),
    [
        ('number_format = "e164"', "14155550111"),
        ('number_format = "national"', "4155550111"),
        ('number_format = "plus"\nhotlines = ["4155550111"]', "+14155550111"),
        ('hotlines = ["4155550111"]', "4155550111"),
        ('prefix_strip = "+1"\nprefix_add = "9"', "+14155550111"),
    ],
)
def test_the_caller_id_has_the_same_format_and_no_prefix(rules: str, caller: str) -> None:
    assert trunk(rules).caller(CALLER) == caller


# ── what cannot be meant ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("profile", "complaint"),
    [
        ('from_host = "a b"', 'trunk[0].from_host: expected a host such as "carrier.example", got "a b"'),
        ("from_name = true", "trunk[0].from_name: expected a name, or false for none"),
        (
            'from_name = "a\\r\\nVia: x"',
            "trunk[0].from_name: expected at most 64 characters, and no control characters",
        ),
        ('identity = "p"', "trunk[0].identity: invalid enum value 'p'; expected none or pai or ppi or rpid"),
        (
            'privacy = "ids"',
            'trunk[0].privacy: unknown word "ids"; known are header, session, user, id, none, critical',
        ),
        ('privacy = "id;id"', "trunk[0].privacy: the same word twice"),
        ('privacy = "critical"', 'trunk[0].privacy: "critical" needs another word'),
        ('privacy = "id;none"', 'trunk[0].privacy: "critical" needs another word, and "none" stands alone'),
        ('diversion = "sip:x@y"', 'trunk[0].diversion: expected a number or a user name, got "sip:x@y"'),
        (
            'number_format = "x"',
            "trunk[0].number_format: invalid enum value 'x'; expected \"\" or e164 or national or plus",
        ),
        ('prefix_add = "abc"', 'trunk[0].prefix_add: expected digits, "*", "#", perhaps after a "+", got "abc"'),
        ('prefix_add = "0"\nrewrite = [{match = "x", replace = "0"}]', "trunk[0].rewrite: expected either rules or"),
        ('rewrite = [{match = "(", replace = "0"}]', "trunk[0].rewrite[0].match: not a pattern: missing )"),
        (
            'rewrite = [{match = "1", replace = "a"}]',
            'trunk[0].rewrite[0].replace: expected digits, "*", "#" and groups',
        ),
        ('rewrite = [{match = "(1)", replace = "\\\\2"}]', 'trunk[0].rewrite[0].replace: "(1)" has only 1 groups'),
        ('rewrite = [{match = "1"}]', "trunk[0].rewrite[0].replace: missing"),
        ('rewrite = [{match = "1", with = "2"}]', "trunk[0].rewrite[0].with: unknown key; known are match, replace"),
    ],
)
def test_what_is_no_profile(profile: str, complaint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config(profile)
    assert complaint in str(caught.value)


# ── in calls ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def settings_text() -> str:
    return SETTINGS + 'identity = "pai"\ndiversion = "600"\nnumber_format = "e164"\nprefix_add = "9"\n'


async def test_in_a_call(exchange: Exchange, engine: ScriptedEngine) -> None:
    headers = {"Diversion": "<sip:x@y>", "X-Campaign": "7"}
    document = await made(exchange, caller_id_number="+14155550111", custom_sip_headers=headers)
    await exchange.calls.connect(await request(exchange, document))
    b = engine.orders[0].b
    assert b.uri == "sip:914155550100@sip.carrier.example:5080"
    assert b.headers == (
        ("X-Campaign", "7"),
        ("P-Asserted-Identity", '"1001" <sip:1001@sip.carrier.example>'),
        ("Diversion", "<sip:600@sip.carrier.example>;reason=unconditional"),
    )
    assert engine.orders[0].a.headers[0] == ("Diversion", "<sip:x@y>"), "an extension has no profile"


async def test_after_the_prefix_of_a_request_the_number_stands_as_it_was_given(
    exchange: Exchange, engine: ScriptedEngine
) -> None:
    document = await made(exchange)
    await exchange.calls.connect(await request(exchange, document, contact="(415) 555-0100", prefix="0"))
    assert engine.orders[0].b.uri == "sip:04155550100@sip.carrier.example:5080"
