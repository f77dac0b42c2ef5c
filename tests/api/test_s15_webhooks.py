"""§15.3 of the API description: webhooks are registered, and get what was documented, whoever made the call."""

from __future__ import annotations

import base64
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.api.conftest import KEY, STRANGER_KEY, A, Api
from tests.api.omicall_client import CUSTOMER, DIALLED, HOTLINE, OMICALL, Omicall
from tests.webhook_receiver import Receiver

AT = 1_800_000_000.25


@pytest.fixture
def settings_text() -> str:
    return OMICALL


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver() as made:
        yield made


@pytest.fixture
async def omicall(api: Api) -> Omicall:
    made = Omicall(api)
    made.engine.then = lambda engine, call_id: engine.ring(call_id)
    await made.log_in()
    return made


async def register(omicall: Omicall, url: Any, **fields: Any) -> Any:
    _, body = await omicall.post("webhooks/register", {"webhook": {"type": "call", "url": url, **fields}})
    return body


# ── list, register, destroy ──────────────────────────────────────────────────────────────────────────────────────────


async def test_15_3_register_and_list(omicall: Omicall) -> None:
    body = await register(omicall, "https://crm.example/omicall/updatecall", events=None)
    (hook,) = body["payload"]
    secret = hook.pop("secret")
    assert hook == {
        "url": "https://crm.example/omicall/updatecall",
        "type": "call",
        "status": "actived",
        "events": None,
    }
    assert secret.startswith("whsec_") and len(base64.b64decode(secret[6:])) == 32
    _, body = await omicall.get("webhooks/list")
    assert body["payload"] == [hook], "the secret is shown to whoever registers only"


async def test_15_3_register_without_events(omicall: Omicall) -> None:
    _, body = await omicall.post("webhooks/register", {"webhook": {"type": "call", "url": "https://crm.example/"}})
    assert body["payload"][0]["events"] is None


async def test_15_3_register_some_events(omicall: Omicall) -> None:
    body = await register(omicall, "https://crm.example/", events=["hangup", "ringing"])
    assert body["payload"][0]["events"] == ["ringing", "hangup", "cdr"]
    _, body = await omicall.get("webhooks/list")
    assert body["payload"][0]["events"] == ["ringing", "hangup", "cdr"]


async def test_15_3_a_second_registration_replaces_the_first(omicall: Omicall) -> None:
    first = (await register(omicall, "https://crm.example/"))["payload"][0]
    same = (await register(omicall, "https://crm.example/", events=["hangup"]))["payload"][0]
    other = (await register(omicall, "https://other.example/"))["payload"][0]
    assert same["secret"] == first["secret"] != other["secret"]
    assert [hook["url"] for hook in (await omicall.get("webhooks/list"))[1]["payload"]] == ["https://other.example/"]


@pytest.mark.parametrize("how", ["query", "body"])
async def test_15_3_destroy(omicall: Omicall, how: str) -> None:
    await register(omicall, "https://crm.example/")
    options: dict[str, Any] = {"params": {"hook_type": "call"}} if how == "query" else {"json": {"hook_type": "call"}}
    _, body = await omicall.ask("POST", "webhooks/destroy", **options)
    assert (body["status_code"], body["payload"][0]["url"]) == (9999, "https://crm.example/")
    assert (await omicall.get("webhooks/list"))[1]["payload"] == []
    _, body = await omicall.ask("POST", "webhooks/destroy", **options)
    assert (body["status_code"], body["message"]) == (-9999, "webhook_not_found")


