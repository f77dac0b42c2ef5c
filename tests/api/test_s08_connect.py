"""§8 of the API description: connect, its parameters, who is rung and who sees what; and what we add to it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from c2c_b2bua.service import calls
from tests.api.conftest import SETTINGS, A, Api
from tests.api.scripted_engine import ScriptedEngine

LIST = f"/v2/accounts/{A}/clicktocall"
NOBODY = "0" * 32


async def test_8_1_a_token_is_needed_by_default(api: Api) -> None:
    document = await api.create()
    response, _ = await api.connect(document, token=None)
    assert response.status == 401
    response, _ = await api.connect(NOBODY, token=None)
    assert response.status == 401
    response, body = await api.connect(NOBODY)
    assert (response.status, body["message"]) == (404, "bad_identifier")


@pytest.mark.parametrize("token", [None, "nonsense", "undefined"])
@pytest.mark.parametrize("verb", ["GET", "POST"])
async def test_8_1_an_open_connect_is_for_anyone(api: Api, verb: str, token: str | None) -> None:
    document = await api.create(auth_required=False)
    path = f"{LIST}/{document}/connect?contact=4155550100"
    response, body = await api.call(verb, path, token=token, headers={"Origin": "https://shop.example"})
    assert (response.status, body["status"]) == (200, "success")
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert "auth_token" not in body
    response, _ = await api.call("GET", f"{LIST}/{document}/history", token=token)
    assert response.status == 401


@pytest.mark.parametrize("contact", [4155550100, "4155550100", "+1 415-555-0100"])
async def test_8_2_contacts(api: Api, contact: Any) -> None:
    _, body = await api.connect(await api.create(), contact)
    assert body["data"]["application_data"] == {"route": "+14155550100"}


@pytest.mark.parametrize("fields", [{}, {"contact": ""}, {"contact": None}])
async def test_8_2_a_missing_contact(api: Api, fields: dict[str, Any]) -> None:
    document = await api.create(whitelist=["^nobody$"])
    response, body = await api.call("POST", f"{LIST}/{document}/connect", fields)
    message = "The contact extension for this click to call has not been set"
    assert (response.status, body["message"]) == (400, "validation error")
    assert body["data"] == {"contact": {"required": {"message": message}}}
    assert api.engine.orders == []


@pytest.mark.parametrize(
    ("contact", "code"),
    [
        (True, "type"),
        (["4155550100"], "type"),
        ({"a": 1}, "type"),
        (4155550100.5, "type"),
        ("call me", "pattern"),
        ("415\r\n5550100", "pattern"),
        ("sip:a@b?Route=x", "pattern"),
        ("\x00", "pattern"),
    ],
)
async def test_8_2_what_is_no_contact(api: Api, contact: Any, code: str) -> None:
    response, body = await api.connect(await api.create(), contact)
    assert (response.status, list(body["data"]["contact"])) == (400, [code])
    assert api.engine.orders == []


async def test_8_2_query_parameters_become_variables(api: Api) -> None:
    document = await api.create()
    path = f"{LIST}/{document}/connect?contact=4155550100&color=red&Account-ID=x&auth_token={api.token}"
    _, body = await api.call("POST", path, {"custom_application_vars": {"a": "b"}})
    assert body["data"]["custom_application_vars"] == {"a": "b", "contact": "4155550100", "color": "red"}


async def test_8_3_a_plus_that_became_a_space(api: Api) -> None:
    document = await api.create()
    _, body = await api.call("GET", f"{LIST}/{document}/connect?contact=+14155550100")
    assert body["data"]["application_data"] == {"route": "+14155550100"}
    _, body = await api.call("GET", f"{LIST}/{document}/connect?contact=%2B14155550100")
    assert body["data"]["application_data"] == {"route": "+14155550100"}


@pytest.mark.parametrize(
    ("whitelist", "is_let_in"),
    [([], True), (["^\\+1415"], True), (["^415"], False), (["555"], True), (["x", "0100$"], True), (["^\\+44"], False)],
)
async def test_8_4_whitelist(api: Api, whitelist: list[str], is_let_in: bool) -> None:
    document = await api.create(whitelist=whitelist)
    response, body = await api.connect(document, "4155550100")
    if is_let_in:
        assert response.status == 200
        return
    assert (response.status, body["message"], body["data"]) == (400, "Contact doesn't match whitelist", "+14155550100")
    assert api.engine.orders == []
    _, body = await api.call("GET", f"{LIST}/{document}/history")
    assert body["data"] == []


async def test_8_4_a_pattern_that_stalls_others_does_not_stall_us(api: Api) -> None:
    document = await api.create(whitelist=["(\\d+)+x"])
    async with asyncio.timeout(2):
        response, _ = await api.connect(document, "+" + "1" * 60)
    assert response.status == 400


async def test_8_5_the_answer(api: Api) -> None:
    document = await api.create(presence_id="1001", ringback="tone", music_on_hold={"media_id": "m"})
    response, body = await api.call("GET", f"{LIST}/{document}/connect?contact=4155550100")
    data = body["data"]
    assert response.status == 200
    assert data["call_id"].startswith(f"c2c-{document}-") and len(data["call_id"]) == len(document) + 15
    assert data["call_id"] == api.engine.orders[0].call_id
    assert data == {
        "application_name": "transfer",
        "application_data": {"route": "+14155550100"},
        "call_id": data["call_id"],
        "outbound_call_id": data["call_id"],
        "origination_call_id": data["call_id"],
        "endpoints": [{"invite_format": "loopback", "route": "1001", "to_did": "1001", "to_realm": "acme.example.com"}],
        "timeout": 30,
        "ignore_early_media": True,
        "outbound_callee_id_name": "1001",
        "outbound_callee_id_number": "1001",
        "outbound_caller_id_name": "Sales",
        "outbound_caller_id_number": "+14155550100",
        "dial_endpoint_method": "single",
        "continue_on_fail": True,
        "custom_channel_vars": {
            "account_id": A,
            "authorizing_id": document,
            "authorizing_type": "clicktocall",
            "auto_answer_loopback": True,
            "from_uri": "1001@acme.example.com",
            "request_uri": "+14155550100@acme.example.com",
            "loopback_request_uri": "+14155550100@acme.example.com",
            "inherit_codec": False,
            "retain_cid": True,
        },
        "custom_application_vars": {"contact": "4155550100"},
        "export_custom_channel_vars": [
            "Account-ID",
            "Authorizing-ID",
            "Authorizing-Type",
            "Loopback-Request-URI",
            "From-URI",
            "Request-URI",
        ],
        "simplify_loopback": False,
        "loopback_bowout": False,
        "start_control_process": False,
        "presence_id": "1001",
        "ringback": "tone",
        "hold_media": "m",
    }
    assert body["revision"].startswith("1-")


async def test_8_6_extension_first(api: Api) -> None:
    document = await api.create(
        caller_id_number="+14155550199", outbound_callee_id_name="Acme", outbound_callee_id_number="4155550111"
    )
    _, body = await api.connect(document)
    (order,) = api.engine.orders
    assert (order.a.target, order.a.uri, order.a.next_hop) == ("1001", "sip:1001@192.0.2.10:5060", "")
    assert (order.a.from_name, order.a.from_uri) == ("Sales", "sip:+14155550199@acme.example.com")
    assert (order.b.target, order.b.uri) == ("+14155550100", "sip:+14155550100@sip.carrier.example:5080")
    assert order.b.next_hop == "sip:sip.carrier.example:5080;transport=tcp"
    assert (order.b.from_name, order.b.from_uri) == ("Acme", "sip:+14155550111@sip.carrier.example")
    assert (order.b.trunk, order.b.username, order.b.password) == ("carrier", "u", "p")
    assert body["data"]["outbound_caller_id_number"] == "+14155550199"
    assert body["data"]["outbound_callee_id_number"] == "+14155550111"


async def test_8_6_contact_first(api: Api) -> None:
    _, body = await api.connect(await api.create(dial_first="contact"))
    (order,) = api.engine.orders
    assert (order.a.target, order.a.trunk, order.b.target) == ("+14155550100", "carrier", "1001")
    assert (order.a.from_name, order.a.from_uri) == ("1001", "sip:1001@sip.carrier.example")
    assert (order.b.from_name, order.b.from_uri) == ("Sales", "sip:+14155550100@acme.example.com")
    assert order.a.headers == ()
    data = body["data"]
    assert data["endpoints"][0]["route"] == "+14155550100"
    assert data["application_data"] == {"route": "1001"}
    assert (data["outbound_caller_id_name"], data["outbound_callee_id_name"]) == ("1001", "Sales")
    assert data["custom_channel_vars"]["from_uri"] == "1001@acme.example.com"
    assert data["custom_channel_vars"]["request_uri"] == "+14155550100@acme.example.com"


async def test_8_6_timeout_is_that_of_the_first_leg(api: Api) -> None:
    await api.connect(await api.create(timeout=12))
    await api.connect(await api.create(timeout=0))
    first, second = api.engine.orders
    assert (first.a.ring_timeout, first.b.ring_timeout) == (12.0, 30.0)
    assert second.a.ring_timeout == 30.0
    assert (second.a.session_expires, second.b.session_expires) == (1200, 1200)


@pytest.mark.parametrize(
    ("fields", "query", "headers"),
    [
        ({}, "", (("Call-Info", "<sip:acme.example.com>;answer-after=0"),)),
        ({}, "&auto_answer=true", (("Call-Info", "<sip:acme.example.com>;answer-after=0"),)),
        ({}, "&auto_answer", (("Call-Info", "<sip:acme.example.com>;answer-after=0"),)),
        ({}, "&auto_answer=false", ()),
        ({}, "&auto_answer=0", ()),
        ({"extension": "4155550111"}, "", ()),
        ({"custom_sip_headers": {"Alert-Info": "Auto Answer"}}, "", (("Alert-Info", "Auto Answer"),)),
    ],
)
async def test_8_6_auto_answer_is_one_header_to_the_extension(
    api: Api, fields: dict[str, Any], query: str, headers: tuple[tuple[str, str], ...]
) -> None:
    document = await api.create(**fields)
    await api.call("GET", f"{LIST}/{document}/connect?contact=4155550100{query}")
    assert api.engine.orders[0].a.headers == headers
    assert not any(name == "Call-Info" for name, _ in api.engine.orders[0].b.headers)


@pytest.mark.parametrize("custom", [{"X-Campaign": "7"}, {"out": {"X-Campaign": "7"}, "in": {"X-Other": "8"}}])
async def test_8_6_custom_headers_go_to_both(api: Api, custom: dict[str, Any]) -> None:
    await api.connect(await api.create(custom_sip_headers=custom))
    (order,) = api.engine.orders
    assert ("X-Campaign", "7") in order.a.headers and ("X-Campaign", "7") in order.b.headers
    assert not any(name == "X-Other" for name, _ in order.a.headers)


async def test_8_6_names_and_numbers_are_made_safe_for_a_uri(api: Api) -> None:
    await api.connect(await api.create(name='A "B" <sip:x>', caller_id_number="a@b;c?d e>"))
    order = api.engine.orders[0]
    assert order.a.from_uri == "sip:a%40b;c?d%20e%3E@acme.example.com"
    assert order.a.from_name == 'A "B" <sip:x>'


@pytest.mark.parametrize("blocking", ["data", "bare", "query", "text"])
async def test_8_7_blocking_waits_for_the_first_leg(api: Api, blocking: str) -> None:
    api.engine.then = lambda engine, call_id: engine.bridge(call_id)
    query = {"bare": "?blocking", "query": "?blocking=true"}.get(blocking, "")
    fields: dict[str, Any] = {"contact": "4155550100"}
    if blocking in ("data", "text"):
        fields["blocking"] = True if blocking == "data" else "true"
    document = await api.create()
    response, body = await api.call("POST", f"{LIST}/{document}/connect{query}", fields)
    data = body["data"]
    assert (response.status, body["status"], data["result"]) == (200, "success", "success")
    assert (data["contact"], data["call_id"]) == ("+14155550100", api.engine.orders[0].call_id)
    assert len(data["id"]) == 32
    assert data["timestamp"] > 63_000_000_000
    assert "cause" not in data


async def test_8_7_blocking_tells_why_not(api: Api) -> None:
    api.engine.then = lambda engine, call_id: engine.end(call_id, "USER_BUSY", "a", 486, "Busy Here")
    response, body = await api.call(
        "POST", f"{LIST}/{await api.create()}/connect", {"contact": "4155550100", "blocking": True}
    )
    assert (response.status, body["data"]["result"], body["data"]["cause"]) == (200, "error", "USER_BUSY")


async def test_8_7_blocking_does_not_wait_for_ever(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(calls.PATIENCE, "answered", 0.01)
    document = await api.create()
    _, body = await api.call("POST", f"{LIST}/{document}/connect", {"contact": "4155550100", "blocking": True})
    assert (body["data"]["result"], body["data"]["cause"]) == ("error", "timed out")
    api.engine.bridge(body["data"]["call_id"])
    api.engine.end(body["data"]["call_id"], "NORMAL_CLEARING", "a")
    _, body = await api.call("GET", f"{LIST}/{document}/history")
    assert body["data"][0]["result"] == "success"


@pytest.mark.parametrize(
    ("contact", "cause"),
    [
        ("+33123456789", "OUTGOING_CALL_BARRED"),
        ("911", "OUTGOING_CALL_BARRED"),
        ("+19005551212", "OUTGOING_CALL_BARRED"),
        ("alice", "OUTGOING_CALL_BARRED"),
        ("1009", "USER_NOT_REGISTERED"),
        ("sip:911@elsewhere.example", "OUTGOING_CALL_BARRED"),
        ("sip:+33123456789@sip.carrier.example", "OUTGOING_CALL_BARRED"),
    ],
)
async def test_where_a_number_may_not_go(api: Api, contact: str, cause: str) -> None:
    document = await api.create()
    response, body = await api.connect(document, contact)
    assert response.status == 400
    code = "not_registered" if cause == "USER_NOT_REGISTERED" else "no_route"
    assert body["data"]["contact"][code]["cause"] == cause
    assert api.engine.orders == []
    _, body = await api.call("GET", f"{LIST}/{document}/history")
    assert body["data"] == []


@pytest.mark.parametrize(
    ("contact", "uri", "trunk"),
    [
        ("2600", "sip:2600@192.0.2.11:5060", ""),
        ("sip:2600@acme.example.com", "sip:2600@192.0.2.11:5060", ""),
        ("sip:bob@elsewhere.example;transport=tcp", "sip:bob@elsewhere.example;transport=tcp", ""),
        ("4155550100", "sip:+14155550100@sip.carrier.example:5080", "carrier"),
        ("+442079460000", "sip:+442079460000@sip.carrier.example:5080", "carrier"),
    ],
)
async def test_where_a_number_goes(api: Api, contact: str, uri: str, trunk: str) -> None:
    await api.connect(await api.create(), contact)
    assert (api.engine.orders[0].b.uri, api.engine.orders[0].b.trunk) == (uri, trunk)


@pytest.mark.parametrize(
    ("contact", "status"),
    [
        ("sip:2600@acme.example.com", 200),
        ("sip:bob@acme.example.com:5070", 200),
        ("sip:bob@partner.example", 200),
        ("sip:bob@elsewhere.example", 400),
        ("sip:bob@127.0.0.1", 400),
        ("sip:bob@partner.example;transport=tcp", 400),
        ("4155550100", 200),
    ],
)
async def test_a_stranger_may_name_a_uri_at_known_hosts_only(api: Api, contact: str, status: int) -> None:
    response, _ = await api.connect(await api.create(auth_required=False), contact, token=None)
    assert response.status == status


async def test_a_stranger_may_not_have_the_contact_rung_first(api: Api) -> None:
    document = await api.create(auth_required=False, dial_first="contact")
    response, body = await api.connect(document, token=None)
    assert (response.status, body["message"]) == (403, "forbidden")
    response, _ = await api.connect(document)
    assert response.status == 200


async def test_throttle_is_connects_per_minute(api: Api) -> None:
    api.engine.clock = api.engine.now()
    document = await api.create(throttle=2)
    statuses = [(await api.connect(document))[0].status for _ in range(2)]
    response, body = await api.connect(document)
    assert [*statuses, response.status] == [200, 200, 429]
    assert (body["message"], body["error"]) == ("too_many_requests", "429")
    assert response.headers["Retry-After"] == "30"
    api.engine.clock += 30
    assert (await api.connect(document))[0].status == 200
    assert (await api.connect(await api.create(throttle=0)))[0].status == 200
    assert len(api.engine.orders) == 4


async def test_an_idempotency_key_replays_the_answer(api: Api) -> None:
    document = await api.create(throttle=1)
    key = {"Idempotency-Key": "order-1"}
    _, first = await api.connect(document, headers=key)
    response, second = await api.connect(document, headers=key)
    assert (response.status, second["data"]) == (200, first["data"])
    response, body = await api.connect(document, "4155550101", headers=key)
    assert (response.status, body["message"]) == (409, "datastore_conflict")
    assert len(api.engine.orders) == 1


async def test_an_idempotency_key_holds_while_the_first_request_is_under_way(api: Api) -> None:
    document = await api.create()
    key = {"Idempotency-Key": "order-1"}
    answers = await asyncio.gather(*(api.connect(document, headers=key) for _ in range(5)))
    assert len({body["data"]["call_id"] for _, body in answers}) == 1
    assert len(api.engine.orders) == 1


async def test_a_failed_request_does_not_use_up_its_key(api: Api) -> None:
    document = await api.create(whitelist=["^\\+1415"])
    key = {"Idempotency-Key": "order-1"}
    response, _ = await api.connect(document, "2125550100", headers=key)
    assert response.status == 400
    response, _ = await api.connect(document, "4155550100", headers=key)
    assert response.status == 200
    response, _ = await api.connect(document, headers={"Idempotency-Key": "x" * 256})
    assert response.status == 400


async def test_calls_can_be_seen_and_hung_up(api: Api) -> None:
    document = await api.create()
    _, body = await api.connect(document)
    call_id = body["data"]["call_id"]
    path = f"{LIST}/{document}/calls"
    api.engine.ring(call_id)
    _, body = await api.call("GET", path)
    assert [(call["call_id"], call["state"]) for call in body["data"]] == [(call_id, "ringing_a")]
    api.engine.bridge(call_id)
    _, body = await api.call("GET", f"{path}/{call_id}")
    assert body["data"]["state"] == "bridged"
    response, _ = await api.call("DELETE", f"{LIST}/{await api.create()}/calls/{call_id}")
    assert response.status == 404
    response, _ = await api.call("DELETE", f"{path}/{call_id}")
    assert response.status == 200
    _, body = await api.call("GET", f"{path}/{call_id}")
    assert (body["data"]["result"], body["data"]["ended_by"]) == ("success", "api")
    response, _ = await api.call("DELETE", f"{path}/{call_id}")
    assert response.status == 404
    _, body = await api.call("GET", path)
    assert body["data"] == []


async def test_a_service_that_stops_takes_no_calls(api: Api) -> None:
    document = await api.create()
    assert (await api.call("GET", "/readyz"))[0].status == 200
    api.exchange.drain()
    response, body = await api.connect(document)
    assert (response.status, body["message"]) == (503, "service_unavailable")
    assert int(response.headers["Retry-After"]) > 0
    assert (await api.call("GET", "/readyz"))[0].status == 503
    assert (await api.call("GET", "/healthz"))[0].status == 200


async def test_metrics_count(api: Api) -> None:
    document = await api.create(throttle=1)
    _, body = await api.connect(document)
    await api.connect(document)
    api.engine.end(body["data"]["call_id"], "USER_BUSY", "a", 486)
    response, _ = await api.call("GET", "/metrics", token=None)
    text = await response.text()
    for line in (
        "c2c_calls_live 0.0",
        "c2c_connects_accepted_total 1.0",
        'c2c_connects_refused_total{reason="toomany"} 1.0',
        'c2c_calls_ended_total{cause="USER_BUSY"} 1.0',
    ):
        assert line in text


class TestLimits:
    """With limits of every kind, and 202 for a connect."""

    @pytest.fixture
    def settings_text(self) -> str:
        limits = "[calls]\nmax_calls = 3\nqueue_size = 0\ncontact_cooldown = 60"
        text = SETTINGS.replace("[calls]", f"[api]\nconnect_status = 202\n{limits}")
        limits = 'max_calls = 1\nhotlines = ["+14155550199"]\n'
        return text + limits + '[[trunk]]\nname = "second"\nproxy = "sips:second.example"\ncalls_per_second = 1\n'

    async def test_8_5_the_status_is_configured(self, api: Api) -> None:
        response, _ = await api.connect(await api.create())
        assert response.status == 202

    async def test_a_trunk_has_room_again_when_a_call_ends(self, api: Api) -> None:
        api.engine.clock = api.engine.now()
        document = await api.create()
        _, first = await api.connect(document)
        await api.connect(document)
        assert [order.b.trunk for order in api.engine.orders] == ["carrier", "second"]
        assert api.engine.orders[1].b.uri.startswith("sips:")
        response, body = await api.connect(document)
        assert (response.status, body["data"]) == (429, {"message": "every trunk is at its limit of calls"})
        assert response.headers["Retry-After"] == "1"
        api.engine.end(first["data"]["call_id"], "USER_BUSY", "a", 486)
        response, _ = await api.connect(document)
        assert (response.status, api.engine.orders[-1].b.trunk) == (202, "carrier")

    async def test_a_call_that_needs_two_places_holds_none_when_it_gets_one(self, api: Api) -> None:
        api.engine.clock = api.engine.now()
        outside = await api.create(extension="4155550111")
        await api.connect(outside)
        assert [(order.a.trunk, order.b.trunk) for order in api.engine.orders] == [("carrier", "second")]
        api.engine.end(api.engine.orders[0].call_id, "USER_BUSY", "a", 486)
        await api.connect(await api.create())
        response, _ = await api.connect(outside)
        assert response.status == 429
        assert [trunk.calls for trunk in api.exchange.calls.routes.trunks] == [1, 0]

    async def test_a_trunk_presents_its_hotlines_only(self, api: Api) -> None:
        await api.connect(await api.create())
        assert api.engine.orders[0].b.from_uri == "sip:+14155550199@sip.carrier.example"

    async def test_all_calls_together_are_limited(self, api: Api) -> None:
        document = await api.create()
        statuses = [(await api.connect(document, "2600"))[0].status for _ in range(4)]
        assert statuses == [202, 202, 202, 429]

    async def test_a_contact_is_left_in_peace(self, api: Api) -> None:
        api.engine.clock = api.engine.now()
        document = await api.create(auth_required=False)
        assert (await api.connect(document, "2600", token=None))[0].status == 202
        response, _ = await api.connect(document, "2600", token=None)
        assert (response.status, response.headers["Retry-After"]) == (429, "60")
        assert (await api.connect(document, "1001", token=None))[0].status == 202


class TestNoTrunk:
    """Nothing but extensions."""

    @pytest.fixture
    def settings_text(self) -> str:
        return SETTINGS[: SETTINGS.index("[[trunk]]")]

    @pytest.mark.parametrize(
        ("extension", "contact", "field"), [("1001", "4155550100", "contact"), ("4155550111", "2600", "extension")]
    )
    async def test_a_number_that_goes_nowhere_fails_before_anything_rings(
        self, api: Api, extension: str, contact: str, field: str
    ) -> None:
        response, body = await api.connect(await api.create(extension=extension), contact)
        assert response.status == 400
        assert body["data"][field]["no_route"]["cause"] == "NO_ROUTE_DESTINATION"
        assert api.engine.orders == []


async def test_an_engine_that_fails_is_a_500_with_an_envelope(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """§5.4: the last resort."""

    def explode(_engine: ScriptedEngine, _call_id: str) -> None:
        raise RuntimeError("boom")

    api.engine.then = explode
    document = await api.create()
    response, body = await api.connect(document)
    assert (response.status, body["message"], body["data"]) == (500, "init failed", {})
    assert "X-Request-ID" in response.headers
    assert api.exchange.calls.live == {}
    assert [trunk.calls for trunk in api.exchange.calls.routes.trunks] == [0]
    _, body = await api.call("GET", f"{LIST}/{document}/history")
    assert body["data"][0]["result"] == "error"
