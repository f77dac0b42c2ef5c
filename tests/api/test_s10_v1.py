"""§10 of the API description, and the documents of version 1: `throttle`, `realm`, history, errors, no pages."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.api.conftest import CHILD, KEY, A, Api

LIST = f"/v1/accounts/{A}/clicktocall"
V2 = f"/v2/accounts/{A}/clicktocall"
NOBODY = "0" * 32
REALM = "acme.example.com"


async def create(api: Api, **fields: Any) -> str:
    """A new click-to-call of version 1, by its id."""
    response, body = await api.call("PUT", LIST, {"name": "Sales", "extension": "1001", **fields})
    assert response.status == 201, body
    return str(body["data"]["id"])


async def read(api: Api, document: str, version: str = "v1") -> Any:
    _, body = await api.call("GET", f"/{version}/accounts/{A}/clicktocall/{document}")
    return body["data"]


async def test_10_the_life_of_a_click_to_call(api: Api) -> None:
    response, body = await api.call("GET", LIST)
    assert (response.status, body["data"], body["status"]) == (200, [], "success")
    response, body = await api.call("PUT", LIST, {"name": "Sales", "extension": "1001"})
    document = body["data"]["id"]
    assert response.status == 201
    assert response.headers["Location"].endswith(f"/v1/accounts/{A}/clicktocall/{document}")
    assert body["revision"].startswith("1-")
    response, body = await api.call("POST", f"{LIST}/{document}", {"name": "New", "extension": "2600"})
    assert (response.status, body["data"]["name"]) == (200, "New")
    response, body = await api.call("PATCH", f"{LIST}/{document}", {"custom": "value"})
    assert (response.status, body["data"]["custom"]) == (200, "value")
    response, body = await api.call("POST", f"{LIST}/{document}/connect", {"contact": "4155550100"})
    assert (response.status, body["data"]["call_id"]) == (200, api.engine.orders[0].call_id)
    response, body = await api.call("GET", f"{LIST}/{document}/connect?contact=4155550100")
    assert (response.status, body["data"]["application_data"]) == (200, {"route": "+14155550100"})
    response, body = await api.call("DELETE", f"{LIST}/{document}")
    assert (response.status, body["data"]["id"]) == (200, document)
    response, _ = await api.call("GET", f"{LIST}/{document}")
    assert response.status == 404
    _, body = await api.call("GET", f"{LIST}/{document}/history")
    assert len(body["data"]) == 2


async def test_10_log_in(api: Api) -> None:
    response, body = await api.call("PUT", "/v1/api_auth", {"api_key": KEY}, token=None)
    assert (response.status, body["data"]["account_id"]) == (201, A)
    response, body = await api.call("GET", "/v1/account/clicktocall", token=body["auth_token"])
    assert (response.status, body["data"]) == (200, [])
    response, body = await api.call("GET", "/v1/token_auth")
    assert (response.status, body["data"]["account_id"]) == (200, A)


async def test_10_auth_is_required_unless_the_client_says_otherwise(api: Api) -> None:
    document = await create(api)
    assert (await read(api, document))["auth_required"] is True
    response, body = await api.call("POST", f"{LIST}/{document}/connect", {"contact": "4155550100"}, token=None)
    assert (response.status, body["data"]) == (401, "invalid credentials")
    document = await create(api, auth_required=False)
    response, _ = await api.call("POST", f"{LIST}/{document}/connect", {"contact": "4155550100"}, token=None)
    assert response.status == 200


async def test_10_lists_have_no_pages(api: Api) -> None:
    made = sorted([await create(api) for _ in range(60)], reverse=True)
    for query in ("", "?page_size=2", "?page_size=0", "?page_size=abc", "?paginate=true", f"?start_key={made[3]}"):
        response, body = await api.call("GET", f"{LIST}{query}")
        assert (response.status, [item["id"] for item in body["data"]]) == (200, made), query
        assert not {"page_size", "start_key", "next_start_key"} & set(body)
    _, body = await api.call("GET", f"{LIST}?ascending=true")
    assert [item["id"] for item in body["data"]] == made[::-1]


async def test_10_history_has_no_pages(api: Api) -> None:
    document = await create(api)
    for _ in range(55):
        await api.connect(document)
    _, body = await api.call("GET", f"{LIST}/{document}/history?page_size=2")
    assert len(body["data"]) == 55
    assert not {"page_size", "start_key", "next_start_key"} & set(body)


async def test_10_filters(api: Api) -> None:
    busy = await create(api, name="busy", throttle=3)
    await create(api, name="idle")
    _, body = await api.call("GET", f"{LIST}?filter_throttle=3")
    assert [item["id"] for item in body["data"]] == [busy]
    _, body = await api.call("GET", f"{LIST}?has_key=max_active")
    assert body["data"] == []
    _, body = await api.call("GET", f"{LIST}?filter_realm={REALM}")
    assert len(body["data"]) == 2


async def test_10_items_have_a_realm(api: Api) -> None:
    document = await create(api, realm="pbx.example.com")
    _, body = await api.call("GET", LIST)
    assert body["data"] == [{"id": document, "name": "Sales", "extension": "1001", "realm": "pbx.example.com"}]


async def test_10_realm_is_kept_and_else_that_of_the_account(api: Api) -> None:
    document = await create(api)
    assert (await read(api, document))["realm"] == REALM
    assert "realm" not in await read(api, document, "v2")
    _, body = await api.call("GET", LIST)
    assert body["data"][0]["realm"] == REALM
    document = await create(api, realm="pbx.example.com")
    assert (await read(api, document))["realm"] == "pbx.example.com"
    assert (await read(api, document, "v2"))["realm"] == "pbx.example.com"
    _, body = await api.call("PUT", f"/v1/accounts/{CHILD}/clicktocall", {"name": "x", "extension": "1"})
    assert body["data"]["realm"] == "child.example.com"
    response, body = await api.call("PUT", LIST, {"name": "x", "extension": "1", "realm": 5})
    assert (response.status, body["data"]) == (400, {"realm": {"type": "Value did not match type(s): string"}})


async def test_10_throttle_is_the_number_of_active_calls(api: Api) -> None:
    document = await create(api, throttle="2")
    assert (await read(api, document))["throttle"] == 2
    shown = await read(api, document, "v2")
    assert shown["max_active"] == 2 and "throttle" not in shown
    calls = [(await api.call("POST", f"{LIST}/{document}/connect", {"contact": "4155550100"}))[1] for _ in range(2)]
    response, body = await api.call("POST", f"{LIST}/{document}/connect", {"contact": "4155550100"})
    assert (response.status, body["message"], body["error"]) == (429, "too_many_requests", "429")
    assert body["data"] == "too many active calls of this click-to-call"
    assert int(response.headers["Retry-After"]) >= 1
    api.engine.end(calls[0]["data"]["call_id"], "USER_BUSY", "a", 486)
    response, _ = await api.call("POST", f"{LIST}/{document}/connect", {"contact": "4155550100"})
    assert response.status == 200


async def test_10_two_connects_at_once_are_two(api: Api) -> None:
    document = await create(api, throttle=1)
    path = f"{LIST}/{document}/connect"
    answers = await asyncio.gather(*(api.call("POST", path, {"contact": "4155550100"}) for _ in range(6)))
    assert sorted(response.status for response, _ in answers) == [200, 429, 429, 429, 429, 429]
    assert len(api.engine.orders) == 1


@pytest.mark.parametrize("throttle", [0, None])
async def test_10_throttle_0_is_no_limit(api: Api, throttle: Any) -> None:
    document = await create(api, throttle=throttle)
    for _ in range(5):
        response, _ = await api.call("POST", f"{LIST}/{document}/connect", {"contact": "4155550100"})
        assert response.status == 200


async def test_10_the_throttle_of_version_2_is_neither_shown_nor_changed(api: Api) -> None:
    document = await api.create(throttle=60, max_active=4)
    assert (await read(api, document))["throttle"] == 4
    assert "max_active" not in await read(api, document)
    for verb, fields in (
        ("POST", {"name": "x", "extension": "1001", "throttle": 2}),
        ("PATCH", {"throttle": 2}),
        ("PATCH", {"custom": "value", "max_active": 9}),
    ):
        response, body = await api.call(verb, f"{LIST}/{document}", fields)
        assert (response.status, body["data"]["throttle"]) == (200, 2)
        shown = await read(api, document, "v2")
        assert (shown["throttle"], shown["max_active"]) == (60, 2)
    await api.call("POST", f"{LIST}/{document}", {"name": "x", "extension": "1001"})
    shown = await read(api, document, "v2")
    assert shown["throttle"] == 60 and "max_active" not in shown
    assert "throttle" not in await read(api, document)


async def test_10_a_null_removes_the_throttle(api: Api) -> None:
    document = await api.create(throttle=60, max_active=4)
    await api.call("PATCH", f"{LIST}/{document}", {"throttle": None})
    shown = await read(api, document, "v2")
    assert shown["throttle"] == 60 and "max_active" not in shown


async def test_10_version_2_replaces_what_version_1_stored(api: Api) -> None:
    document = await create(api, throttle=4, realm="pbx.example.com")
    await api.call("POST", f"{V2}/{document}", {"name": "x", "extension": "1001", "throttle": 7})
    shown = await read(api, document, "v2")
    assert shown["throttle"] == 7 and not {"max_active", "realm"} & set(shown)


async def test_10_history_items_are_counted_and_not_modifiable(api: Api) -> None:
    response, body = await api.call("PUT", LIST, {"name": "x", "extension": "1001", "history_items": 17})
    document = body["data"]["id"]
    assert (response.status, body["data"]["history_items"]) == (201, 0)
    for _ in range(3):
        await api.connect(document)
    await api.connect(await create(api))
    assert (await read(api, document))["history_items"] == 3
    _, body = await api.call("PATCH", f"{LIST}/{document}", {"history_items": 17})
    assert body["data"]["history_items"] == 3
    assert "history_items" not in await read(api, document, "v2")


async def test_10_history_has_a_cdr_id_once_the_contact_was_dialled(api: Api) -> None:
    document = await create(api)
    for _ in range(2):
        await api.connect(document)
    first, second = (order.call_id for order in api.engine.orders)
    api.engine.end(first, "USER_BUSY", "a", 486)
    api.engine.bridge(second)
    _, body = await api.call("GET", f"{LIST}/{document}/history")
    assert not any("cdr_id" in item for item in body["data"])
    api.engine.end(second, "NORMAL_CLEARING", "a")
    _, body = await api.call("GET", f"{LIST}/{document}/history")
    found = {item["call_id"]: item for item in body["data"]}
    assert "cdr_id" not in found[first]
    assert found[second]["cdr_id"] == f"b-{second}"
    assert {"contact", "timestamp", "call_id", "cdr_id", "id", "result", "legs"} <= set(found[second])
    _, body = await api.call("GET", f"{LIST}/{document}/calls/{second}")
    assert body["data"]["cdr_id"] == f"b-{second}"
    _, body = await api.call("GET", f"{V2}/{document}/history")
    assert not any("cdr_id" in item for item in body["data"])


async def test_10_the_contact_may_be_the_first_leg(api: Api) -> None:
    document = await create(api, dial_first="contact")
    await api.connect(document)
    call_id = api.engine.orders[0].call_id
    api.engine.end(call_id, "NO_ANSWER", "timer", 408)
    _, body = await api.call("GET", f"{LIST}/{document}/history")
    assert body["data"][0]["cdr_id"] == f"a-{call_id}"


@pytest.mark.parametrize(
    ("verb", "path", "fields", "status", "message", "data"),
    [
        ("GET", f"{LIST}/{NOBODY}", None, 404, "bad_identifier", "bad identifier"),
        ("GET", f"/v1/accounts/{NOBODY}/clicktocall", None, 404, "bad_identifier", "bad identifier"),
        ("GET", "/v1/accounts/xyz/clicktocall", None, 404, "bad identifier", "invalid account_id 'xyz'"),
        ("GET", "/v1/bogus", None, 404, "not_found", "not found"),
        ("DELETE", LIST, None, 405, "invalid_method", "method not allowed"),
        (
            "PUT",
            LIST,
            {"extension": 5, "throttle": "many"},
            400,
            "validation error",
            {
                "name": {"required": "Field is required but missing"},
                "extension": {"type": "Value did not match type(s): string"},
                "throttle": {"type": "Value did not match type(s): integer"},
            },
        ),
        ("PUT", "/v1/api_auth", {"api_key": "9" * 64}, 404, "bad identifier", ["9" * 64]),
        ("PUT", "/v1/user_auth", {"credentials": "x"}, 401, "invalid_credentials", "invalid credentials"),
    ],
)
async def test_10_errors_are_their_message(
    api: Api, verb: str, path: str, fields: Any, status: int, message: str, data: Any
) -> None:
    response, body = await api.call(verb, path, fields)
    assert (response.status, body["error"], body["status"]) == (status, str(status), "error")
    assert (body["message"], body["data"]) == (message, data)


async def test_10_what_is_no_body(api: Api) -> None:
    for text, data in (
        (b"{", {"json": {"invalid": "All JSON must be valid"}}),
        (b'{"data":{"name":"x","name":"y"}}', {"json": {"invalid": "All JSON must be valid"}}),
        (b"{}", {"data": {"required": "Field is required but missing"}}),
    ):
        _, body = await api.call("PUT", LIST, data=text, headers={"Content-Type": "application/json"})
        assert (body["message"], body["data"]) == ("validation error", data)


async def test_10_a_connect_without_contact_or_past_the_whitelist(api: Api) -> None:
    document = await create(api, whitelist=["^\\+1212"])
    response, body = await api.call("POST", f"{LIST}/{document}/connect", {})
    text = "The contact extension for this click to call has not been set"
    assert (response.status, body["data"]) == (400, {"contact": {"required": text}})
    response, body = await api.call("POST", f"{LIST}/{document}/connect", {"contact": "4155550100"})
    assert (response.status, body["message"], body["data"]) == (400, "Contact doesn't match whitelist", "+14155550100")
    api.engine.clock = api.engine.now() + 4000
    response, body = await api.call("GET", LIST)
    assert (response.status, body["message"], body["data"]) == (401, "invalid credentials", {})


async def test_10_the_schema(api: Api) -> None:
    _, body = await api.call("GET", "/v1/schemas/clicktocall", token=None)
    properties = body["data"]["properties"]
    assert "max_active" not in properties
    assert properties["throttle"]["description"] == "Calls at a time; 0: no limit"
    _, body = await api.call("GET", "/v2/schemas/clicktocall", token=None)
    assert body["data"]["properties"]["throttle"]["description"] == "Connects per minute; 0: no limit"


async def test_12_6_the_call_of_a_page_of_another_origin(api: Api) -> None:
    """A preflight, then JSON without a token."""
    path = f"{LIST}/{await create(api, auth_required=False)}/connect"
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    origin = {"Origin": "https://shop.example"}
    response, _ = await api.call("OPTIONS", path, headers={**origin, **asked}, token=None)
    assert (response.status, response.headers["Access-Control-Allow-Origin"]) == (200, "*")
    assert "content-type" in response.headers["Access-Control-Allow-Headers"]
    response, _ = await api.call("POST", path, {"contact": "4155550100"}, headers=origin, token=None)
    assert (response.status, response.headers["Access-Control-Allow-Origin"]) == (200, "*")


@pytest.mark.parametrize("content_type", ["application/json", "application/x-www-form-urlencoded"])
async def test_12_6_curl_without_a_content_type(api: Api, content_type: str) -> None:
    path = f"{LIST}/{await create(api, auth_required=False)}/connect"
    text = b'{"data":{"contact":"4155550100"}}'
    response, body = await api.call("POST", path, data=text, headers={"Content-Type": content_type}, token=None)
    assert (response.status, body["status"]) == (200, "success")
