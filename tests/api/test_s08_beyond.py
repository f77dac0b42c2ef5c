"""What we add to §8 of the API description: dry run, metadata, calls at a time, size limits."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import quote

import pytest
from aiohttp import FormData

from tests.api.conftest import A, Api

LIST = f"/v2/accounts/{A}/clicktocall"
METADATA = {"order": 4711, "tags": ["a", "ü"], "nested": {"deep": [True, None, 1.5]}}


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize("where", ["data", "text", "query", "bare", "envelope", "form"])
async def test_8_dry_run_rings_nobody(api: Api, version: str, where: str) -> None:
    path = f"/{version}/accounts/{A}/clicktocall/{await api.create(throttle=1, max_active=1)}/connect"
    query = {"query": "?dry_run=true", "bare": "?dry_run"}.get(where, "")
    data: dict[str, Any] = {"contact": "4155550100"}
    if where in ("data", "text"):
        data["dry_run"] = True if where == "data" else "True"
    options: dict[str, Any] = {"json": {"data": data} | ({"dry_run": True} if where == "envelope" else {})}
    if where == "form":
        options = {"data": FormData({**data, "dry_run": "true"})}
    for _ in range(2):
        response, body = await api.call("POST", path + query, **options)
        assert (response.status, body["data"]["dry_run"], body["data"]["accepted"]) == (200, True, True)
    assert body["data"]["invite"].startswith("INVITE sip:1001@")
    assert (api.engine.orders, api.exchange.calls.live) == ([], {})
    _, body = await api.call("GET", path.replace("/connect", "/history"))
    assert body["data"] == []
    response, _ = await api.call("GET", f"{path}?contact=4155550100")
    assert (response.status, len(api.engine.orders)) == (200, 1)


async def test_8_dry_run_of_what_would_be_refused_is_a_200_that_says_why(api: Api) -> None:
    document = await api.create(whitelist=["^\\+44"])
    response, body = await api.call("GET", f"{LIST}/{document}/connect?contact=4155550100&dry_run=true")
    assert (response.status, body["status"], body["data"]["accepted"]) == (200, "success", False)
    verdicts = {verdict["policy"]: verdict["passed"] for verdict in body["data"]["verdicts"]}
    assert [policy for policy, passed in verdicts.items() if not passed] == ["whitelist"]
    response, body = await api.call("GET", f"{LIST}/{document}/connect?dry_run=true")
    assert (response.status, body["data"]["accepted"]) == (200, False)


async def test_8_dry_run_false_is_none(api: Api) -> None:
    document = await api.create()
    for dry_run in (False, "false", None):
        await api.call("POST", f"{LIST}/{document}/connect", {"contact": "4155550100", "dry_run": dry_run})
    assert len(api.engine.orders) == 3


@pytest.mark.parametrize("name", ["dry_run", "blocking"])
@pytest.mark.parametrize("value", ["yes", 1, 0, "", [], {}, "1"])
async def test_8_what_is_neither_true_nor_false_rings_nobody(api: Api, name: str, value: Any) -> None:
    document = await api.create()
    fields = {"contact": "4155550100", name: value}
    response, body = await api.call("POST", f"{LIST}/{document}/connect", fields)
    complaint = {"message": "Value did not match type(s): boolean", "target": "boolean", "value": value}
    assert (response.status, body["data"]) == (400, {name: {"type": complaint}})
    assert api.engine.orders == []


async def test_8_dry_run_needs_a_token_even_where_a_connect_does_not(api: Api) -> None:
    """It tells where phones and trunks are."""
    document = await api.create(auth_required=False)
    path = f"{LIST}/{document}/connect?contact=4155550100&dry_run=true"
    response, body = await api.call("GET", path, token=None)
    assert (response.status, body["message"]) == (401, "invalid_credentials")
    response, _ = await api.call("GET", path)
    assert (response.status, api.engine.orders) == (200, [])


async def test_8_metadata_is_shown_wherever_the_call_is(api: Api) -> None:
    document = await api.create()
    await api.call("POST", f"{LIST}/{document}/connect", {"contact": "4155550100", "metadata": METADATA})
    call_id = api.engine.orders[0].call_id
    for path in (f"{LIST}/{document}/calls", f"{LIST}/{document}/history"):
        _, body = await api.call("GET", path)
        assert body["data"][0]["metadata"] == METADATA
    _, body = await api.call("GET", f"{LIST}/{document}/calls/{call_id}")
    assert (body["data"]["metadata"], body["data"]["state"]) == (METADATA, "dialling")
    _, body = await api.call("DELETE", f"{LIST}/{document}/calls/{call_id}")
    assert body["data"]["metadata"] == METADATA
    _, body = await api.call("GET", f"{LIST}/{document}/calls/{call_id}")
    assert (body["data"]["metadata"], body["data"]["ended_by"]) == (METADATA, "api")
    _, body = await api.call("GET", f"{LIST}/{document}/history?filter_metadata.order=4711")
    assert len(body["data"]) == 1
    _, body = await api.call("GET", f"{LIST}/{document}/history?filter_metadata.order=4712")
    assert body["data"] == []


async def test_8_metadata_is_in_the_outcome_of_a_blocking_connect(api: Api) -> None:
    api.engine.then = lambda engine, call_id: engine.end(call_id, "USER_BUSY", "a", 486)
    fields = {"contact": "4155550100", "metadata": METADATA, "blocking": True}
    _, body = await api.call("POST", f"{LIST}/{await api.create()}/connect", fields)
    assert (body["data"]["metadata"], body["data"]["cause"]) == (METADATA, "USER_BUSY")


@pytest.mark.parametrize("verb", ["GET", "POST"])
async def test_8_metadata_as_text_is_json(api: Api, verb: str) -> None:
    document = await api.create()
    path = f"{LIST}/{document}/connect"
    text = '{"order":4711}'
    if verb == "GET":
        response, _ = await api.call("GET", f"{path}?contact=4155550100&metadata={quote(text)}")
    else:
        response, _ = await api.call("POST", path, data=FormData({"contact": "4155550100", "metadata": text}))
    assert response.status == 200
    _, body = await api.call("GET", f"{LIST}/{document}/history")
    assert body["data"][0]["metadata"] == {"order": 4711}


async def test_8_metadata_cannot_pass_for_something_else(api: Api) -> None:
    """It is one member of a history item; nothing in it takes the place of another."""
    document = await api.create()
    fake = {"id": "x", "result": "success", "call_id": "y"}
    await api.call("POST", f"{LIST}/{document}/connect", {"contact": "4155550100", "metadata": fake})
    _, body = await api.call("GET", f"{LIST}/{document}/history")
    (item,) = body["data"]
    assert (item["metadata"], item["call_id"]) == (fake, api.engine.orders[0].call_id)
    assert "result" not in item


@pytest.mark.parametrize(
    ("metadata", "code"),
    [
        ("text", "type"),
        ("{", "type"),
        ('{"a":1,"a":2}', "type"),
        ("[1]", "type"),
        (["x"], "type"),
        (5, "type"),
        (True, "type"),
        ({"x": "y" * 8192}, "maxLength"),
        ({str(number): number for number in range(1000)}, "maxLength"),
    ],
)
async def test_8_metadata_that_is_refused(api: Api, metadata: Any, code: str) -> None:
    document = await api.create()
    fields = {"contact": "4155550100", "metadata": metadata}
    response, body = await api.call("POST", f"{LIST}/{document}/connect", fields)
    assert (response.status, list(body["data"]["metadata"])) == (400, [code])
    assert api.engine.orders == []


async def test_8_metadata_of_just_the_largest_size(api: Api) -> None:
    document = await api.create()
    fields = {"contact": "4155550100", "metadata": {"x": "y" * (8192 - len('{"x":""}'))}}
    response, _ = await api.call("POST", f"{LIST}/{document}/connect", fields)
    assert response.status == 200


async def test_8_a_key_with_other_metadata_is_another_request(api: Api) -> None:
    document = await api.create()
    key = {"Idempotency-Key": "order-1"}
    fields = {"contact": "4155550100", "metadata": {"a": 1}}
    path = f"{LIST}/{document}/connect"
    _, first = await api.call("POST", path, fields, headers=key)
    _, again = await api.call("POST", path, fields, headers=key)
    assert again["data"] == first["data"]
    response, _ = await api.call("POST", path, {**fields, "metadata": {"a": 2}}, headers=key)
    assert (response.status, len(api.engine.orders)) == (409, 1)


@pytest.mark.parametrize(("given", "code"), [("x", "type"), ([], "type"), ({"x": "y" * 8192}, "maxLength")])
async def test_8_2_variables_that_are_refused(api: Api, given: Any, code: str) -> None:
    fields = {"contact": "4155550100", "custom_application_vars": given}
    response, body = await api.call("POST", f"{LIST}/{await api.create()}/connect", fields)
    assert (response.status, list(body["data"]["custom_application_vars"])) == (400, [code])
    assert api.engine.orders == []


async def test_max_active_is_calls_at_a_time(api: Api) -> None:
    document = await api.create(max_active=2)
    for _ in range(2):
        assert (await api.connect(document))[0].status == 200
    response, body = await api.connect(document)
    assert (response.status, body["message"]) == (429, "too_many_requests")
    assert body["data"] == {"message": "too many active calls of this click-to-call"}
    assert int(response.headers["Retry-After"]) >= 1
    assert (await api.connect(await api.create(max_active=1)))[0].status == 200
    api.engine.bridge(api.engine.orders[0].call_id)
    assert (await api.connect(document))[0].status == 429
    api.engine.end(api.engine.orders[0].call_id, "NORMAL_CLEARING", "b")
    assert (await api.connect(document))[0].status == 200


@pytest.mark.parametrize("version", ["v1", "v2"])
async def test_max_active_in_a_race(api: Api, version: str) -> None:
    document = await api.create(max_active=2)
    path = f"/{version}/accounts/{A}/clicktocall/{document}/connect"
    answers = await asyncio.gather(*(api.call("POST", path, {"contact": "4155550100"}) for _ in range(8)))
    statuses = sorted(response.status for response, _ in answers)
    assert statuses == [200, 200, 429, 429, 429, 429, 429, 429]
    assert len(api.engine.orders) == 2


async def test_max_active_is_given_back_by_what_is_refused(api: Api) -> None:
    document = await api.create(max_active=1, whitelist=["^\\+1"])
    for contact in ("442079460000", "911", "call me", None):
        assert (await api.connect(document, contact))[0].status == 400
    assert (await api.connect(document))[0].status == 200


async def test_max_active_beside_throttle(api: Api) -> None:
    """Whichever is used up says no, and a connect that the one refuses is none for the other."""
    api.engine.clock = api.engine.now()
    document = await api.create(max_active=1, throttle=2)
    await api.connect(document)
    for _ in range(3):
        response, body = await api.connect(document)
        assert (response.status, body["data"]["message"]) == (429, "too many active calls of this click-to-call")
    api.engine.end(api.engine.orders[0].call_id, "USER_BUSY", "a", 486)
    assert (await api.connect(document))[0].status == 200
    api.engine.end(api.engine.orders[1].call_id, "USER_BUSY", "a", 486)
    response, body = await api.connect(document)
    assert (response.status, body["data"]) == (429, {"message": "too many requests"})
    assert response.headers["Retry-After"] == "30"


@pytest.mark.parametrize("limit", [0, -1])
async def test_max_active_0_is_no_limit(api: Api, limit: int) -> None:
    document = await api.create(max_active=limit)
    assert [(await api.connect(document))[0].status for _ in range(4)] == [200] * 4


async def test_calls_of_an_unknown_click_to_call(api: Api) -> None:
    for verb, path in (("GET", "calls"), ("GET", "calls/x"), ("DELETE", "calls/x")):
        response, body = await api.call(verb, f"{LIST}/{'0' * 32}/{path}")
        assert (response.status, body["message"]) == (404, "bad_identifier")
