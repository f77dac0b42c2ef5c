"""How it stands with trunks: what the engine is asked to do, and who is told what."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from c2c_b2bua.config_file import parse
from c2c_b2bua.registration.registration import Identity
from c2c_b2bua.registration.trunk import TrunkChanged, TrunkOrder
from c2c_b2bua.service.exchange import Exchange
from c2c_b2bua.service.trunk_watch import order_of, shown, state_of
from c2c_b2bua.service.trunks import Trunk
from tests.api.conftest import SETTINGS, Api
from tests.api.conftest import api as api  # a fixture
from tests.api.scripted_engine import ScriptedEngine

NOW = 1_800_000_000.0


def trunk(settings: str) -> Trunk:
    text = f'[[trunk]]\nname = "t"\nproxy = "sip:carrier.example:5080;transport=tcp"\n{settings}'
    return Trunk(parse(text, "test.toml", lambda reference: reference).trunk[0], "US")


def test_a_trunk_of_which_nothing_is_asked() -> None:
    assert order_of(trunk("")) is None
    assert (state_of(trunk("")), trunk("").is_up) == ("unknown", True)


PROXY = "sip:carrier.example:5080;transport=tcp"


@pytest.mark.parametrize(
    ("settings", "from_uri", "identity", "interval"),
    [
        ("options_interval = 30", "sip:c2c@carrier.example", None, 30.0),
        ('options_interval = 30\nfrom_user = "acme"\nfrom_host = "a.example"', "sip:acme@a.example", None, 30.0),
        (
            'register = true\nusername = "u 1"\npassword = "p"',
            "sip:u%201@carrier.example",
            Identity(user="u%201", domain="carrier.example", registrar=PROXY, username="u 1", password="p"),
            0.0,
        ),
        (
            'register = true\nusername = "u"\nregistrar = "sip:r.example"\nfrom_host = "a.example"\n'
            "register_expires = 600",
            "sip:u@a.example",
            Identity(user="u", domain="a.example", registrar="sip:r.example", username="u", expires=600),
            0.0,
        ),
    ],
)
def test_what_the_engine_is_asked_to_do(
    settings: str, from_uri: str, identity: Identity | None, interval: float
) -> None:
    expected = TrunkOrder(trunk="t", proxy=PROXY, from_uri=from_uri, identity=identity, options_interval=interval)
    assert order_of(trunk(settings)) == expected


@pytest.mark.parametrize(
    ("is_registered", "is_there", "state", "is_up"),
    [
        (None, None, "unknown", True),
        (None, True, "up", True),
        (None, False, "down", False),
        (True, None, "registered", True),
        (True, False, "down", False),
        (False, None, "not registered", False),
        (False, True, "not registered", False),
    ],
)
def test_in_one_word(is_registered: bool | None, is_there: bool | None, state: str, is_up: bool) -> None:
    found = trunk("")
    found.status = TrunkChanged("t", NOW, is_registered, is_there)
    assert (state_of(found), found.is_up) == (state, is_up)


@pytest.fixture
def settings_text() -> str:
    return SETTINGS + 'register = true\nhotlines = ["+14155550199"]\ncalls_per_second = 2\n'


async def test_every_change_is_one_line_of_the_log(exchange: Exchange, engine: ScriptedEngine) -> None:
    (order,) = engine.trunk_orders
    assert (order.trunk, order.identity and order.identity.username) == ("carrier", "u")
    (carrier,) = exchange.calls.routes.trunks
    with capture_logs() as lines:
        engine.trunk_listener(TrunkChanged("carrier", NOW, False, None, "registering"))
        engine.trunk_listener(TrunkChanged("carrier", NOW + 1, True, None, "", NOW + 3600))
        engine.trunk_listener(TrunkChanged("carrier", NOW + 2, True, None, "", NOW + 7200))
        engine.trunk_listener(TrunkChanged("carrier", NOW + 3, False, None, "REGISTER: 403 Forbidden", None, NOW + 9))
    assert [(line["log_level"], line["event"], line["reason"]) for line in lines] == [
        ("warning", "trunk not registered", "registering"),
        ("info", "trunk registered", None),
        ("warning", "trunk not registered", "REGISTER: 403 Forbidden"),
    ]
    assert lines[-1]["again_at"] == "2027-01-15T08:00:09.000Z"
    assert not carrier.is_up
    carrier.pace.paused_until = NOW + 60
    assert shown(carrier, 1, NOW) == {
        "id": "carrier",
        "name": "carrier",
        "priority": 1,
        "proxy": "sip:sip.carrier.example:5080;transport=tcp",
        "state": "not registered",
        "available": False,
        "reason": "REGISTER: 403 Forbidden",
        "since": "2027-01-15T08:00:03.000Z",
        "registered": False,
        "registered_until": None,
        "next_try": "2027-01-15T08:00:09.000Z",
        "answers_options": None,
        "calls": 0,
        "max_calls": 0,
        "calls_per_second": 2.0,
        "paused_until": "2027-01-15T08:01:00.000Z",
        "hotlines": ["+14155550199"],
    }


async def test_metrics(api: Api) -> None:
    response, _ = await api.call("GET", "/metrics")
    assert 'c2c_trunk_up{state="unknown",trunk="carrier"} 1.0' in await response.text()
    api.engine.trunk_listener(TrunkChanged("carrier", NOW, None, False, "no answer to OPTIONS"))
    response, _ = await api.call("GET", "/metrics")
    assert 'c2c_trunk_up{state="down",trunk="carrier"} 0.0' in await response.text()