async def test_15_3_webhooks_are_an_accounts_own(omicall: Omicall) -> None:
    await register(omicall, "https://crm.example/")
    await omicall.log_in(STRANGER_KEY)
    assert (await omicall.get("webhooks/list"))[1]["payload"] == []
    _, body = await omicall.ask("POST", "webhooks/destroy?hook_type=call")
    assert body["message"] == "webhook_not_found"
    await omicall.log_in(KEY)
    assert len((await omicall.get("webhooks/list"))[1]["payload"]) == 1


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "webhook_is_required"),
        ({"webhook": None}, "webhook_is_required"),
        ({"webhook": []}, "webhook_invalid: "),
        ({"webhook": "https://crm.example/"}, "webhook_invalid: "),
        ({"webhook": {}}, "url_is_required"),
        ({"webhook": {"type": "call"}}, "url_is_required"),
        ({"webhook": {"type": "call", "url": 5}}, "url_is_required"),
        ({"webhook": {"type": "contact", "url": "https://crm.example/"}}, "type_invalid: "),
        ({"webhook": {"type": ["call"], "url": "https://crm.example/"}}, "type_invalid: "),
        ({"webhook": {"type": "call", "url": "https://crm.example/", "events": "ringing"}}, "events_invalid: "),
        ({"webhook": {"type": "call", "url": "https://crm.example/", "events": ["rang"]}}, "events_invalid: "),
        ({"webhook": {"type": "call", "url": "https://crm.example/", "events": [["ringing"]]}}, "events_invalid: "),
        ({"webhook": {"type": "call", "url": "https://crm.example/", "events": {}}}, "events_invalid: "),
    ],
)
async def test_15_3_a_registration_that_is_none(omicall: Omicall, fields: Any, message: str) -> None:
    response, body = await omicall.post("webhooks/register", fields)
    assert (response.status, body["status_code"], body["payload"]) == (200, -9999, None)
    assert body["message"].startswith(message)
    assert (await omicall.get("webhooks/list"))[1]["payload"] == []


@pytest.mark.parametrize(
    "url",
    [
        "crm.example",
        "ftp://crm.example/",
        "file:///etc/passwd",
        "https://",
        "https:///path",
        "http://crm.example:99999/",
        "http://crm.example:0/",
        "http://user:password@crm.example/",
        "http://user@crm.example/",
        "http://crm.example/\r\nX: y",
        "http://[::1/",
        "http://10.0.0.1/",
        "http://192.168.1.1:8080/",
        "http://169.254.169.254/latest/meta-data",
        "http://[::1]/",
        "http://[fe80::1]/",
        "http://[::ffff:10.0.0.1]/",
        "http://224.0.0.1/",
        "http://0.0.0.0/",
        "http://" + "x" * 3000,
        "\ud83d",
    ],
)
async def test_15_3_a_url_that_is_none(omicall: Omicall, url: str) -> None:
    if url == "\ud83d":
        raw = b'{"webhook":{"type":"call","url":"http://\\u0000/"}}'
        _, body = await omicall.ask("POST", "webhooks/register", data=raw)
    else:
        body = await register(omicall, url)
    assert body["status_code"] == -9999
    assert body["message"].startswith("url_invalid: Value is no URL for a webhook: ")


@pytest.mark.parametrize(
    ("path", "options", "message"),
    [
        ("webhooks/destroy", {}, "hook_type_is_required"),
        ("webhooks/destroy?hook_type=", {}, "hook_type_is_required"),
        ("webhooks/destroy?hook_type=contact", {}, "type_invalid: "),
        ("webhooks/destroy", {"json": {"hook_type": [1]}}, "type_invalid: "),
    ],
)
async def test_15_3_a_destruction_that_is_none(
    omicall: Omicall, path: str, options: dict[str, Any], message: str
) -> None:
    await register(omicall, "https://crm.example/")
    _, body = await omicall.ask("POST", path, **options)
    assert body["message"].startswith(message)
    assert len((await omicall.get("webhooks/list"))[1]["payload"]) == 1


# ── what is delivered ────────────────────────────────────────────────────────────────────────────────────────────────


