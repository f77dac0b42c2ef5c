"""Kazoo's `registrations`: which phones of the account are registered, where, and for how long."""

from __future__ import annotations

import time
from typing import Any

import msgspec
import pytest

from api.openapi.kazoo_registrations import KazooRegistration
from c2c_b2bua.registration.binding import Binding
from c2c_b2bua.sip.flow import Flow, Interface
from tests.api.conftest import CHILD, SETTINGS, A, Api
from tests.api.scripted_engine import ScriptedEngine

PATH = f"/v2/accounts/{A}/registrations"
UDP = Interface("UDP", "192.0.2.1", 5060)
NOW = float(int(time.time()))
"""The token of the client is of now."""


@pytest.fixture
def settings_text() -> str:
    second = '[[account.user]]\n  username = "second"\n  password = "x"\n  extension = "1010"\n'
    return SETTINGS.replace("[[account.extension]]", f"{second}  [[account.extension]]", 1)


def binding(number: int, extension: str = "1009", **fields: Any) -> Binding:
    values: dict[str, Any] = {
        "id": f"{number:016x}",
        "aor": f"{extension}@acme.example.com",
        "uri": f"sip:{extension}@192.168.1.{number}",
        "call_id": "desk",
        "sequence": 7,
        "registered_at": NOW - 100,
        "refreshed_at": NOW - 60,
        "expires_at": NOW + 300,
        "user_agent": "Yealink",
        "transport": "UDP",
        "flow": Flow(UDP, "203.0.113.5", 40000 + number),
    }
    return Binding(**values | fields)


async def test_nobody_is_registered(api: Api) -> None:
    response, body = await api.call("GET", PATH)
    assert (response.status, body["data"]) == (200, [])


async def test_who_is_registered(api: Api, engine: ScriptedEngine) -> None:
    engine.clock = NOW
    engine.bind(binding(1))
    engine.bind(binding(2, flow=None, path=("<sip:edge.example.com;lr>",), is_lost=False))
    engine.bind(binding(3, "1010", is_lost=True))
    engine.bind(binding(4, "1010", expires_at=NOW))
    _, body = await api.call("GET", f"{PATH}?ascending=true")
    found = body["data"]
    assert [(item["username"], item["contact"]) for item in found] == [
        ("1009", "sip:1009@192.168.1.1"), ("1009", "sip:1009@192.168.1.2"), ("1010", "sip:1010@192.168.1.3"),
    ]  # fmt: skip
    assert [item["reachable"] for item in found] == [True, True, False]
    assert [item["network_ip"] for item in found] == ["203.0.113.5", "", "203.0.113.5"]
    assert (found[0]["expires"], found[0]["event_timestamp"]) == (300, 62_167_219_200 + int(NOW) - 60)
    _, devices = await api.call("GET", f"/v2/accounts/{A}/devices?filter_username=1009")
    assert found[0]["authorizing_id"] == devices["data"][0]["id"]


async def test_shown_as_described(api: Api, engine: ScriptedEngine) -> None:
    engine.clock = NOW
    engine.bind(binding(1))
    engine.bind(binding(2, flow=None, path=("<sip:edge.example.com;lr>",), q=0.5))
    _, body = await api.call("GET", PATH)
    assert len(body["data"]) == 2
    for item in body["data"]:
        msgspec.convert(item, KazooRegistration)
        assert set(item) == set(KazooRegistration.__struct_fields__)


async def test_filtered_and_as_csv(api: Api, engine: ScriptedEngine) -> None:
    engine.clock = NOW
    engine.bind(binding(1))
    engine.bind(binding(3, "1010"))
    _, body = await api.call("GET", f"{PATH}?filter_username=1010")
    assert [item["username"] for item in body["data"]] == ["1010"]
    response, _ = await api.call("GET", f"{PATH}?accept=csv")
    lines = (await response.text()).splitlines()
    assert lines[0].split(",")[:3] == ["username", "realm", "contact"]
    assert len(lines) == 3


async def test_each_account_sees_its_own(api: Api, engine: ScriptedEngine) -> None:
    engine.clock = NOW
    engine.bind(binding(1))
    _, body = await api.call("GET", f"/v2/accounts/{CHILD}/registrations")
    assert body["data"] == []


@pytest.mark.parametrize("verb", ["PUT", "POST", "PATCH", "DELETE"])
async def test_read_only(api: Api, verb: str) -> None:
    response, _ = await api.call(verb, PATH)
    assert response.status == 405


async def test_counted(api: Api, engine: ScriptedEngine) -> None:
    engine.clock = NOW
    engine.bind(binding(1))
    response, _ = await api.call("GET", "/metrics")
    lines = (await response.text()).splitlines()
    assert "c2c_registrations_active 1.0" in lines
    assert 'c2c_registrations_total{what="bound"} 1.0' in lines
