"""§15 of the API description: OMICall's token, click-to-call, and the calls that go on."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from aiohttp import FormData

from c2c_b2bua import __version__
from c2c_b2bua.service.accounts import hash_of
from tests.api.conftest import KEY, STRANGER_KEY, A, Api
from tests.api.omicall_client import CUSTOMER, DIALLED, HOTLINE, OMICALL, Omicall
from tests.api.scripted_engine import ScriptedEngine

DAY = 86_400
Script = Callable[[ScriptedEngine, str], None]


@pytest.fixture
def settings_text() -> str:
    return OMICALL


@pytest.fixture
async def omicall(api: Api) -> Omicall:
    made = Omicall(api)
    made.engine.then = rings
    await made.log_in()
    return made


def rings(engine: ScriptedEngine, call_id: str) -> None:
    engine.ring(call_id)


def failure(error: str, message: str) -> dict[str, str]:
    return {"status": "fail", "error": error, "message": message}


# ── §15 conventions, §15.1 token ─────────────────────────────────────────────────────────────────────────────────────


async def test_15_envelope_of_a_success(omicall: Omicall) -> None:
    response, body = await omicall.get("webhooks/list")
    assert response.status == 200
    assert (body["status_code"], body["payload"], body["key_enabled"]) == (9999, [], False)
    assert (body["instance_version"], body["instance_id"]) == (__version__, "c2c")
    assert "message" not in body


async def test_15_1_a_token_for_the_api_key(omicall: Omicall) -> None:
    response, body = await omicall.ask(
        "GET", f"auth?apiKey={KEY}", token=None, headers={"Content-Type": "application/json"}
    )
    assert response.status == 200
    assert (body["status_code"], body["payload"]["token_type"]) == (9999, "Bearer")
    assert body["instance_name"]
    claims = jwt.decode(body["payload"]["access_token"], options={"verify_signature": False})
    assert claims["account_id"] == A
    assert claims["exp"] - claims["iat"] == pytest.approx(DAY, abs=1)


async def test_15_1_access_type_is_that_of_a_partner_when_there_are_accounts_below(omicall: Omicall) -> None:
    _, body = await omicall.get("auth", token=None, apiKey=KEY)
    assert body["payload"]["access_type"] == "bussiness"
    _, body = await omicall.get("auth", token=None, apiKey=STRANGER_KEY)
    assert body["payload"]["access_type"] == "normal"


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("auth", "api_key_is_required"),
        ("auth?apiKey=", "api_key_is_required"),
        ("auth?apiKey=%20", "api_key_is_required"),
        (f"auth?apiKey={'3' * 64}", "api_key_invalid"),
        ("auth?apiKey=x", "api_key_invalid"),
        ("auth?apiKey=%FF%FE", "api_key_invalid"),
    ],
)
async def test_15_1_without_a_good_key(omicall: Omicall, path: str, message: str) -> None:
    response, body = await omicall.ask("GET", path, token=None)
    assert response.status == 200
    assert (body["status_code"], body["message"], body["payload"]) == (-9999, message, None)


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer TOKEN"},
        {"Authorization": "bearer TOKEN"},
        {"Authorization": "TOKEN"},
        {"Authorization": f"Bearer {KEY}"},
        {"Authorization": KEY},
        {"x-api-key": KEY},
        {"x-api-key": KEY, "Authorization": f"Bearer {KEY}"},
        {"x-api-key": KEY, "Authorization": "Bearer expired"},
    ],
)
async def test_15_all_ways_to_show_a_token(omicall: Omicall, headers: dict[str, str]) -> None:
    headers = {name: value.replace("TOKEN", omicall.token) for name, value in headers.items()}
    response, body = await omicall.ask("GET", "calls", token=None, headers=headers)
    assert (response.status, body["status_code"], body["payload"]) == (200, 9999, [])


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer nonsense"},
        {"Authorization": "Basic eDp5"},
        {"Authorization": f"Bearer {'3' * 64}"},
        {"x-api-key": "3" * 64},
        {"x-api-key": ""},
        {"Authorization": "Bearer \u00fc"},
    ],
)
@pytest.mark.parametrize(("verb", "path"), [("POST", "click2call"), ("GET", "calls"), ("POST", "webhooks/register")])
async def test_15_2_without_a_token(omicall: Omicall, headers: dict[str, str], verb: str, path: str) -> None:
    response, body = await omicall.ask(verb, path, token=None, headers=headers)
    assert (response.status, response.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert (body["status_code"], body["message"], body["payload"]) == (-9999, "unauthorized", None)


async def test_15_a_token_is_good_for_a_day(omicall: Omicall) -> None:
    start = omicall.engine.now()
    omicall.engine.clock = start + DAY - 60
    assert (await omicall.get("calls"))[0].status == 200
    omicall.engine.clock = start + DAY + 60
    assert (await omicall.get("calls"))[0].status == 401


async def test_15_a_token_of_another_account_shows_nothing_of_this_one(omicall: Omicall) -> None:
    call_uuid = await omicall.placed()
    await omicall.log_in(STRANGER_KEY)
    assert (await omicall.get("calls"))[1]["payload"] == []
    for path in (f"calls/{call_uuid}", f"call_transaction/detail/{call_uuid}"):
        assert (await omicall.get(path))[1]["message"] == "call_not_found"
    assert (await omicall.ask("DELETE", f"calls/{call_uuid}"))[1]["message"] == "call_not_found"
    assert omicall.exchange.calls.live


async def test_15_kazoos_tokens_are_good_here_too(omicall: Omicall) -> None:
    assert (await omicall.get("calls", token=omicall.api.token))[0].status == 200


# ── §15.2 click2call ─────────────────────────────────────────────────────────────────────────────────────────────────


async def test_15_2_the_request_of_the_documents(omicall: Omicall) -> None:
    """Seed 4: Bearer token, JSON of three strings, a call_uuid back."""
    response, body = await omicall.post(
        "click2call", {"extension": "100", "hotline": HOTLINE, "phone_number": CUSTOMER}
    )
    assert response.status == 200
    assert (body["status_code"], set(body["payload"])) == (9999, {"call_uuid"})
    call_uuid = body["payload"]["call_uuid"]
    assert str(uuid.UUID(call_uuid)) == call_uuid
    (call,) = omicall.exchange.calls.live.values()
    assert call.history_id == call_uuid.replace("-", "")
    assert call.details == {"extension": "100", "hotline": HOTLINE, "phone_number": CUSTOMER}


async def test_15_2_the_extension_rings_first_and_sees_the_customer(omicall: Omicall) -> None:
    await omicall.placed()
    (order,) = omicall.engine.orders
    assert order.a.uri == "sip:1001@192.0.2.10:5060"
    assert (order.a.from_uri, order.a.from_name) == (f"sip:{DIALLED}@acme.example.com", DIALLED)


@pytest.mark.parametrize(
    ("hotline", "presented"),
    [
        (HOTLINE, HOTLINE),
        (f"+{HOTLINE}", HOTLINE),
        ("02899959300", HOTLINE),
        ("+84 28 7300 9999", "+842873009999"),
        ("842873009999", "+842873009999"),
    ],
)
async def test_15_2_the_customer_sees_the_hotline_through_the_trunk_that_has_it(
    omicall: Omicall, hotline: str, presented: str
) -> None:
    await omicall.placed(hotline=hotline)
    (order,) = omicall.engine.orders
    assert (order.b.trunk, order.b.from_uri) == ("second", f"sip:{presented}@second.example")
    assert order.b.uri == f"sip:{DIALLED}@second.example"
    assert "100" not in order.b.from_name


@pytest.mark.parametrize("kind", ["json without a type", "form", "multipart", "json as a form"])
async def test_15_2_json_and_forms(omicall: Omicall, kind: str) -> None:
    fields = {"extension": "100", "hotline": HOTLINE, "phone_number": CUSTOMER}
    text = '{"extension":"100","hotline":"842899959300","phone_number":"0395187319"}'
    multipart = FormData(fields)
    multipart._is_multipart = True
    options: dict[str, Any] = {
        "json without a type": {"data": text.encode(), "skip_auto_headers": ["Content-Type"]},
        "form": {"data": fields},
        "multipart": {"data": multipart},
        "json as a form": {"data": text, "headers": {"Content-Type": "application/x-www-form-urlencoded"}},
    }[kind]
    _, body = await omicall.ask("POST", "click2call", **options)
    assert body["status_code"] == 9999, body
    assert len(omicall.engine.orders) == 1


@pytest.mark.parametrize("field", ["extension", "hotline", "phone_number"])
@pytest.mark.parametrize("value", [None, "", "   ", True, ["100"], {"x": 1}, 1.5, "missing"])
async def test_15_2_data_is_required(omicall: Omicall, field: str, value: Any) -> None:
    fields = {"extension": "100", "hotline": HOTLINE, "phone_number": CUSTOMER, field: value}
    if value == "missing":
        del fields[field]
    response, body = await omicall.post("click2call", fields)
    assert (response.status, body["status_code"]) == (200, -9999)
    assert body["payload"] == failure("data_is_required", "Please check your input param")
    assert "message" not in body
    assert omicall.engine.orders == []


async def test_15_2_numbers_as_numbers(omicall: Omicall) -> None:
    await omicall.placed(extension=100, hotline=int(HOTLINE), phone_number=84395187319)
    assert omicall.engine.orders[0].b.uri == f"sip:{DIALLED}@second.example"


@pytest.mark.parametrize(
    ("fields", "error", "message"),
    [
        (
            {"extension": "1009"},
            "user_not_registered",
            "User not registered extension with Softphone, IP Phone, Web",
        ),
        ({"hotline": "842899959301"}, "number_call_out_invalid", "Your hotline invalid"),
        ({"hotline": "sip:x@y"}, "number_call_out_invalid", "Your hotline invalid"),
        ({"hotline": "a\r\nb"}, "number_call_out_invalid", "Your hotline invalid"),
        ({"extension": "999"}, "extension_invalid", "Extension not found or disabled"),
        ({"extension": "sip:1001@192.0.2.10"}, "extension_invalid", "Extension not found or disabled"),
        ({"phone_number": "0395187000"}, "do_not_call", "Do not call"),
        ({"phone_number": "+84395187000"}, "do_not_call", "Do not call"),
        ({"phone_number": "113"}, "Unknown", "emergency numbers cannot be called from here"),
        (
            {"phone_number": "1009"},
            "Unknown",
            "extension 1009 is not registered",
        ),
        (
            {"phone_number": "+14155550100"},
            "Unknown",
            "+14155550100 is in US; [calls] countries allows VN",
        ),
        (
            {"phone_number": "no number"},
            "Unknown",
            "contact: Value is no contact: expected a telephone number or a SIP URI",
        ),
        ({"metadata": [1]}, "Unknown", "metadata: Value did not match type(s): object"),
    ],
)
async def test_15_2_what_is_known_before_anything_rings(
    omicall: Omicall, fields: dict[str, Any], error: str, message: str
) -> None:
    response, body = await omicall.call(**fields)
    assert (response.status, body["status_code"]) == (200, -9999)
    assert body["payload"] == failure(error, message)
    assert omicall.engine.orders == []


@pytest.mark.parametrize("missing", [b"", b'{"extension":"100","hotline":"842899959300","phone_number":"0395187319"}'])
async def test_15_2_tenant_invalid_when_the_account_is_gone(omicall: Omicall, missing: bytes) -> None:
    del omicall.exchange.accounts.by_id[A]
    response, body = await omicall.ask("POST", "click2call", data=missing)
    assert response.status == 200
    assert body["payload"] == failure("tenant_invalid", "Your tenant not found")
    assert (await omicall.get("calls"))[1]["message"] == "tenant_invalid"


class TestAnExpiredAccount:
    @pytest.fixture
    def settings_text(self) -> str:
        return OMICALL.replace('name = "acme"', 'name = "acme"\nexpires = "2099-12-31"')

    async def test_15_2_tenant_invalid_when_the_account_is_disabled(self, omicall: Omicall) -> None:
        omicall.engine.clock = 4_200_000_000.0
        headers = {"x-api-key": KEY}
        fields = {"extension": "100", "hotline": HOTLINE, "phone_number": CUSTOMER}
        _, body = await omicall.post("click2call", fields, token=None, headers=headers)
        assert body["payload"] == failure("tenant_invalid", "Your tenant not found")
        assert (await omicall.ask("GET", "calls", token=None, headers=headers))[1]["message"] == "tenant_invalid"
        assert (await omicall.get("auth", token=None, apiKey=KEY))[1]["message"] == "tenant_invalid"
        assert omicall.engine.orders == []


def busy(engine: ScriptedEngine, call_id: str) -> None:
    engine.end(call_id, "USER_BUSY", "a", 486)


def unknown_there(engine: ScriptedEngine, call_id: str) -> None:
    engine.end(call_id, "UNALLOCATED_NUMBER", "a", 404)


def rejects(engine: ScriptedEngine, call_id: str) -> None:
    engine.end(call_id, "CALL_REJECTED", "a", 603)


def absent(engine: ScriptedEngine, call_id: str) -> None:
    engine.end(call_id, "SUBSCRIBER_ABSENT", "a", 480)


@pytest.mark.parametrize(
    ("script", "error", "message"),
    [
        (busy, "user_busy", "User busy"),
        (unknown_there, "extension_invalid", "Extension not found or disabled"),
        (absent, "user_not_registered", "User not registered extension with Softphone, IP Phone, Web"),
        (rejects, "Unknown", "the extension could not be rung: CALL_REJECTED"),
    ],
)
async def test_15_2_the_extension_does_not_ring(omicall: Omicall, script: Script, error: str, message: str) -> None:
    omicall.engine.then = script
    response, body = await omicall.call()
    assert (response.status, body["status_code"], body["payload"]) == (200, -9999, failure(error, message))


def answers_at_once(engine: ScriptedEngine, call_id: str) -> None:
    engine.answer(call_id)


@pytest.mark.parametrize("script", [rings, answers_at_once])
async def test_15_2_the_answer_comes_as_soon_as_the_extension_rings(
    omicall: Omicall, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("c2c_b2bua.service.calls.PATIENCE", {"ringing": 60.0})
    omicall.engine.then = script
    assert await omicall.placed()


async def test_15_2_nobody_waits_longer_than_the_patience(omicall: Omicall, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("c2c_b2bua.service.calls.PATIENCE", {"ringing": 0.0})
    omicall.engine.then = lambda engine, call_id: None
    assert await omicall.placed()


async def test_15_2_request_body_required(omicall: Omicall) -> None:
    for path in ("click2call", "webhooks/register"):
        response, body = await omicall.ask("POST", path, data=b"")
        assert (response.status, body["message"], body["payload"]) == (200, "request_body_required", None)


class TestWithoutHotlines:
    @pytest.fixture
    def settings_text(self) -> str:
        return re.sub(r"(?m)^hotlines = .*$", "", OMICALL)

    async def test_15_2_a_trunk_without_hotlines_presents_any_number(self, omicall: Omicall) -> None:
        await omicall.placed(hotline="842899959300")
        assert omicall.engine.orders[0].b.from_uri == "sip:+842899959300@sip.carrier.example"
        assert (await omicall.call(hotline="no number"))[1]["payload"]["error"] == "number_call_out_invalid"
        assert (await omicall.get("call_center/hotline/list", extension="100"))[1]["payload"] == []


class TestLimits:
    @pytest.fixture
    def settings_text(self) -> str:
        return OMICALL.replace("[calls]", "[calls]\nmax_calls = 1")

    async def test_15_2_unknown_when_there_is_no_room(self, omicall: Omicall) -> None:
        await omicall.placed()
        response, body = await omicall.call()
        assert body["payload"] == failure("Unknown", "the service is at its limit of calls")
        assert (response.status, response.headers["Retry-After"]) == (200, "1")


async def test_15_2_a_service_that_stops_makes_no_call(omicall: Omicall) -> None:
    omicall.exchange.drain()
    response, body = await omicall.call()
    assert (response.status, response.headers["Retry-After"]) == (503, "5")
    assert body["payload"] == failure("Unknown", "the service is stopping")


async def test_15_2_a_database_that_is_locked_rings_nobody(omicall: Omicall) -> None:
    await omicall.exchange.history.store.stop()
    response, body = await omicall.call()
    assert (response.status, body["payload"]["error"]) == (503, "Unknown")
    assert body["payload"]["message"].startswith("datastore: ")
    assert omicall.engine.orders == []


async def test_idempotency_key(omicall: Omicall) -> None:
    headers = {"Idempotency-Key": "k1"}
    fields = {"extension": "100", "hotline": HOTLINE, "phone_number": CUSTOMER}
    _, first = await omicall.post("click2call", fields, headers=headers)
    _, again = await omicall.post("click2call", fields, headers=headers)
    assert (first["status_code"], again, len(omicall.engine.orders)) == (9999, first, 1)
    response, body = await omicall.post("click2call", {**fields, "phone_number": "0395187320"}, headers=headers)
    assert (response.status, body["payload"]["error"]) == (409, "Unknown")
    assert "idempotency key" in body["payload"]["message"]


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb"])
async def test_an_idempotency_key_beyond_reason(omicall: Omicall, key: str) -> None:
    fields = {"extension": "100", "hotline": HOTLINE, "phone_number": CUSTOMER}
    _, body = await omicall.post("click2call", fields, headers={"Idempotency-Key": key})
    assert (body["status_code"], body["message"].partition(":")[0]) == (-9999, "idempotency_key_invalid")
    assert omicall.engine.orders == []


async def test_dry_run(omicall: Omicall) -> None:
    _, body = await omicall.call(dry_run=True)
    payload = body["payload"]
    assert (body["status_code"], payload["dry_run"], payload["accepted"]) == (9999, True, True)
    assert [(leg["leg"], leg["trunk"]) for leg in payload["legs"]] == [("a", None), ("b", "second")]
    assert payload["invite"].startswith("INVITE sip:1001@192.0.2.10:5060")
    _, body = await omicall.call(dry_run="true", phone_number="0395187000")
    assert body["payload"]["accepted"] is False
    assert omicall.engine.orders == []


async def test_metadata_is_seen_again(omicall: Omicall) -> None:
    call_uuid = await omicall.placed(metadata={"order": 7})
    assert (await omicall.get(f"calls/{call_uuid}"))[1]["payload"]["metadata"] == {"order": 7}
    omicall.engine.end(omicall.engine.orders[0].call_id, "USER_BUSY", "a", 486)
    assert (await omicall.get(f"call_transaction/detail/{call_uuid}"))[1]["payload"]["metadata"] == {"order": 7}


async def test_metadata_in_a_form_is_json(omicall: Omicall) -> None:
    fields = {"extension": "100", "hotline": HOTLINE, "phone_number": CUSTOMER}
    await omicall.ask("POST", "click2call", data={**fields, "metadata": '{"order":7}'})
    (call,) = omicall.exchange.calls.live.values()
    assert call.details["metadata"] == {"order": 7}
    _, body = await omicall.ask("POST", "click2call", data={**fields, "metadata": "{"})
    assert body["message"].startswith("metadata_invalid: not JSON")


# ── live calls, beyond OMICall ───────────────────────────────────────────────────────────────────────────────────────


async def test_live_calls(omicall: Omicall) -> None:
    omicall.engine.clock = 1_800_000_000.25
    await omicall.log_in()
    call_uuid = await omicall.placed()
    call_id = omicall.engine.orders[0].call_id
    expected = {
        "call_uuid": call_uuid,
        "state": "ringing",
        "progress": "ringing_a",
        "from_number": "100",
        "to_number": CUSTOMER,
        "hotline": HOTLINE,
        "created_time": 1_800_000_000,
        "direction": "outbound",
    }
    assert (await omicall.get("calls"))[1]["payload"] == [expected]
    for name in (call_uuid, call_uuid.replace("-", ""), call_uuid.upper(), call_id):
        assert (await omicall.get(f"calls/{name}"))[1]["payload"] == expected
    omicall.engine.bridge(call_id)
    bridged = {**expected, "state": "answered", "progress": "bridged"}
    assert (await omicall.get(f"calls/{call_uuid}"))[1]["payload"] == bridged
    _, body = await omicall.ask("DELETE", f"calls/{call_uuid}")
    assert (body["status_code"], body["payload"]) == (9999, bridged)
    assert (await omicall.get("calls"))[1]["payload"] == []
    _, body = await omicall.get(f"calls/{call_uuid}")
    assert (body["payload"]["disposition"], body["payload"]["ended_by"]) == ("answered", "api")
    _, body = await omicall.ask("DELETE", f"calls/{call_uuid}")
    assert (body["status_code"], body["message"]) == (-9999, "call_not_found")


@pytest.mark.parametrize("name", ["x", "0" * 32, "00000000-0000-0000-0000-000000000000", "%FF", "{}", "urn:uuid:x"])
async def test_a_call_that_is_none(omicall: Omicall, name: str) -> None:
    for verb, path in [("GET", "calls"), ("DELETE", "calls"), ("GET", "call_transaction/detail")]:
        response, body = await omicall.ask(verb, f"{path}/{name}")
        assert (response.status, body["status_code"], body["message"]) == (200, -9999, "call_not_found")


# ── keys that change ─────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_key_that_another_process_changed_is_noticed_within_a_second(omicall: Omicall) -> None:
    accounts, engine = omicall.exchange.accounts, omicall.engine
    engine.clock = engine.now()
    account, old = await accounts.add("new", "new.example.com")
    new = "4" * 64

    async def statuses() -> list[int]:
        return [
            (await omicall.ask("GET", "calls", token=None, headers={"x-api-key": key}))[0].status for key in (old, new)
        ]

    assert await statuses() == [200, 401]
    await accounts.store.set_api_key(account.id, hash_of(new))
    engine.clock += 1.1
    assert await statuses() == [401, 200]