async def test_15_3_the_bodies_of_a_call_that_was_answered(omicall: Omicall, receiver: Receiver) -> None:
    secret = (await register(omicall, receiver.url))["payload"][0]["secret"]
    omicall.engine.clock = AT
    await omicall.log_in()
    call_uuid = await omicall.placed()
    call_id = omicall.engine.orders[0].call_id
    omicall.engine.clock = AT + 8
    omicall.engine.bridge(call_id)
    omicall.engine.clock = AT + 20
    omicall.engine.end(call_id, "NORMAL_CLEARING", "b", 200)
    deliveries = await receiver.several(4)
    live = {
        "to_number": CUSTOMER,
        "created_time": 1_800_000_000,
        "from_number": "100",
        "hotline": HOTLINE,
        "call_uuid": call_uuid,
        "direction": "outbound",
    }
    assert [delivery.body for delivery in deliveries] == [
        {**live, "date_time": 1_800_000_000_250, "state": "ringing"},
        {**live, "date_time": 1_800_000_008_250, "state": "answered"},
        {**live, "date_time": 1_800_000_020_250, "state": "hangup"},
        {
            "state": "cdr",
            "tenant_id": A,
            "transaction_id": call_uuid,
            "call_uuid": call_uuid,
            "direction": "outbound",
            "from_number": "100",
            "to_number": CUSTOMER,
            "phone_number": CUSTOMER,
            "hotline": HOTLINE,
            "sip_user": "100",
            "sip_number": HOTLINE,
            "disposition": "answered",
            "answer_sec": 8,
            "bill_sec": 12,
            "duration": 20,
            "time_start_call": 1_800_000_000,
            "time_start_to_answer": 1_800_000_008,
            "time_end_call": 1_800_000_020,
            "record_seconds": 0,
            "recording_file_url": "",
            "cause": "NORMAL_CLEARING",
            "sip_code": 200,
            "ended_by": "b",
        },
    ]
    assert [delivery.sequence for delivery in deliveries] == [1, 2, 3, 4]
    assert len({delivery.id for delivery in deliveries}) == 4
    for delivery in deliveries:
        assert (delivery.path, delivery.headers["content-type"]) == ("/c2c", "application/json")
        assert delivery.is_signed_with(secret)
        assert not delivery.is_signed_with("whsec_" + base64.b64encode(b"x" * 32).decode())


async def test_15_3_a_call_that_was_not_answered(omicall: Omicall, receiver: Receiver) -> None:
    await register(omicall, receiver.url)
    omicall.engine.then = lambda engine, call_id: engine.end(call_id, "USER_BUSY", "a", 486, "Busy Here")
    _, body = await omicall.call()
    assert body["payload"]["error"] == "user_busy"
    hangup, cdr = await receiver.several(2)
    assert (hangup.state, hangup.sequence, cdr.state, cdr.sequence) == ("hangup", 3, "cdr", 4)
    told = {name: cdr.body[name] for name in ("disposition", "bill_sec", "answer_sec", "time_start_to_answer")}
    assert told == {"disposition": "cancelled", "bill_sec": 0, "answer_sec": 0, "time_start_to_answer": 0}
    assert (cdr.body["cause"], cdr.body["sip_code"], cdr.body["ended_by"]) == ("USER_BUSY", 486, "a")


async def test_15_3_only_the_events_that_were_wanted(omicall: Omicall, receiver: Receiver) -> None:
    """The record always comes: the type of the webhook is the history of calls."""
    await register(omicall, receiver.url, events=["answered"])
    await omicall.placed()
    omicall.engine.bridge(omicall.engine.orders[0].call_id)
    omicall.engine.end(omicall.engine.orders[0].call_id, "NORMAL_CLEARING", "a", 200)
    deliveries = await receiver.several(2)
    assert [(delivery.state, delivery.sequence) for delivery in deliveries] == [("answered", 2), ("cdr", 4)]


async def test_15_3_it_rings_once(omicall: Omicall, receiver: Receiver) -> None:
    """The customer's phone rings, too; a phone that answers by itself does not ring at all."""
    await register(omicall, receiver.url, events=["ringing", "answered"])
    omicall.engine.then = lambda engine, call_id: engine.bridge(call_id)
    await omicall.placed()
    assert [delivery.state for delivery in await receiver.several(2)] == ["ringing", "answered"]
    call_id = omicall.engine.orders[0].call_id
    omicall.engine.end(call_id, "NORMAL_CLEARING", "a", 200)
    assert (await receiver.next()).state == "cdr"
    omicall.engine.then = lambda engine, call_id: engine.answer(call_id)
    call_uuid = await omicall.placed()
    omicall.engine.dial("b", omicall.engine.orders[1].call_id)
    omicall.engine.ring(omicall.engine.orders[1].call_id, "b")
    rang = await receiver.next()
    assert (rang.state, rang.body["call_uuid"]) == ("ringing", call_uuid)


