"""§15 of the API description: paths, methods, bodies and limits of OMICall's door."""

from __future__ import annotations

import pytest

from tests.api.conftest import KEY, Api
from tests.api.omicall_client import CUSTOMER, HOTLINE, OMICALL, Omicall


@pytest.fixture
def settings_text() -> str:
    return OMICALL


@pytest.fixture
async def omicall(api: Api) -> Omicall:
    made = Omicall(api)
    made.engine.then = lambda engine, call_id: engine.ring(call_id)
    await made.log_in()
    return made


@pytest.mark.parametrize("path", ["", "x", "click2call/x", "calls/a/b", "call_transaction", "calls/*/x", "*", "auth/*"])
async def test_15_a_path_that_leads_nowhere(omicall: Omicall, path: str) -> None:
    for verb in ("GET", "POST"):
        response, body = await omicall.ask(verb, path, token=None)
        assert (response.status, body["status_code"], body["payload"]) == (404, -9999, None)
        assert body["message"].startswith("path_not_found: ")


@pytest.mark.parametrize("path", ["/api//click2call", "/api/click2call/", "//api/click2call"])
async def test_15_slashes_too_many_are_ignored(omicall: Omicall, path: str) -> None:
    url = f"{omicall.api.base}{path}"
    fields = {"extension": "100", "hotline": HOTLINE, "phone_number": CUSTOMER}
    async with omicall.api.session.post(url, json=fields, headers={"x-api-key": KEY}) as response:
        assert (await response.json())["status_code"] == 9999


@pytest.mark.parametrize(
    ("verb", "path", "allowed"),
    [
        ("POST", "auth", "GET, OPTIONS"),
        ("GET", "click2call", "POST, OPTIONS"),
        ("PUT", "click2call", "POST, OPTIONS"),
        ("DELETE", "calls", "GET, OPTIONS"),
        ("PATCH", "calls/x", "GET, DELETE, OPTIONS"),
        ("PROPFIND", "webhooks/list", "GET, OPTIONS"),
    ],
)
async def test_15_a_method_that_is_not_meant(omicall: Omicall, verb: str, path: str, allowed: str) -> None:
    response, body = await omicall.ask(verb, path)
    assert (response.status, response.headers["Allow"]) == (405, allowed)
    assert body["message"].startswith("method_not_allowed: expected ")


@pytest.mark.parametrize("kind", ["application/xml", "text/csv", "image/png"])
async def test_15_a_content_type_that_is_not_meant(omicall: Omicall, kind: str) -> None:
    response, body = await omicall.ask("POST", "click2call", data=b"{}", headers={"Content-Type": kind})
    assert (response.status, body["status_code"]) == (415, -9999)
    assert body["message"].startswith("content_type_invalid: expected application/json")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"{", "request_body_invalid: not JSON"),
        (b"nonsense", "request_body_invalid: not JSON"),
        (b"[]", "request_body_invalid: expected an object"),
        (b'"x"', "request_body_invalid: expected an object"),
        (b"null", "request_body_invalid: expected an object"),
        (b'{"extension":"\xff"}', "request_body_invalid: not JSON"),
        (b'{"extension":"\\ud800"}', "request_body_invalid: not JSON"),
        (b'{"extension":"1","extension":"2"}', "request_body_invalid: the key 'extension' is there twice"),
        (b'{"a":' * 100 + b"1" + b"}" * 100, "request_body_invalid: nested too deep"),
        (b"[" * 100_000, "request_body_invalid: "),
    ],
)
async def test_15_a_body_that_is_none(omicall: Omicall, text: bytes, message: str) -> None:
    for path in ("click2call", "webhooks/register", "webhooks/destroy"):
        response, body = await omicall.ask("POST", path, data=text, headers={"Content-Type": "application/json"})
        assert (response.status, body["status_code"], body["payload"]) == (200, -9999, None)
        assert body["message"].startswith(message)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (b"extension=1&extension=2", "application/x-www-form-urlencoded"),
        (b"extension=%FF", "application/x-www-form-urlencoded"),
        (b"extension=\xff", "application/x-www-form-urlencoded"),
        (b"a=1&" * 2000, "application/x-www-form-urlencoded"),
        (b"--x\r\nnonsense", "multipart/form-data; boundary=x"),
        (b"--x\r\nnonsense", "multipart/form-data"),
    ],
)
async def test_15_a_form_that_is_none(omicall: Omicall, text: bytes, kind: str) -> None:
    response, body = await omicall.ask("POST", "click2call", data=text, headers={"Content-Type": kind})
    assert (response.status, body["status_code"]) == (200, -9999)
    assert body["message"].startswith("request_body_invalid: ")


class TestTooLong:
    @pytest.fixture
    def settings_text(self) -> str:
        return OMICALL.replace("[calls]", "[api]\nmax_body = 1024\n[calls]")

    async def test_15_a_body_that_is_too_long(self, omicall: Omicall) -> None:
        response, body = await omicall.call(metadata={"x": "y" * 2000})
        assert (response.status, body["message"]) == (413, "request_body_invalid: it has more than 1024 bytes")


class TestRateLimit:
    @pytest.fixture
    def settings_text(self) -> str:
        return OMICALL.replace("[calls]", "[api]\nrate_burst = 100\nrate_per_second = 1\nrate_exempt = []\n[calls]")

    @pytest.fixture
    async def omicall(self, api: Api) -> Omicall:
        made = Omicall(api)
        made.engine.clock = made.engine.now() + 1000
        await made.log_in()
        return made

    async def test_3_5_a_client_may_ask_so_often(self, omicall: Omicall) -> None:
        for _ in range(100):
            assert (await omicall.get("calls"))[0].status == 200
        response, body = await omicall.get("calls")
        assert (response.status, response.headers["Retry-After"]) == (429, "1")
        assert (body["status_code"], body["message"]) == (-9999, "too_many_requests")

    async def test_3_5_a_log_in_costs_more(self, omicall: Omicall) -> None:
        assert (await omicall.get("auth", token=None, apiKey=KEY))[0].status == 200
        assert (await omicall.get("auth", token=None, apiKey="x"))[0].status == 429

    async def test_3_5_so_does_guessing(self, omicall: Omicall) -> None:
        statuses = [(await omicall.get("calls", token="guess"))[0].status for _ in range(66)]
        assert statuses == [401] * 65 + [429]


async def test_15_pages_of_other_origins_may_ask(omicall: Omicall) -> None:
    headers = {
        "Origin": "https://crm.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization, x-api-key, content-type",
    }
    response, _ = await omicall.ask("OPTIONS", "click2call", token=None, headers=headers)
    assert (response.status, response.headers["Access-Control-Allow-Origin"]) == (200, "*")
    assert response.headers["Access-Control-Allow-Methods"] == "POST, OPTIONS"
    allowed = response.headers["Access-Control-Allow-Headers"].split(", ")
    assert {"authorization", "x-api-key", "content-type", "idempotency-key"} <= set(allowed)
    response, _ = await omicall.ask("GET", "calls", headers={"Origin": "https://crm.example"})
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    response, _ = await omicall.ask("GET", "calls")
    assert "Access-Control-Allow-Origin" not in response.headers


async def test_15_nobody_keeps_answers(omicall: Omicall) -> None:
    response, _ = await omicall.get("auth", token=None, apiKey=KEY)
    assert response.headers["Cache-Control"] == "no-store"
