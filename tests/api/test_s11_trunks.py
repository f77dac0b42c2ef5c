"""How it stands with the carriers: all of it for whoever may act on every account, what a call needs for the others."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import ClientResponse

from c2c_b2bua.registration.trunk import TrunkChanged
from c2c_b2bua.service.trunks import Trunk
from tests.api.conftest import CHILD, SETTINGS, STRANGER, STRANGER_KEY, A, Api
from tests.api.described import Judge

NOW = 1_800_000_000.0
TRUNK = 'max_calls = 2\nhotlines = ["+14155550199"]\nregister = true\n'
BELOW_ACME = f'name = "stranger"\nparent = "{A}"'
FLAT = SETTINGS + TRUNK
TREE = FLAT.replace('name = "stranger"', BELOW_ACME)
SUMMARY = {"id": "carrier", "name": "carrier", "state": "registered", "available": True}


@pytest.fixture
def settings_text() -> str:
    return FLAT


@pytest.fixture
def carrier(api: Api) -> Trunk:
    """The trunk, registered."""
    api.engine.trunk_listener(TrunkChanged("carrier", NOW, True, None, "", NOW + 3600))
    (found,) = api.exchange.calls.routes.trunks
    return found


async def listed(api: Api, account: str = A, **options: Any) -> Any:
    """The trunks as this account is shown them, as they are described."""
    path = f"/v2/accounts/{account}/trunks"
    response, body = await api.call("GET", path, **options)
    assert response.status == 200, body
    Judge().hold("GET", path, 200, response.content_type, await response.read())
    return body["data"]


async def stranger(api: Api) -> str:
    """A token of the other account."""
    _, body = await api.call("PUT", "/v2/api_auth", {"api_key": STRANGER_KEY})
    return str(body["auth_token"])


@pytest.mark.usefixtures("carrier")
async def test_whoever_may_not_act_on_all_accounts_sees_what_a_call_needs(api: Api) -> None:
    assert await listed(api) == await listed(api, CHILD) == [SUMMARY]
    assert await listed(api, STRANGER, token=await stranger(api)) == [SUMMARY]


@pytest.mark.parametrize("settings_text", [TREE], ids=["tree"])
@pytest.mark.usefixtures("carrier")
async def test_whoever_may_act_on_all_accounts_sees_all(api: Api) -> None:
    (found,) = await listed(api)
    assert found.items() >= SUMMARY.items()
    assert (found["proxy"], found["registered_until"], found["hotlines"]) == (
        "sip:sip.carrier.example:5080;transport=tcp",
        "2027-01-15T09:00:00.000Z",
        ["+14155550199"],
    )
    assert "password" not in found and "username" not in found
    assert await listed(api, STRANGER) == [found], "it is who asks that counts"
    assert await listed(api, STRANGER, token=await stranger(api)) == [SUMMARY]


async def test_available_is_what_takes_a_call_now(api: Api, carrier: Trunk) -> None:
    async def available() -> bool:
        (found,) = await listed(api)
        return bool(found["available"])

    now = api.exchange.engine.now()
    carrier.take(now)
    assert await available()
    carrier.take(now)
    assert not await available()
    carrier.release()
    assert await available()
    carrier.pace.refused(now, 60.0)
    assert not await available()
    carrier.pace.paused_until = 0.0
    api.engine.trunk_listener(TrunkChanged("carrier", NOW, False, None, "REGISTER: 403 Forbidden"))
    assert not await available()


@pytest.mark.usefixtures("carrier")
async def test_nothing_is_found_out_by_filters(api: Api) -> None:
    _, body = await api.call("GET", f"/v2/accounts/{A}/trunks?has_key=proxy")
    assert body["data"] == []


async def csv(api: Api) -> ClientResponse:
    return (await api.call("GET", f"/v2/accounts/{A}/trunks", headers={"Accept": "text/csv"}))[0]


@pytest.mark.usefixtures("carrier")
async def test_as_csv(api: Api) -> None:
    assert (await (await csv(api)).text()).splitlines() == [
        "id,name,state,available",
        "carrier,carrier,registered,true",
    ]


@pytest.mark.parametrize("settings_text", [TREE], ids=["tree"])
async def test_all_as_csv(api: Api) -> None:
    assert (await (await csv(api)).text()).startswith("id,priority,state,reason,since,")


async def test_a_token_is_needed(api: Api) -> None:
    response, _ = await api.call("GET", f"/v2/accounts/{A}/trunks", token=None)
    assert response.status == 401
