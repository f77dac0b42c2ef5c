"""§15 of the API description: OMICall's token, click-to-call, lists and transactions."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from typing import Any

import jwt
import msgspec
import pytest
from aiohttp import FormData

from c2c_b2bua import __version__
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
        return OMICALL + "max_calls = 1\n"

    async def test_15_2_unknown_when_the_trunk_is_full(self, omicall: Omicall) -> None:
        await omicall.placed()
        response, body = await omicall.call()
        assert body["payload"] == failure("Unknown", "every trunk is at its limit of calls")
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


# ── §15.3 lists ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_15_3_hotlines(omicall: Omicall) -> None:
    hotlines = ["02899959300x", HOTLINE, "+842873009999"]
    assert (await omicall.get("call_center/hotline/list", extension="100"))[1]["payload"] == hotlines
    assert (await omicall.get("call_center/hotline/list"))[1]["payload"] == hotlines
    _, body = await omicall.get("call_center/hotline/list", extension="999")
    assert (body["status_code"], body["message"]) == (-9999, "extension_invalid")


async def test_15_3_internal_phones(omicall: Omicall) -> None:
    _, body = await omicall.get("call_center/internal_phone/list")
    page = body["payload"]
    assert {name: page[name] for name in page if name != "items"} == {
        "page_number": 1,
        "page_size": 50,
        "total_items": 3,
        "total_pages": 1,
        "has_next": False,
        "next_page": 1,
        "has_previous": False,
        "previous_page": 1,
    }
    assert [item["sip_user"] for item in page["items"]] == ["1009", "100", "2600"]
    user = next(user for user in omicall.exchange.accounts.by_id[A].users if user.username == "mrossi")
    assert page["items"][0] == {
        "domain": "acme.example.com",
        "outbound_proxy": "sip:127.0.0.1:5060;transport=udp",
        "sip_user": "1009",
        "password": "",
        "full_name": "Đỗ Thị Hồng Vy",
        "agent_id": user.id,
        "email": "vy@acme.example.com",
        "public_number": "02899959300x",
        "last_updated_date": 0,
        "created_date": 0,
    }


@pytest.mark.parametrize(
    ("query", "found", "rest"),
    [
        ({"page": "1", "size": "2"}, ["1009", "100"], (1, 2, 3, 2, True, 2, False, 1)),
        ({"page": "2", "size": "2"}, ["2600"], (2, 2, 3, 2, False, 2, True, 1)),
        ({"page": "9", "size": "2"}, [], (9, 2, 3, 2, False, 9, True, 8)),
        ({"keyword": "260"}, ["2600"], (1, 50, 1, 1, False, 1, False, 1)),
        ({"keyword": "hồng"}, ["1009"], (1, 50, 1, 1, False, 1, False, 1)),
        ({"keyword": "VY@"}, ["1009"], (1, 50, 1, 1, False, 1, False, 1)),
        ({"keyword": "nobody"}, [], (1, 50, 0, 0, False, 1, False, 1)),
        ({"size": "100000"}, ["1009", "100", "2600"], (1, 1000, 3, 1, False, 1, False, 1)),
    ],
)
async def test_15_3_pages_of_phones(
    omicall: Omicall, query: dict[str, str], found: list[str], rest: tuple[Any, ...]
) -> None:
    _, body = await omicall.get("call_center/internal_phone/list", **query)
    page = body["payload"]
    assert [item["sip_user"] for item in page.pop("items")] == found
    names = ("page_number", "page_size", "total_items", "total_pages", "has_next", "next_page", "has_previous")
    assert tuple(page[name] for name in (*names, "previous_page")) == rest


@pytest.mark.parametrize("query", [{"page": "0"}, {"page": "-1"}, {"page": "x"}, {"page": "1e9"}, {"page": "9" * 30}])
async def test_15_3_a_page_that_is_none(omicall: Omicall, query: dict[str, str]) -> None:
    for path in ("call_center/internal_phone/list", "call_transaction/list"):
        for name in ("page", "size"):
            dates = {"from_date": "1", "to_date": "2"}
            _, body = await omicall.get(path, **{name: query["page"]}, **dates)
            if name == "page" or query["page"] != "9" * 30:
                assert body["message"].startswith(f"{name}_invalid: expected a number from 1")


# ── §15.3 transactions ───────────────────────────────────────────────────────────────────────────────────────────────

NOON = 1_800_000_000.5


async def talked(omicall: Omicall, at: float = NOON, **fields: Any) -> str:
    """A call of 20 seconds, 12 of which both talked."""
    omicall.engine.clock = at
    await omicall.log_in()
    call_uuid = await omicall.placed(**fields)
    call_id = omicall.engine.orders[-1].call_id
    omicall.engine.clock = at + 8
    omicall.engine.bridge(call_id)
    omicall.engine.clock = at + 20
    omicall.engine.end(call_id, "NORMAL_CLEARING", "b", 200)
    return call_uuid


async def missed(omicall: Omicall, at: float, **fields: Any) -> str:
    omicall.engine.clock = at
    await omicall.log_in()
    call_uuid = await omicall.placed(**fields)
    omicall.engine.clock = at + 30
    omicall.engine.end(omicall.engine.orders[-1].call_id, "NO_ANSWER", "timer", 408, "No answer")
    return call_uuid


async def test_15_3_detail_of_a_call_that_was_answered(omicall: Omicall) -> None:
    call_uuid = await talked(omicall)
    _, body = await omicall.get(f"call_transaction/detail/{call_uuid}")
    assert body["payload"] == {
        "transaction_id": call_uuid,
        "direction": "outbound",
        "source_number": HOTLINE,
        "destination_number": CUSTOMER,
        "disposition": "answered",
        "bill_sec": 12,
        "answer_sec": 8,
        "duration": 20,
        "record_seconds": 0,
        "time_start_to_answer": 1_800_000_008,
        "recording_file": "",
        "sip_user": "100",
        "sip_number": HOTLINE,
        "phone_number": CUSTOMER,
        "created_date": 1_800_000_000_500,
        "last_updated_date": 1_800_000_020_500,
        "ivr": "none",
        "note": "",
        "tag": [],
        "provider": "",
        "is_auto_call": False,
        "user": [],
        "customer": {"full_name": "", "full_name_unsigned": ""},
        "state": "cdr",
        "cause": "NORMAL_CLEARING",
        "sip_code": 200,
        "ended_by": "b",
    }


async def test_15_3_detail_of_a_call_that_was_not(omicall: Omicall) -> None:
    call_uuid = await missed(omicall, NOON)
    _, body = await omicall.get(f"call_transaction/detail/{call_uuid}")
    shown = body["payload"]
    assert (shown["disposition"], shown["bill_sec"], shown["answer_sec"], shown["duration"]) == ("cancelled", 0, 0, 30)
    assert (shown["time_start_to_answer"], shown["cause"], shown["sip_code"]) == (0, "NO_ANSWER", 408)


async def test_15_3_detail_of_a_call_that_goes_on(omicall: Omicall) -> None:
    call_uuid = await omicall.placed()
    _, body = await omicall.get(f"call_transaction/detail/{call_uuid}")
    shown = body["payload"]
    assert (shown["transaction_id"], shown["disposition"], shown["state"]) == (call_uuid, "", "ringing")
    assert (shown["sip_user"], shown["destination_number"]) == ("100", CUSTOMER)


async def test_15_3_detail_of_a_call_of_another_dialect(omicall: Omicall) -> None:
    document = await omicall.api.create(extension="2600")
    await omicall.api.connect(document, "0395187319")
    call_id = omicall.engine.orders[-1].call_id
    omicall.engine.bridge(call_id)
    omicall.engine.end(call_id, "NORMAL_CLEARING", "a", 200)
    _, body = await omicall.api.call("GET", f"/v2/accounts/{A}/clicktocall/{document}/history")
    call_uuid = uuid.UUID(body["data"][0]["id"])
    _, body = await omicall.get(f"call_transaction/detail/{call_uuid}")
    shown = body["payload"]
    assert (shown["sip_user"], shown["destination_number"], shown["source_number"]) == ("2600", DIALLED, "")


def listed(body: Any) -> list[str]:
    return [item["transaction_id"] for item in body["payload"]["items"]]


def window(start: float = NOON - 60, end: float = NOON + 86_400) -> dict[str, str]:
    return {"from_date": str(int(start * 1000)), "to_date": str(int(end * 1000))}


async def test_15_3_transactions_newest_first_in_pages(omicall: Omicall) -> None:
    calls = [await missed(omicall, NOON + 100 * number) for number in range(5)][::-1]
    pages = []
    for page in ("1", "2", "3"):
        _, body = await omicall.get("call_transaction/list", **window(), page=page, size="2")
        pages.append(listed(body))
        assert (body["payload"]["total_items"], body["payload"]["total_pages"]) == (5, 3)
        assert body["payload"]["has_next"] is (page != "3")
    assert pages == [calls[:2], calls[2:4], calls[4:]]
    assert (await omicall.get("call_transaction/list", **window(), page="9"))[1]["payload"]["items"] == []


async def test_15_3_transactions_of_a_time(omicall: Omicall) -> None:
    calls = [await missed(omicall, NOON + 100 * number) for number in range(3)]
    _, body = await omicall.get("call_transaction/list", **window(NOON + 100, NOON + 199))
    assert listed(body) == [calls[1]]


async def test_15_3_calls_that_go_on_are_not_listed_yet(omicall: Omicall) -> None:
    omicall.engine.clock = NOON
    await omicall.log_in()
    await omicall.placed()
    assert listed((await omicall.get("call_transaction/list", **window()))[1]) == []


async def test_15_3_calls_of_others_are_not_listed(omicall: Omicall) -> None:
    await talked(omicall)
    await omicall.log_in(STRANGER_KEY)
    assert listed((await omicall.get("call_transaction/list", **window()))[1]) == []


class TestFilters:
    @pytest.fixture
    def settings_text(self) -> str:
        """Both phones can be rung."""
        registered = '[[account.extension]]\n  number = "2601"\n  uri = "sip:2601@192.0.2.12"\n  [[account.extension]]'
        return OMICALL.replace("[[account.extension]]", registered, 1)

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ("", "abc"),
            ("disposition=answered", "a"),
            ("disposition=cancelled", "bc"),
            ("direction=outbound", "abc"),
            ("direction=inbound", ""),
            ('direction=["inbound","outbound"]', "abc"),
            ("sip_user=100", "ac"),
            ("sip_user=2601", "b"),
            ("sip_user=2601&disposition=answered", ""),
            ("agents=vy@acme.example.com", ""),
            ('agents=["nobody@acme.example.com"]&sip_user=100', ""),
            ("sip_numbers=842873009999", "c"),
            (f"sip_numbers={HOTLINE},842873009999", "abc"),
            ("sip_numbers[]=1&sip_numbers[]=842873009999", "c"),
            ("source_number=842873009999", "c"),
            ("destination_number=0395187320", "b"),
            ("destination_number=%2B84395187320", "b"),
            ("keyword=187320", "b"),
            ("keyword=nothing", ""),
            ("size=1&page=2&sip_user=100", "a"),
            ("user_uuids=x&is_auto_call=false", "abc"),
        ],
    )
    async def test_15_3_filters(self, omicall: Omicall, query: str, found: str) -> None:
        calls = {
            "a": await talked(omicall, NOON),
            "b": await missed(omicall, NOON + 100, extension="2601", phone_number="0395187320"),
            "c": await missed(omicall, NOON + 200, hotline="842873009999"),
        }
        dates = "&".join(f"{name}={value}" for name, value in window().items())
        _, body = await omicall.ask("GET", f"call_transaction/list?{dates}&{query}")
        assert listed(body) == [calls[name] for name in reversed(found)]
        if "size=1" not in query:
            assert body["payload"]["total_items"] == len(found)

    async def test_15_3_calls_of_an_agent(self, omicall: Omicall) -> None:
        """By e-mail: whoever has the extension, whatever its calls say."""
        phones = omicall.exchange.accounts.by_id[A].phones
        phones["1009"] = msgspec.structs.replace(phones["1009"], uri="sip:1009@192.0.2.13")
        mine = await missed(omicall, NOON, extension="1009")
        await missed(omicall, NOON + 100)
        _, body = await omicall.get("call_transaction/list", **window(), agents="VY@acme.example.com")
        assert listed(body) == [mine]
        assert body["payload"]["items"][0]["user"] == [
            {"full_name": "Đỗ Thị Hồng Vy", "full_name_unsigned": "Do Thi Hong Vy", "note": None, "tag": []}
        ]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({}, "from_date_is_required"),
        ({"to_date": "1"}, "from_date_is_required"),
        ({"from_date": ""}, "from_date_is_required"),
        ({"from_date": "1"}, "to_date_is_required"),
        ({"from_date": "x", "to_date": "2"}, "date_invalid"),
        ({"from_date": "-1", "to_date": "2"}, "date_invalid"),
        ({"from_date": "1", "to_date": "2.5"}, "date_invalid"),
        ({"from_date": "2", "to_date": "1"}, "date_invalid"),
        ({"from_date": "1", "to_date": "9" * 16}, "date_invalid"),
        ({"from_date": "\u0661", "to_date": "2"}, "date_invalid"),
        ({"from_date": "0", "to_date": str(30 * 86_400_000 + 1)}, "date_is_too_long"),
        ({"from_date": "1", "to_date": "2", "disposition": "x"}, "disposition_invalid: expected answered or cancelled"),
        (
            {"from_date": "1", "to_date": "2", "direction": "x"},
            "direction_invalid: expected inbound, local, outbound",
        ),
        (
            {"from_date": "1", "to_date": "2", "agents": "[[1]]"},
            "agents_invalid: expected a list of strings",
        ),
    ],
)
async def test_15_3_dates_and_filters_that_are_none(omicall: Omicall, query: dict[str, str], message: str) -> None:
    response, body = await omicall.get("call_transaction/list", **query)
    assert (response.status, body["status_code"], body["message"], body["payload"]) == (200, -9999, message, None)


async def test_15_3_thirty_days_are_not_too_long(omicall: Omicall) -> None:
    _, body = await omicall.get("call_transaction/list", from_date="0", to_date=str(30 * 86_400_000))
    assert body["status_code"] == 9999


# ── the door ─────────────────────────────────────────────────────────────────────────────────────────────────────────


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
