"""The configuration: what is read, and what each mistake is told."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from c2c_b2bua.config import Config, Listen, Sip, nameserver
from c2c_b2bua.config_file import ConfigError, parse
from c2c_b2bua.service.settings import load

ID = "4ea1b2c3d4e5f60718293a4b5c6d7e8f"
OTHER = "5ea1b2c3d4e5f60718293a4b5c6d7e8f"
ACCOUNT = f'[[account]]\nid = "{ID}"\nname = "acme"\nrealm = "acme.example.com"\n'
SECOND = f'[[account]]\nid = "{OTHER}"\nname = "other"\nrealm = "other.example.com"\n'
TRUNK = '[[trunk]]\nname = "carrier"\nproxy = "sip:sip.carrier.example;transport=udp"\n'


def read(text: str) -> Config:
    return parse(text, "c2c.toml", lambda reference: {"env:TOKEN": "from the environment"}[reference])


def complaint(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        read(text)
    return str(caught.value)


def test_an_empty_file_is_all_defaults() -> None:
    config = read("")
    assert config.api.address() == ("127.0.0.1", 8000)
    assert config.sip.addresses() == [Listen("udp", "127.0.0.1", 5060), Listen("tcp", "127.0.0.1", 5060)]
    assert (config.api.connect_status, config.calls.ring_timeout, config.calls.grace) == (200, 30.0, 20.0)
    assert config.calls.codecs == ["PCMU", "PCMA", "telephone-event"]
    assert config.numbers.country == "US"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.0.2.53", ("192.0.2.53", 53)),
        ("127.0.0.1:5353", ("127.0.0.1", 5353)),
        ("[::1]:54", ("::1", 54)),
        ("::1", ("::1", 53)),
    ],
)
def test_nameservers(text: str, address: tuple[str, int]) -> None:
    assert nameserver(text) == address


def test_workers_have_ports_of_their_own() -> None:
    listen = ["udp:0.0.0.0:5060", "tcp:[::1]:0", "wss:0.0.0.0:443", "tls:0.0.0.0:5061"]
    sip = Sip(listen=listen, advertise="sip.example.com:15060", workers=3)
    assert sip.of_worker(2).listen == ["udp:0.0.0.0:5080", "tcp:[::1]:0", "tls:0.0.0.0:5081"]
    assert sip.of_worker(2).advertise == "sip.example.com:15080"
    assert msgspec.structs.replace(sip, advertise="sip.example.com").of_worker(1).advertise == "sip.example.com"


def test_an_ipv6_address_to_advertise_is_no_port() -> None:
    assert Sip(advertise="[2001:db8::10]").of_worker(1).advertise == "[2001:db8::10]"
    assert Sip(advertise="[2001:db8::10]:5060").of_worker(1).advertise == "[2001:db8::10]:5070"


def test_ipv6_listens_have_no_brackets_inside() -> None:
    listen = Listen.parse("tcp:[::1]:5061")
    assert listen == Listen("tcp", "::1", 5061)
    assert str(listen) == "tcp:[::1]:5061"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x = [", "c2c.toml: not TOML"),
        ("[apis]", 'c2c.toml: apis: unknown key; did you mean "api"?'),
        (TRUNK + "max_cals = 1", 'c2c.toml: trunk[0].max_cals: unknown key; did you mean "max_calls"?'),
        (TRUNK + "zzz = 1", "c2c.toml: trunk[0].zzz: unknown key; known are name, proxy"),
        (TRUNK + 'max_calls = "1"', "c2c.toml: trunk[0].max_calls: expected int, got str"),
        (TRUNK + "max_calls = -1", "c2c.toml: trunk[0].max_calls: expected int >= 0"),
        ('[[trunk]]\nname = "x"', "c2c.toml: trunk[0].proxy: missing"),
        ('[[trunk]]\nname = "x"\nproxy = "carrier"', "c2c.toml: trunk[0].proxy: expected a SIP URI"),
        (TRUNK + "register = true", "c2c.toml: trunk[0].register: expected a username to register as"),
        (TRUNK + 'registrar = "carrier"', "c2c.toml: trunk[0].registrar: expected a SIP URI"),
        (TRUNK + "register_expires = 59", "c2c.toml: trunk[0].register_expires: expected int >= 60"),
        (TRUNK + "options_interval = 0.5", "c2c.toml: trunk[0].options_interval: expected 0, or at least 1 second"),
        (TRUNK + TRUNK, 'c2c.toml: trunk[1].name: "carrier" is already that of trunk[0]'),
        (TRUNK + 'hotlines = [""]', "c2c.toml: trunk[0].hotlines[0]: expected a number"),
        ("calls = 3", "c2c.toml: calls: expected a table, got int"),
        ("[calls]\ngrace = -1", "c2c.toml: calls.grace: expected float >= 0"),
        ("[calls]\nring_timeout = 0", "c2c.toml: calls.ring_timeout: expected float > 0"),
        ("[calls]\nring_timeout = nan", "c2c.toml: calls.ring_timeout: expected float"),
        ("[calls]\nmax_duration = inf", "c2c.toml: calls.max_duration: expected float"),
        ("[calls]\nsession_expires = 89", "c2c.toml: calls.session_expires: expected 0, or 90 seconds and more"),
        ("[calls]\nsession_expires = -1", "c2c.toml: calls.session_expires: expected int >= 0"),
        ('[calls]\ncodecs = ["MP3"]', 'c2c.toml: calls.codecs[0]: unknown codec "MP3"'),
        ('[calls]\ncodecs = ["telephone-event"]', "c2c.toml: calls.codecs: expected at least one audio codec"),
        (
            '[calls]\nbridge = "conference"',
            "c2c.toml: calls.bridge: invalid enum value 'conference'; expected refer or reinvite",
        ),
        ('[calls]\ncountries = ["XX"]', "c2c.toml: calls.countries[0]: expected a country"),
        ('[numbers]\ncountry = "usa"', "c2c.toml: numbers.country: expected a country"),
        ('[api]\nlisten = "8000"', 'c2c.toml: api.listen: expected "host:port"'),
        ('[api]\nlisten = "999.0.0.1:80"', "c2c.toml: api.listen: expected an IPv4 address"),
        ("[api]\nconnect_status = 201", "c2c.toml: api.connect_status: invalid enum value 201; expected 200 or 202"),
        ('[api]\nrate_exempt = ["home"]', "c2c.toml: api.rate_exempt[0]:"),
        (
            '[webhooks]\nallowed_networks = ["10.0.0.1/8"]',
            "c2c.toml: webhooks.allowed_networks[0]: 10.0.0.1/8 has host",
        ),
        ("[webhooks]\nretries = [0]", "c2c.toml: webhooks.retries[0]: expected float > 0"),
        ("[webhooks]\nconcurrency = 0", "c2c.toml: webhooks.concurrency: expected int >= 1"),
        ("[webhooks]\nretry = 1", 'c2c.toml: webhooks.retry: unknown key; did you mean "retries"?'),
        ('[control]\nadmin_token = "secret"', "c2c.toml: control.admin_token: expected at least 16 characters"),
        ('[sip]\nlisten = ["sctp:127.0.0.1:5060"]', 'c2c.toml: sip.listen[0]: expected "udp:host:port"'),
        ('[sip]\nlisten = ["udp:127.0.0.1:99999"]', "c2c.toml: sip.listen[0]:"),
        ("[sip]\nlisten = []", "c2c.toml: sip.listen: expected at least one"),
        (
            '[sip]\nlisten = ["wss:127.0.0.1:443"]',
            'c2c.toml: sip.tls.certificate: missing; "wss:127.0.0.1:443" needs one',
        ),
        ('[sip]\nnameservers = ["dns.example"]', "c2c.toml: sip.nameservers[0]: expected an IP address"),
        ('[sip]\nnameservers = ["127.0.0.1:99999"]', "c2c.toml: sip.nameservers[0]: expected an IP address"),
        ('[sip]\nwebsocket_origins = ["example.com"]', "c2c.toml: sip.websocket_origins[0]: expected an origin"),
        ("[sip]\nworkers = 0", "c2c.toml: sip.workers: expected int >= 1"),
        ("[sip]\nworkers = 65", "c2c.toml: sip.workers: expected int <= 64"),
        (
            '[sip]\nworkers = 3\nlisten = ["udp:0.0.0.0:5060", "udp:127.0.0.1:5080"]',
            "c2c.toml: sip.workers: worker 2 would listen at udp:0.0.0.0:5080, which is taken by udp:127.0.0.1:5080 of",
        ),
        (
            '[api]\nlisten = "127.0.0.1:5070"\n[sip]\nworkers = 2',
            "c2c.toml: sip.workers: worker 1 would listen at tcp:127.0.0.1:5070, which is taken by tcp:127.0.0.1:5070 of api",
        ),
        (
            '[sip]\nworkers = 3\nlisten = ["udp:0.0.0.0:5060", "udp:0.0.0.0:5070"]',
            "c2c.toml: sip.workers: worker 1 would listen at udp:0.0.0.0:5070, which is taken by",
        ),
        (
            '[sip]\nworkers = 2\nlisten = ["udp:127.0.0.1:65530"]',
            "c2c.toml: sip.workers: worker 1 would have no port: expected",
        ),
        ('[sip]\nworkers = 2\nlisten = ["ws:127.0.0.1:80"]', "c2c.toml: sip.workers: expected a udp:, tcp: or tls:"),
        ('[sip.tls]\nkey = "x.key"', "c2c.toml: sip.tls.certificate: missing"),
        ('[sip.tls]\nclient_key = "x.key"', "c2c.toml: sip.tls.client_certificate: missing"),
        ("[sip.tls]\nrequire_client_certificate = true", "c2c.toml: sip.tls.ca: missing"),
        ("[sip.tls]\ncertificat = 1", 'c2c.toml: sip.tls.certificat: unknown key; did you mean "certificate"?'),
        ('[sip.limits]\nexempt = ["home"]', "c2c.toml: sip.limits.exempt[0]:"),
        ("[sip.limits]\nmessage = 0", "c2c.toml: sip.limits.message: expected float > 0"),
        ('[sip]\nadvertise = "a b"', "c2c.toml: sip.advertise: expected host"),
        ('[storage]\nurl = "mysql://x"', "c2c.toml: storage.url: expected sqlite:///path"),
        ('[storage]\nurl = "sqlite:///:memory:"', "c2c.toml: storage.url: expected sqlite:///path"),
        (ACCOUNT.replace(ID, "abc"), "c2c.toml: account[0].id: expected 32 lower-case hexadecimal digits"),
        (ACCOUNT + ACCOUNT.replace("acme", "b"), "c2c.toml: account[1].id:"),
        (
            ACCOUNT + SECOND.replace('"other"', '"acme"'),
            'c2c.toml: account[1].name: "acme" is already that of account[0]',
        ),
        (ACCOUNT + 'api_key = "short"', "c2c.toml: account[0].api_key: expected 64 hexadecimal digits"),
        (ACCOUNT + f'parent = "{OTHER}"', "c2c.toml: account[0].parent: unknown account"),
        (ACCOUNT + f'parent = "{ID}"', "c2c.toml: account[0].parent: is an ancestor of itself"),
        (
            ACCOUNT + f'parent = "{OTHER}"\n' + SECOND + f'parent = "{ID}"',
            "c2c.toml: account[1].parent: is an ancestor of itself",
        ),
        (ACCOUNT + 'extension = [{number = "a b", uri = "sip:x"}]', "c2c.toml: account[0].extension[0].number:"),
        (ACCOUNT + 'extension = [{number = "1", uri = "http://x"}]', "c2c.toml: account[0].extension[0].uri:"),
        (
            ACCOUNT
            + 'user = [{username = "a", password = "b", extension = "1", sip_password = "c"}]\n'
            + 'extension = [{number = "1", uri = "sip:x"}]',
            'c2c.toml: account[0].extension[0].number: "1" registers as the extension of account[0].user[0]',
        ),
    ],
)
def test_a_mistake_is_told_with_file_and_key_path(text: str, expected: str) -> None:
    assert expected in complaint(text)


def test_every_impossible_value_is_told_at_once() -> None:
    assert len(complaint('[api]\nlisten = "x"\n[numbers]\ncountry = "usa"').splitlines()) == 2


def test_a_doubled_api_key_is_not_repeated_in_the_error() -> None:
    key = f'api_key = "{"7" * 64}"\n'
    assert "7" * 64 not in complaint(ACCOUNT + key + SECOND + key)


def test_secrets_are_resolved_and_not_shown() -> None:
    config = read('[api]\ntoken_secret = "env:TOKEN"\n[storage]\nurl = "postgresql://c2c:hidden@db/c2c"')
    assert config.api.token_secret == "from the environment"
    assert "environment" not in repr(config)
    assert config.shown()["api"]["token_secret"] == "***"
    assert config.shown()["storage"]["url"] == "postgresql://c2c:***@db/c2c"


def test_the_example_is_complete_and_valid() -> None:
    """Every key there is stands in it, so that nothing is left to be found out."""
    text = Path("config.example.toml").read_text(encoding="utf-8")
    config = load("config.example.toml")
    assert config.account[0].extension[0].number == "2001"
    sections = (config.api, config.sip, config.storage, config.control, config.numbers, config.calls, config.webhooks)
    for section in (
        config,
        *sections,
        config.sip.tls,
        config.sip.limits,
        config.account[0],
        config.account[0].user[0],
        config.trunk[0],
    ):
        for key in section.__struct_fields__:
            assert key in text, key
    defaults = read("")
    assert sections == tuple(
        getattr(defaults, name) for name in ("api", "sip", "storage", "control", "numbers", "calls", "webhooks")
    )


def test_load_reads_secrets_beside_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secret.txt").write_text("abc\n")
    file = tmp_path / "c2c.toml"
    file.write_text('[api]\ntoken_secret = "file:secret.txt"')
    assert load(file).api.token_secret == "abc"
    monkeypatch.setenv("C2C_TEST_SECRET", "def")
    file.write_text('[api]\ntoken_secret = "env:C2C_TEST_SECRET"')
    assert load(file).api.token_secret == "def"


def test_load_says_what_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "c2c.toml"
    with pytest.raises(ConfigError, match=r"c2c\.toml: cannot be read: No such file"):
        load(file)
    file.write_text('[api]\ntoken_secret = "file:nowhere"')
    with pytest.raises(ConfigError, match=r"api\.token_secret: .*nowhere cannot be read"):
        load(file)
    monkeypatch.delenv("C2C_TEST_SECRET", raising=False)
    file.write_text('[api]\ntoken_secret = "env:C2C_TEST_SECRET"')
    with pytest.raises(ConfigError, match=r"api\.token_secret: .*C2C_TEST_SECRET is not set"):
        load(file)
