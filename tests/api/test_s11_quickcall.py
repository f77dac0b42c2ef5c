"""§11 of the API description: quickcall, from a device or a user to a number."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import quote

import pytest

from c2c_b2bua.service import calls
from c2c_b2bua.service.routes import Route
from tests.api.conftest import A, Api

ROOT = f"/v2/accounts/{A}"
NUMBER = "4155550100"


async def device(api: Api, number: str) -> str:
    """The id of the phone with this number."""
    _, body = await api.call("GET", f"{ROOT}/devices?filter_username={number}")
    return str(body["data"][0]["id"])


async def path(api: Api, number: str = "1001", dialled: str = NUMBER) -> str:
    return f"{ROOT}/devices/{await device(api, number)}/quickcall/{dialled}"


@pytest.fixture
def settings_text(settings_text: str) -> str:
    """Two more users: one whose phone is at hand, one without a phone."""
    users = """  [[account.user]]
  username = "nobody"
  password = "p"
  [[account.extension]]
"""
    return settings_text.replace("  [[account.extension]]\n", users, 1)


async def test_11_a_device_is_rung_and_joined_with_the_number(api: Api) -> None:
    phone = await device(api, "1001")
    response, body = await api.call("GET", f"{ROOT}/devices/{phone}/quickcall/{NUMBER}")
    (order,) = api.engine.orders
    assert (response.status, body["status"]) == (200, "success")
    assert (order.a.uri, order.b.target, order.b.trunk) == ("sip:1001@192.0.2.10:5060", "+14155550100", "carrier")
    assert (order.a.from_name, order.a.from_uri) == ("Device QuickCall", "sip:+14155550100@acme.example.com")
    assert (order.b.from_name, order.b.from_uri) == ("1001", "sip:1001@sip.carrier.example")
    assert body["data"] == {
        "application_name": "transfer",
        "application_data": {"route": "+14155550100"},
        "call_id": order.call_id,
        "outbound_call_id": order.call_id,
        "origination_call_id": order.call_id,
        "endpoints": [
            {
                "invite_format": "loopback",
                "route": "1001",
                "to_did": "1001",
                "to_realm": "acme.example.com",
                "endpoint_id": phone,
            }
        ],
        "timeout": 30,
        "ignore_early_media": True,
        "outbound_callee_id_name": "1001",
        "outbound_callee_id_number": "1001",
        "outbound_caller_id_name": "Device QuickCall",
        "outbound_caller_id_number": "+14155550100",
        "dial_endpoint_method": "simultaneous",
        "continue_on_fail": False,
        "media": "process",
        "custom_channel_vars": {
            "account_id": A,
            "authorizing_id": phone,
            "authorizing_type": "device",
            "auto_answer_loopback": True,
            "from_uri": "1001@acme.example.com",
            "request_uri": "+14155550100@acme.example.com",
            "loopback_request_uri": "+14155550100@acme.example.com",
            "inherit_codec": False,
            "retain_cid": False,
        },
        "custom_application_vars": {},
        "export_custom_channel_vars": body["data"]["export_custom_channel_vars"],
        "simplify_loopback": False,
        "loopback_bowout": False,
        "start_control_process": False,
    }
    assert "ETag" not in response.headers


@pytest.mark.parametrize("version", ["v1", "v2"])
async def test_11_a_post_waits_for_the_device(api: Api, version: str) -> None:
    api.engine.then = lambda engine, call_id: engine.bridge(call_id)
    where = (await path(api)).replace("/v2", f"/{version}", 1)
    response, body = await api.call("POST", where)
    assert (response.status, body["data"]["result"]) == (200, "success")
    assert body["data"]["outbound_caller_id_name"] == "Device QuickCall"
    assert body["data"]["call_id"] == api.engine.orders[0].call_id
    assert body["data"]["application_response"] == "SUCCESS"


async def test_11_a_post_that_fails_is_a_500(api: Api) -> None:
    api.engine.then = lambda engine, call_id: engine.end(call_id, "USER_BUSY", "a", 486, "Busy Here")
    response, body = await api.call("POST", await path(api))
    assert (response.status, body["error"], body["message"]) == (500, "500", "quickcall initiation failed")
    assert body["data"]["error_message"] == "USER_BUSY"
    assert body["data"]["request"]["outbound_caller_id_number"] == "+14155550100"
    assert "X-Request-ID" in response.headers
    response, body = await api.call("GET", await path(api))
    assert (response.status, body["status"]) == (200, "success")


async def test_11_a_post_does_not_wait_for_ever(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(calls.PATIENCE, "answered", 0.01)
    response, body = await api.call("POST", await path(api))
    assert (response.status, body["data"]["error_message"]) == (500, "timed out")


async def test_11_a_user_has_a_phone_or_not(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    _, body = await api.call("GET", f"{ROOT}/users")
    users = {item["username"]: item["id"] for item in body["data"]}
    for name, cause in (("mrossi", "USER_NOT_REGISTERED"), ("nobody", "NO_ROUTE_DESTINATION")):
        where = f"{ROOT}/users/{users[name]}/quickcall/{NUMBER}"
        response, body = await api.call("POST", where)
        assert (response.status, body["message"]) == (500, "quickcall initiation failed")
        assert body["data"]["error_message"] == cause
        response, body = await api.call("GET", where)
        assert (response.status, list(body["data"])) == (400, ["extension"])
    assert api.engine.orders == []
    monkeypatch.setattr(
        type(api.exchange.calls.routes),
        "extension",
        lambda _routes, _account, number: Route("extension", f"sip:{number}@192.0.2.9"),
    )
    _, body = await api.call("GET", f"{ROOT}/users/{users['mrossi']}/quickcall/+442079460000")
    variables = body["data"]["custom_channel_vars"]
    assert (variables["authorizing_id"], variables["authorizing_type"]) == (users["mrossi"], "user")
    assert body["data"]["outbound_callee_id_number"] == "1009"


async def test_11_parameters(api: Api) -> None:
    fields = {
        "auto_answer": False,
        "cid-name": "Acme",
        "cid-number": "+14155550199",
        "timeout": "12",
        "ignore-early-media": "false",
        "media": "bypass",
        "custom_application_vars": {"a": "b"},
    }
    _, body = await api.call("GET", await path(api), fields)
    (order,) = api.engine.orders
    assert (order.b.from_name, order.b.from_uri) == ("Acme", "sip:+14155550199@sip.carrier.example")
    assert (order.a.ring_timeout, order.a.headers) == (12.0, ())
    data = body["data"]
    assert (data["timeout"], data["media"], data["ignore_early_media"]) == (12, "bypass", False)
    assert (data["outbound_callee_id_name"], data["outbound_callee_id_number"]) == ("Acme", "+14155550199")
    assert data["custom_application_vars"] == {"a": "b"}
    assert data["custom_channel_vars"]["retain_cid"] is True
    assert data["custom_channel_vars"]["auto_answer_loopback"] is False


async def test_11_parameters_of_a_query(api: Api) -> None:
    query = "?auto_answer=false&cid-name=Acme&cid-number=4155550199&timeout=3&color=red"
    _, body = await api.call("GET", await path(api) + query)
    assert (api.engine.orders[0].a.ring_timeout, api.engine.orders[0].a.headers) == (3.0, ())
    assert body["data"]["custom_application_vars"]["color"] == "red"
    assert body["data"]["outbound_callee_id_number"] == "+14155550199"


async def test_11_the_device_is_told_to_answer_by_itself(api: Api) -> None:
    await api.call("GET", await path(api))
    assert [name for name, _ in api.engine.orders[0].a.headers] == ["Call-Info"]


@pytest.mark.parametrize(
    ("number", "number_filter", "route"),
    [
        ("(415) 555-0100", None, "+14155550100"),
        ("415.555,0100", "true", "+14155550100"),
        ("415 555 0100", False, "+14155550100"),
        ("tel-2600-00", r"^tel-(\d+)", "2600"),
        ("x4155550100y", r"x(\d+)y", "+14155550100"),
        ("4155550100", r"nothing(\d)", "+14155550100"),
        ("4155550100", r"\d+", "+14155550100"),
        ("2600", "", "2600"),
    ],
)
async def test_11_number_filter(api: Api, number: str, number_filter: Any, route: str) -> None:
    fields = {} if number_filter is None else {"number_filter": number_filter}
    response, body = await api.call("GET", f"{await path(api, dialled=quote(number))}?dry_run=true", fields)
    assert (response.status, body["data"]["legs"][1]["target"]) == (200, route)


@pytest.mark.parametrize(
    ("fields", "name", "code"),
    [
        ({"timeout": 2}, "timeout", "minimum"),
        ({"timeout": "soon"}, "timeout", "type"),
        ({"timeout": 3.5}, "timeout", "type"),
        ({"auto_answer": "maybe"}, "auto_answer", "type"),
        ({"cid-name": 5}, "cid-name", "type"),
        ({"cid-name": "a\r\nVia: x"}, "cid-name", "pattern"),
        ({"cid-number": "1\n2"}, "cid-number", "pattern"),
        ({"cid-number": "1" * 600}, "cid-number", "pattern"),
        ({"ignore-early-media": "x"}, "ignore-early-media", "type"),
        ({"media": "carrier pigeon"}, "media", "enum"),
        ({"number_filter": "("}, "number_filter", "pattern"),
        ({"number_filter": "x" * 2000}, "number_filter", "pattern"),
        ({"number_filter": 5}, "number_filter", "not_one_schema_valid"),
        ({"target_call_id": "x"}, "target_call_id", "forbidden"),
        ({"metadata": "x"}, "metadata", "type"),
        ({"custom_application_vars": "x"}, "custom_application_vars", "type"),
    ],
)
@pytest.mark.parametrize("verb", ["GET", "POST"])
async def test_11_what_is_refused(api: Api, verb: str, fields: dict[str, Any], name: str, code: str) -> None:
    response, body = await api.call(verb, await path(api), fields)
    assert (response.status, body["message"]) == (400, "validation error")
    assert list(body["data"]) == [name] and code in body["data"][name]
    assert api.engine.orders == []


async def test_11_complaints_are_told_together(api: Api) -> None:
    response, body = await api.call("POST", await path(api), {"timeout": 1, "media": "x", "cid-name": 5})
    assert (response.status, set(body["data"])) == (400, {"timeout", "media", "cid-name"})
    complaint = {"message": "Value must be at least 3", "target": 3, "value": 1}
    assert body["data"]["timeout"] == {"minimum": complaint}


@pytest.mark.parametrize(
    ("number", "code"), [("call%20me!", "pattern"), ("911", "no_route"), ("1009", "not_registered")]
)
@pytest.mark.parametrize("verb", ["GET", "POST"])
async def test_11_a_number_that_is_not_called(api: Api, verb: str, number: str, code: str) -> None:
    response, body = await api.call(verb, await path(api, dialled=number))
    assert (response.status, list(body["data"]["contact"])) == (400, [code])
    assert api.engine.orders == []


async def test_11_who_may(api: Api) -> None:
    where = await path(api)
    response, _ = await api.call("GET", where, token=None)
    assert response.status == 401
    for kind in ("devices", "users"):
        response, body = await api.call("GET", f"{ROOT}/{kind}/{'0' * 32}/quickcall/{NUMBER}")
        assert (response.status, body["message"]) == (404, "bad_identifier")
    for verb in ("PUT", "DELETE", "PATCH"):
        response, _ = await api.call(verb, where)
        assert response.status == 405
    response, _ = await api.call("GET", where.rpartition("/")[0])
    assert response.status == 404
    assert api.engine.orders == []


async def test_11_a_quickcall_has_a_history_and_can_be_hung_up(api: Api) -> None:
    """Both under the id of the device, as if that were a click-to-call."""
    phone = await device(api, "1001")
    _, body = await api.call("GET", f"{ROOT}/devices/{phone}/quickcall/{NUMBER}", {"metadata": {"order": 1}})
    call_id = body["data"]["call_id"]
    assert call_id.startswith(f"c2c-{phone}-")
    response, _ = await api.call("DELETE", f"{ROOT}/clicktocall/{phone}/calls/{call_id}")
    assert response.status == 200
    _, body = await api.call("GET", f"{ROOT}/clicktocall/{phone}/history")
    (item,) = body["data"]
    assert (item["call_id"], item["ended_by"], item["metadata"]) == (call_id, "api", {"order": 1})
    _, body = await api.call("GET", f"{ROOT}/clicktocall")
    assert body["data"] == []


@pytest.mark.parametrize("verb", ["GET", "POST"])
async def test_11_an_idempotency_key(api: Api, verb: str) -> None:
    api.engine.then = lambda engine, call_id: engine.end(call_id, "USER_BUSY", "a", 486)
    where, key = await path(api), {"Idempotency-Key": "k"}
    answers = await asyncio.gather(*(api.call(verb, where, headers=key) for _ in range(3)))
    assert len(api.engine.orders) == 1
    assert {response.status for response, _ in answers} == {200 if verb == "GET" else 500}
    assert len({str(body["data"]) for _, body in answers}) == 1
    response, _ = await api.call(verb, await path(api, dialled="2600"), headers=key)
    assert response.status == 409


async def test_11_dry_run(api: Api) -> None:
    for verb in ("GET", "POST"):
        response, body = await api.call(verb, await path(api) + "?dry_run=true")
        assert (response.status, body["data"]["accepted"], api.engine.orders) == (200, True, [])