async def test_15_3_calls_of_kazoos_dialect_are_told_too(omicall: Omicall, receiver: Receiver) -> None:
    await register(omicall, receiver.url)
    document = await omicall.api.create(extension="2600")
    path = f"/v2/accounts/{A}/clicktocall/{document}/connect"
    await omicall.api.call("POST", path, {"contact": CUSTOMER, "metadata": {"order": 7}})
    call_id = omicall.engine.orders[0].call_id
    omicall.engine.end(call_id, "USER_BUSY", "a", 486)
    ringing, hangup, cdr = await receiver.several(3)
    (call,) = (await omicall.api.call("GET", f"/v2/accounts/{A}/clicktocall/{document}/history"))[1]["data"]
    for delivery in (ringing, hangup, cdr):
        assert delivery.body["metadata"] == {"order": 7}
        assert (delivery.body["from_number"], delivery.body["to_number"]) == ("2600", DIALLED)
        assert delivery.body["call_uuid"] == str(uuid.UUID(call["id"]))
        assert delivery.body["hotline"] == ""


async def test_15_3_labels_of_tvox_are_told_too(omicall: Omicall, receiver: Receiver) -> None:
    await register(omicall, receiver.url, events=["ringing"])
    log_in = {"jsonrpc": "2.0", "id": 1, "method": "login", "params": ["10.26.0", "mrossi", "secret"]}
    phones = omicall.exchange.accounts.by_id[A].phones
    phones["1009"] = phones["1009"].__class__(phones["1009"].id, "1009", "sip:1009@192.0.2.13", phones["1009"].user)
    async with omicall.api.session.post(f"{omicall.api.base}/tvox/webapi", json=log_in) as response:
        cookie = response.cookies["JSESSIONID"].value
    params = ["mrossi", CUSTOMER, "", "campaign 7", False, None, True, "service 9"]
    dial = {"jsonrpc": "2.0", "id": 2, "method": "dialNumber", "params": params}
    headers = {"Cookie": f"JSESSIONID={cookie}"}
    async with omicall.api.session.post(f"{omicall.api.base}/tvox/webapi", json=dial, headers=headers) as response:
        assert "result" in await response.json()
    body = (await receiver.next()).body
    assert (body["job_label"], body["service_code"], body["from_number"]) == ("campaign 7", "service 9", "1009")


async def test_15_3_calls_of_others_are_not_told(omicall: Omicall, receiver: Receiver) -> None:
    await omicall.log_in(STRANGER_KEY)
    await register(omicall, receiver.url)
    await omicall.log_in(KEY)
    await omicall.placed()
    omicall.engine.end(omicall.engine.orders[0].call_id, "USER_BUSY", "a", 486)
    await omicall.exchange.history.store.caught_up()
    assert (omicall.exchange.webhooks.deliveries.waiting, receiver.received.empty()) == (0, True)


async def test_15_3_nothing_is_told_any_more(omicall: Omicall, receiver: Receiver) -> None:
    await register(omicall, receiver.url)
    await omicall.placed()
    assert (await receiver.next()).state == "ringing"
    await omicall.ask("POST", "webhooks/destroy?hook_type=call")
    omicall.engine.end(omicall.engine.orders[0].call_id, "USER_BUSY", "a", 486)
    await omicall.exchange.history.store.caught_up()
    assert (omicall.exchange.webhooks.deliveries.waiting, receiver.received.empty()) == (0, True)


async def test_deliveries_are_counted(omicall: Omicall, receiver: Receiver) -> None:
    await register(omicall, receiver.url)
    omicall.engine.then = lambda engine, call_id: engine.end(call_id, "USER_BUSY", "a", 486)
    await omicall.call()
    await receiver.several(2)
    while omicall.exchange.webhooks.deliveries.waiting:
        await omicall.exchange.webhooks.deliveries.idle.wait()
        omicall.exchange.webhooks.deliveries.idle.clear()
    async with omicall.api.session.get(f"{omicall.api.base}/metrics") as response:
        text = await response.text()
    for line in (
        "c2c_webhooks_delivered_total 2.0",
        "c2c_webhooks_failed_total 0.0",
        "c2c_webhooks_dropped_total 0.0",
        "c2c_webhooks_waiting 0.0",
    ):
        assert line in text.splitlines()
