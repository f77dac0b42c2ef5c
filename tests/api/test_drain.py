"""A service that drains, at its doors: every way to make a call says so, everything else is answered as before."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp import ClientResponse

from c2c_b2bua.service.exchange import Exchange
from tests.api.conftest import KEY, SETTINGS, A, Api
from tests.api.tvox_client import PATH, Tvox, register_phones, settings_with_people

TOKEN = "a token of sixteen and more"
CALLED = "4155550100"
CLICKS = f"/v2/accounts/{A}/clicktocall"


@pytest.fixture
def settings_text() -> str:
    return settings_with_people().replace("[calls]", f'[control]\nadmin_token = "{TOKEN}"\n[calls]', 1)


async def drain(api: Api, token: str = TOKEN) -> tuple[ClientResponse, Any]:
    return await api.call("POST", "/drain", token=None, headers={"Authorization": f"Bearer {token}"})


# --- making calls ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize("verb", ["GET", "POST"])
async def test_kazoo_says_503(api: Api, version: str, verb: str) -> None:
    document = await api.create()
    api.exchange.drain()
    path = f"/{version}/accounts/{A}/clicktocall/{document}/connect?contact={CALLED}"
    response, body = await api.call(verb, path, {} if verb == "POST" else None)
    assert (response.status, response.headers["Retry-After"]) == (503, "5")
    assert (body["status"], body["error"], body["message"]) == ("error", "503", "service_unavailable")
    assert api.engine.orders == []


async def test_quickcall_says_503(api: Api) -> None:
    _, body = await api.call("GET", f"/v2/accounts/{A}/devices?filter_username=1001")
    api.exchange.drain()
    for verb in ("GET", "POST"):
        path = f"/v2/accounts/{A}/devices/{body['data'][0]['id']}/quickcall/{CALLED}"
        response, said = await api.call(verb, path)
        assert (response.status, response.headers["Retry-After"]) == (503, "5")
        assert said["message"] == "service_unavailable"
    assert api.engine.orders == []


async def test_tvox_says_so_in_json_rpc(api: Api) -> None:
    register_phones(api.exchange)
    tvox = Tvox(api)
    await tvox.log_in()
    api.exchange.drain()
    for method, called in (("dialNumber", "mrossi"), ("dialNumberByEmail", "mario.rossi@acme.example.com")):
        call = {"jsonrpc": "2.0", "id": 1, "method": method, "params": [called, CALLED, "", ""]}
        headers = {"Cookie": f"JSESSIONID={tvox.session}"}
        async with api.session.post(f"{api.base}{PATH}", json=call, headers=headers) as response:
            error = (await response.json())["error"]
        assert (response.status, response.headers["Retry-After"]) == (200, "5"), method
        assert (error["code"], error["data"]) == (-32003, {"cause": "SERVICE_UNAVAILABLE", "retry_after": 5.0})
    assert api.engine.orders == []


async def test_omicall_says_503(api: Api) -> None:
    api.exchange.drain()
    fields = {"extension": "1001", "phone_number": CALLED, "hotline": "1"}
    response, body = await api.call("POST", "/api/click2call", token=None, headers={"x-api-key": KEY}, json=fields)
    assert (response.status, response.headers["Retry-After"]) == (503, "5")
    assert (body["status_code"], body["payload"]["message"]) == (-9999, "the service is stopping")
    assert api.engine.orders == []


async def test_a_call_that_was_made_is_answered_again(api: Api) -> None:
    """Who asks a second time with the same key did not see the first answer, and must not believe that there is none."""
    document = await api.create()
    first = await api.connect(document, headers={"Idempotency-Key": "k"})
    api.exchange.drain()
    again = await api.connect(document, headers={"Idempotency-Key": "k"})
    assert (first[0].status, again[0].status) == (200, 200)
    assert again[1]["data"] == first[1]["data"]
    assert (await api.connect(document, headers={"Idempotency-Key": "other"}))[0].status == 503
    assert len(api.engine.orders) == 1


async def test_everything_else_goes_on(api: Api) -> None:
    document = await api.create()
    _, body = await api.connect(document)
    api.exchange.drain()
    call = f"{CLICKS}/{document}/calls/{body['data']['call_id']}"
    assert (await api.call("GET", call))[0].status == 200
    assert (await api.call("PATCH", f"{CLICKS}/{document}", {"name": "Sales and more"}))[0].status == 200
    assert (await api.call("GET", f"{CLICKS}/{document}/history"))[0].status == 200
    assert (await api.call("DELETE", call))[0].status == 200


# --- POST /drain ----------------------------------------------------------------------------------------------------


async def test_whoever_has_the_token_drains(api: Api) -> None:
    document = await api.create()
    _, made = await api.connect(document)
    assert (await api.call("GET", "/healthz"))[1] == {"status": "ok"}
    for _ in range(2):
        response, body = await drain(api)
        assert (response.status, body) == (202, {"status": "draining", "calls": 1})
    assert api.exchange.drained.is_set()
    assert (await api.connect(document))[0].status == 503
    response, body = await api.call("GET", "/readyz")
    assert (response.status, body) == (503, {"status": "draining"})
    response, body = await api.call("GET", "/healthz")
    assert (response.status, body) == (200, {"status": "draining", "calls": 1})
    idle = asyncio.create_task(api.exchange.calls.until_idle())
    await asyncio.sleep(0)
    assert not idle.done()
    api.engine.end(made["data"]["call_id"], "NORMAL_CLEARING", "a")
    await idle
    assert (await drain(api))[1] == {"status": "draining", "calls": 0}


@pytest.mark.parametrize("given", ["", "Bearer", f"Bearer {TOKEN}x", f"Basic {TOKEN}", "Bearer à"])
async def test_nobody_else_does(api: Api, exchange: Exchange, given: str) -> None:
    headers = {"Authorization": given} if given else {}
    response, body = await api.call("POST", "/drain", token=None, headers=headers)
    assert (response.status, response.headers["WWW-Authenticate"], body["status"]) == (401, "Bearer", "error")
    assert not exchange.drained.is_set()


async def test_an_account_is_nobody(api: Api, exchange: Exchange) -> None:
    assert (await drain(api, api.token))[0].status == 401
    assert (await drain(api, KEY))[0].status == 401
    assert (await api.call("GET", "/drain"))[0].headers["Allow"] == "POST"
    assert not exchange.drained.is_set()


class TestWithoutToken:
    @pytest.fixture
    def settings_text(self) -> str:
        return SETTINGS

    @pytest.mark.parametrize("token", ["", "x", TOKEN])
    async def test_nobody_drains(self, api: Api, exchange: Exchange, token: str) -> None:
        response, body = await drain(api, token)
        assert (response.status, body["status"]) == (403, "error")
        assert "admin_token" in body["message"]
        assert not exchange.drained.is_set()


class TestWithLimits:
    @pytest.fixture
    def settings_text(self) -> str:
        text = SETTINGS.replace("[calls]", f'[control]\nadmin_token = "{TOKEN}"\n[calls]', 1)
        return f"[api]\nrate_exempt = []\n{text}"

    async def test_guessing_is_slow(self, api: Api, exchange: Exchange) -> None:
        statuses = [(await drain(api, "a guess"))[0].status for _ in range(4)]
        assert statuses[0] == 401
        assert statuses[-1] == 429
        assert int((await drain(api))[0].headers["Retry-After"]) > 0
        assert not exchange.drained.is_set()
