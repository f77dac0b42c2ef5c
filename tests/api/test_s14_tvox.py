"""§14.3 and §14.4 of the API description: TVox dials, hangs up, shows calls, and records nothing."""

from __future__ import annotations

import asyncio
import re
from typing import Any
from unittest.mock import ANY

import msgspec
import pytest

from c2c_b2bua.service import calls
from c2c_b2bua.service.exchange import Exchange
from c2c_b2bua.service.phones import Phone
from c2c_b2bua.storage.database import StorageError
from tests.api.conftest import CHILD, STRANGER, A, Api
from tests.api.scripted_engine import ScriptedEngine
from tests.api.tvox_client import Tvox, register_phones, settings_with_people

CALL_ID = re.compile(r"c2c-[0-9a-f]{32}-[0-9a-f]{10}")
DIAL = ["mrossi", "600", "", ""]


@pytest.fixture
def settings_text() -> str:
    return settings_with_people()


@pytest.fixture
async def tvox(api: Api, exchange: Exchange, engine: ScriptedEngine) -> Tvox:
    """Logged in; phones ring as soon as they are called."""
    register_phones(exchange)
    engine.then = lambda engine, call_id: engine.ring(call_id)
    made = Tvox(api)
    assert (await made.log_in())["logged"]
    return made


def phone_of(tvox: Tvox, account_id: str, number: str) -> Phone:
    return tvox.api.exchange.accounts.by_id[account_id].phones[number]


async def item_of(tvox: Tvox, account_id: str = A, number: str = "1009") -> Any:
    """The newest history item of this phone."""
    phone = phone_of(tvox, account_id, number)
    _, body = await tvox.api.call("GET", f"/v2/accounts/{account_id}/clicktocall/{phone.id}/history")
    return body["data"][0]


def dialled(tvox: Tvox) -> list[tuple[str, str]]:
    return [(order.a.target, order.b.target) for order in tvox.api.engine.orders]


# --- dialNumber -----------------------------------------------------------------------------------------------------


async def test_14_3_dial_number_rings_the_phone_of_the_user(tvox: Tvox) -> None:
    call_id = await tvox.call("dialNumber", ["mrossi", "4155550100", "", "", False, None, True, ""])
    assert CALL_ID.fullmatch(call_id)
    (order,) = tvox.api.engine.orders
    assert order.call_id == call_id
    assert (order.a.uri, order.a.from_uri, order.a.from_name) == (
        *("sip:1009@192.0.2.9:5060", "sip:+14155550100@acme.example.com"),
        "4155550100",
    )
    assert order.a.headers == ()
    assert (order.b.uri, order.b.from_uri, order.b.from_name) == (
        *("sip:+14155550100@sip.carrier.example:5080", "sip:1009@sip.carrier.example"),
        "Mario Rossi",
    )


@pytest.mark.parametrize(
    "params",
    [
        DIAL,
        [*DIAL, False],
        [*DIAL, None, None, None, None],
        [*DIAL, False, "", False, ""],
        ["600", "", ""],
        ["600", "", "", False, None, False, ""],
        {"username": "mrossi", "number": "600"},
        {"number": "600"},
        {"number": "600", "accessCode": "", "jobLabel": "", "recordCall": False, "recFileName": None},
    ],
)
async def test_14_3_without_return_call_id_the_result_is_true(tvox: Tvox, params: Any) -> None:
    assert await tvox.call("dialNumber", params) is True
    assert dialled(tvox) == [("1009", "600")]


@pytest.mark.parametrize(
    ("params", "who"),
    [
        (["verdi", "600", "", "", False, None, True, ""], "1020"),
        (["600", "", "", False, None, True, ""], "1009"),
        (["600", "", "", False, "x.wav", True], "1009"),
        (["600", "", "", True, None, True, ""], None),
        (["mrossi", "600", "", "", True, None, True, ""], None),
    ],
)
async def test_14_3_the_old_order_has_no_username(tvox: Tvox, params: list[Any], who: str | None) -> None:
    """The old form has its boolean one place earlier."""
    found = await tvox.call("dialNumber", params)
    if who is None:
        assert found["data"] == {"cause": "RECORDING_UNAVAILABLE", "field": "recordCall"}
    else:
        assert CALL_ID.fullmatch(found)
        assert dialled(tvox) == [(who, "600")]


@pytest.mark.parametrize(
    ("name", "account", "number"),
    [
        ("mrossi", A, "1009"),
        ("Mario.Rossi@acme.example.com", A, "1009"),
        ("mrossi@acme.example.com", A, "1009"),
        ("agent", A, "1010"),
        ("1001", A, "1001"),
        ("verdi", CHILD, "1020"),
        ("mrossi@child.example.com", CHILD, "1009"),
    ],
)
async def test_14_3_who_is_rung(tvox: Tvox, name: str, account: str, number: str) -> None:
    """A user of one's own account, by e-mail address too; a phone's number; a user of an account below."""
    assert await tvox.call("dialNumber", [name, "4155550100", "", ""]) is True
    (order,) = tvox.api.engine.orders
    assert order.a.target == number
    assert (await item_of(tvox, account, number))["call_id"] == order.call_id


@pytest.mark.parametrize("name", ["nobody", "bianchi", "bianchi@stranger.example.com", "boss", "mrossi@nowhere", "@"])
async def test_14_3_an_unknown_user_or_one_without_a_phone(tvox: Tvox, name: str) -> None:
    for method in ("dialNumber", "dialNumberByEmail"):
        found = await tvox.call(method, [name, "600", "", ""])
        assert (found["code"], found["data"]) == (-32002, {"cause": "UNKNOWN_USER", "field": "username"})
    assert tvox.api.engine.orders == []


async def test_14_3_nobody_reaches_up_or_aside(tvox: Tvox) -> None:
    await tvox.log_in("verdi", "verdi pw")
    for name in ("agent", "mrossi@acme.example.com", "bianchi"):
        assert (await tvox.call("dialNumber", [name, "600", "", ""]))["code"] == -32002
    assert await tvox.call("dialNumber", ["mrossi", "4155550100", "", ""]) is True
    assert (await item_of(tvox, CHILD, "1009"))["contact"] == "+14155550100"


async def test_14_3_a_user_who_has_no_phone_cannot_dial_for_themselves(tvox: Tvox) -> None:
    await tvox.log_in("boss", "bosspw")
    found = await tvox.call("dialNumber", ["600", "", ""])
    assert (found["code"], found["data"]["cause"]) == (-32002, "NO_PHONE")
    assert await tvox.call("dialNumber", DIAL) is True


async def test_14_3_a_name_that_several_accounts_below_have(tvox: Tvox) -> None:
    accounts = tvox.api.exchange.accounts
    accounts.by_id[STRANGER] = msgspec.structs.replace(accounts.by_id[STRANGER], parent=A)
    child = accounts.by_id[CHILD]
    accounts.by_id[CHILD] = msgspec.structs.replace(
        child,
        users=(*child.users, msgspec.structs.replace(child.users[0], username="bianchi")),
    )
    found = await tvox.call("dialNumber", ["bianchi", "600", "", ""])
    assert (found["code"], found["data"]) == (-32002, {"cause": "AMBIGUOUS", "field": "username"})
    assert await tvox.call("dialNumber", ["bianchi@stranger.example.com", "4155550100", "", ""]) is True


async def test_14_3_a_phone_that_is_not_registered(tvox: Tvox) -> None:
    account = tvox.api.exchange.accounts.by_id[A]
    gone = {**account.phones, "1009": msgspec.structs.replace(account.phones["1009"], uri="")}
    tvox.api.exchange.accounts.by_id[A] = msgspec.structs.replace(account, phones=gone)
    found = await tvox.call("dialNumber", DIAL)
    assert found == {
        "code": -32002,
        "message": "The phone cannot be rung: extension 1009 is not registered",
        "data": {"cause": "USER_NOT_REGISTERED", "field": "username"},
    }
    found = await tvox.call("dialNumber", ["agent", "1009", "", ""])
    assert (found["code"], found["data"]) == (-32003, {"cause": "USER_NOT_REGISTERED", "field": "number"})


async def test_14_3_the_access_code_is_dialled_before_the_number(tvox: Tvox) -> None:
    await tvox.call("dialNumber", ["mrossi", "4155550100", "0", ""])
    await tvox.call("dialNumber", ["mrossi", "+1 415 555 0100", "9*", ""])
    await tvox.call("dialNumber", ["mrossi", "600", "0", ""])
    assert [order.b.uri for order in tvox.api.engine.orders] == [
        "sip:04155550100@sip.carrier.example:5080",
        "sip:9*0014155550100@sip.carrier.example:5080",
        "sip:600@192.0.2.60:5060",
    ]


async def test_14_3_label_and_service_code_are_in_history_and_live_calls(tvox: Tvox) -> None:
    call_id = await tvox.call("dialNumber", ["mrossi", "600", "", "Campaign ü", False, None, True, "S1"])
    path = f"/v2/accounts/{A}/clicktocall/{phone_of(tvox, A, '1009').id}"
    live = tvox.api.exchange.calls.live[call_id].shown()
    tvox.api.engine.hang_up(call_id)
    _, body = await tvox.api.call("GET", f"{path}/history")
    for item in (live, body["data"][0]):
        assert (item["call_id"], item["job_label"], item["service_code"]) == (call_id, "Campaign ü", "S1")


async def test_14_3_an_empty_label_is_none(tvox: Tvox) -> None:
    await tvox.call("dialNumber", ["mrossi", "600", "", "", False, None, True, ""])
    item = await item_of(tvox)
    assert not {"job_label", "service_code", "metadata"} & set(item)


async def test_14_3_metadata_by_name(tvox: Tvox) -> None:
    given = {"order": 7, "tags": ["a", None]}
    assert await tvox.call("dialNumber", {"number": "600", "metadata": given}) is True
    assert (await item_of(tvox))["metadata"] == given
    found = await tvox.call("dialNumber", {"number": "600", "metadata": {"x": "y" * 8200}})
    assert (found["code"], found["data"]["field"]) == (-32602, "metadata")


async def test_14_3_a_dry_run_rings_nobody(tvox: Tvox) -> None:
    found = await tvox.call(
        "dialNumber", {"username": "mrossi", "number": "4155550100", "accessCode": "0", "dryRun": True}
    )
    assert (found["dry_run"], found["accepted"]) == (True, True)
    assert found["legs"][1]["uri"] == "sip:04155550100@sip.carrier.example:5080"
    found = await tvox.call("dialNumber", {"username": "mrossi", "number": "911", "dryRun": True})
    assert (found["accepted"], found["legs"]) == (False, [])
    assert tvox.api.engine.orders == []


@pytest.mark.parametrize(("code", "number"), [("91", "1"), ("1900555", "1212")])
async def test_14_3_an_access_code_opens_no_barred_destination(tvox: Tvox, code: str, number: str) -> None:
    found = await tvox.call("dialNumber", {"number": number, "accessCode": code, "dryRun": True})
    assert [v["policy"] for v in found["verdicts"] if not v["passed"]] == ["route"]
    assert f"{code}{number} is" in str(found["verdicts"])
    found = await tvox.call("dialNumber", ["mrossi", number, code, ""])
    assert (found["code"], found["data"]["cause"]) == (-32003, "OUTGOING_CALL_BARRED")
    assert tvox.api.engine.orders == []


async def test_14_3_the_answer_waits_until_the_phone_rings(tvox: Tvox) -> None:
    rung = asyncio.Event()
    tvox.api.engine.then = lambda engine, call_id: rung.set()
    asked = asyncio.create_task(tvox.call("dialNumber", DIAL))
    await rung.wait()
    assert not asked.done()
    tvox.api.engine.ring(tvox.api.engine.orders[0].call_id)
    assert await asked is True


async def test_14_3_a_phone_that_is_busy(tvox: Tvox) -> None:
    tvox.api.engine.then = lambda engine, call_id: engine.end(call_id, "USER_BUSY", "a", 486, "Busy Here")
    found = await tvox.call("dialNumber", [*DIAL, False, None, True])
    assert (found["code"], found["data"]) == (
        -32003,
        {"cause": "USER_BUSY", "field": "username", "callId": tvox.api.engine.orders[0].call_id},
    )
    assert (await item_of(tvox))["cause"] == "USER_BUSY"


async def test_14_3_a_phone_that_says_nothing(tvox: Tvox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(calls.PATIENCE, "ringing", 0.01)
    tvox.api.engine.then = lambda engine, call_id: None
    assert await tvox.call("dialNumber", DIAL) is True


@pytest.mark.parametrize(
    ("number", "code", "data"),
    [
        ("911", -32003, {"cause": "OUTGOING_CALL_BARRED", "field": "number"}),
        ("+33123456789", -32003, {"cause": "OUTGOING_CALL_BARRED", "field": "number"}),
        ("+19005551212", -32003, {"cause": "OUTGOING_CALL_BARRED", "field": "number"}),
        ("a b", -32602, {"field": "number", "message": ANY}),
        ("\r\nVia: x", -32602, {"field": "number", "message": ANY}),
        ("   ", -32602, {"field": "number", "message": ANY}),
        ("sip:x@y?Replaces=z", -32602, {"field": "number", "message": ANY}),
        ("ü" * 200, -32602, {"field": "number", "message": ANY}),
    ],
)
async def test_14_3_numbers_that_are_not_dialled(tvox: Tvox, number: str, code: int, data: Any) -> None:
    found = await tvox.call("dialNumber", ["mrossi", number, "", ""])
    assert (found["code"], found["data"]) == (code, data)
    assert tvox.api.engine.orders == []


async def test_14_3_a_sip_uri_longer_than_a_name(tvox: Tvox) -> None:
    uri = f"sip:{'b' * 120}@elsewhere.example"
    assert await tvox.call("dialNumber", ["mrossi", uri, "", ""]) is True
    (order,) = tvox.api.engine.orders
    assert (order.b.uri, order.a.from_name) == (uri, uri[:128])


# --- dialNumberByEmail ----------------------------------------------------------------------------------------------


async def test_14_4_dial_number_by_email(tvox: Tvox) -> None:
    params = ["mario.rossi@ACME.example.com", "600", "", "Label", False, None, True, ""]
    assert CALL_ID.fullmatch(await tvox.call("dialNumberByEmail", params))
    assert await tvox.call("dialNumberByEmail", {"email": params[0], "number": "600"}) is True
    assert await tvox.call("dialNumber", params[:4]) is True
    assert dialled(tvox) == [("1009", "600")] * 3


async def test_14_4_dial_number_by_email_has_no_old_order(tvox: Tvox) -> None:
    for params in (["600", "", ""], ["600", "", "", False], {"number": "600"}, {"username": "mrossi", "number": "600"}):
        assert (await tvox.call("dialNumberByEmail", params))["code"] == -32602
    assert tvox.api.engine.orders == []


# --- Idempotency-Key ------------------------------------------------------------------------------------------------


async def test_an_idempotency_key_replays_the_answer(tvox: Tvox) -> None:
    first = await tvox.call("dialNumber", [*DIAL, False, None, True], Idempotency_Key="k1")
    assert await tvox.call("dialNumber", [*DIAL, False, None, True], Idempotency_Key="k1") == first
    assert await tvox.call("dialNumber", DIAL, Idempotency_Key="k1") is True
    found = await tvox.call("dialNumber", ["mrossi", "1001", "", ""], Idempotency_Key="k1")
    assert (found["code"], found["data"]["cause"]) == (-32003, "CONFLICT")
    assert len(tvox.api.engine.orders) == 1


async def test_an_idempotency_key_of_a_batch_goes_by_the_place_in_it(tvox: Tvox) -> None:
    batch = [
        {"jsonrpc": "2.0", "method": "dialNumber", "params": [*DIAL, False, None, True], "id": place}
        for place in (1, 2)
    ]
    first = await tvox.send(batch, Idempotency_Key="k1")
    assert len({answer["result"] for answer in first}) == 2
    assert await tvox.send(batch, Idempotency_Key="k1") == first
    assert len(tvox.api.engine.orders) == 2


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb"])
async def test_an_idempotency_key_beyond_reason(tvox: Tvox, key: str) -> None:
    found = await tvox.call("dialNumber", DIAL, Idempotency_Key=key)
    assert (found["code"], found["data"]["field"]) == (-32602, "Idempotency-Key")
    assert tvox.api.engine.orders == []


# --- the other methods ----------------------------------------------------------------------------------------------


async def test_14_4_hangup_call(tvox: Tvox) -> None:
    call_id = await tvox.call("dialNumber", [*DIAL, False, None, True])
    assert await tvox.call("hangupCall", [call_id]) is True
    assert (await item_of(tvox))["ended_by"] == "api"
    for gone in (call_id, "1234@5678"):
        found = await tvox.call("hangupCall", [gone])
        assert (found["code"], found["data"]) == (-32003, {"cause": "UNKNOWN_CALL", "field": "callId"})


async def test_14_4_hangup_call_of_another_dialect_and_account(tvox: Tvox) -> None:
    """One's own account and those below it, by whatever dialect; nobody else's."""
    _, body = await tvox.api.connect(await tvox.api.create(), "2600")
    ids = [body["data"]["call_id"], await tvox.call("dialNumber", ["verdi", "4155550100", "", "", False, None, True])]
    await tvox.log_in("bianchi", "bianchi pw")
    assert [(await tvox.call("hangupCall", [call_id]))["code"] for call_id in ids] == [-32003, -32003]
    await tvox.log_in()
    assert [await tvox.call("hangupCall", [call_id]) for call_id in ids] == [True, True]


async def test_14_4_get_service_current_calls(tvox: Tvox) -> None:
    tvox.api.engine.clock = 1_800_000_000.5
    await tvox.log_in()
    tvox.api.token = tvox.session
    older = await tvox.call("dialNumber", ["mrossi", "600", "", "L", False, None, True, "S"])
    other = await tvox.call("dialNumber", ["agent", "600", "", "", False, None, True])
    _, body = await tvox.api.connect(await tvox.api.create(extension="1009"), "2600")
    _, home = await tvox.api.connect(await tvox.api.create(extension="sip:1009@acme.example.com"), "2600")
    await tvox.api.connect(await tvox.api.create(extension="sip:1009@elsewhere.example"), "2600")
    tvox.api.engine.bridge(older)
    mine = {"username": "mrossi", "jobLabel": "", "serviceCode": "", "startTime": "2027-01-15T08:00:00.500Z"}
    expected = [
        {**mine, "callId": home["data"]["call_id"], "number": "2600", "state": "ringing_a"},
        {**mine, "callId": body["data"]["call_id"], "number": "2600", "state": "ringing_a"},
        {**mine, "callId": older, "number": "600", "state": "bridged", "jobLabel": "L", "serviceCode": "S"},
    ]
    for params in (["mrossi"], [], {"username": "mario.rossi@acme.example.com"}):
        assert await tvox.call("getServiceCurrentCalls", params) == expected
    assert [call["callId"] for call in await tvox.call("getServiceCurrentCalls", ["agent"])] == [other]
    assert (await tvox.call("getServiceCurrentCalls", ["nobody"]))["code"] == -32002


@pytest.mark.parametrize(
    ("method", "params", "code", "cause"),
    [
        ("recOn", ["mrossi", "CALL", "a.wav"], -32003, "RECORDING_UNAVAILABLE"),
        ("recOn", ["mrossi", "CALL"], -32003, "RECORDING_UNAVAILABLE"),
        ("recOn", ["a.wav"], -32003, "RECORDING_UNAVAILABLE"),
        ("recOn", [], -32003, "RECORDING_UNAVAILABLE"),
        ("recOff", ["mrossi", "CALL"], -32003, "RECORDING_UNAVAILABLE"),
        ("recOff", [], -32003, "RECORDING_UNAVAILABLE"),
        ("recOn", ["nobody", "CALL"], -32002, "UNKNOWN_USER"),
        ("recOff", ["mrossi", "1234@5678"], -32003, "UNKNOWN_CALL"),
        ("recOn", ["mrossi", "CALL", "../a.wav"], -32602, None),
        ("recOn", ["mrossi", "CALL", 1], -32602, None),
        ("recOn", ["a\x00b"], -32602, None),
        ("recOff", ["mrossi"], -32602, None),
        ("recOff", ["mrossi", "CALL", "x"], -32602, None),
    ],
)
async def test_14_4_recording_is_refused_clearly(
    tvox: Tvox, method: str, params: list[Any], code: int, cause: str | None
) -> None:
    call_id = await tvox.call("dialNumber", [*DIAL, False, None, True])
    found = await tvox.call(method, [call_id if value == "CALL" else value for value in params])
    assert (found["code"], found["data"].get("cause")) == (code, cause)


async def test_14_3_record_call_is_refused_before_anything_rings(tvox: Tvox) -> None:
    found = await tvox.call("dialNumber", [*DIAL, True, "a.wav", True])
    assert (found["code"], found["data"]) == (-32003, {"cause": "RECORDING_UNAVAILABLE", "field": "recordCall"})
    assert tvox.api.engine.orders == []


# --- what the service refuses ---------------------------------------------------------------------------------------


class TestLimits:
    @pytest.fixture
    def settings_text(self) -> str:
        return settings_with_people().replace("[calls]", "[calls]\nmax_calls = 2\nqueue_size = 0") + "max_calls = 1\n"

    async def test_14_5_limits_say_when_to_ask_again(self, tvox: Tvox) -> None:
        tvox.api.engine.clock = tvox.api.engine.now()
        await tvox.call("dialNumber", ["mrossi", "4155550100", "", ""])
        found = await tvox.call("dialNumber", ["mrossi", "4155550101", "", ""])
        assert (found["code"], found["message"]) == (-32003, "every trunk is at its limit of calls")
        assert found["data"] == {"cause": "TOO_MANY_REQUESTS", "retry_after": 1.0}
        await tvox.call("dialNumber", DIAL)
        found = await tvox.call("dialNumber", DIAL)
        assert found["message"] == "the service is at its limit of calls"


async def test_14_5_a_service_that_stops(tvox: Tvox) -> None:
    tvox.api.exchange.drain()
    found = await tvox.call("dialNumber", DIAL)
    assert (found["code"], found["data"]) == (-32003, {"cause": "SERVICE_UNAVAILABLE", "retry_after": 5.0})


async def test_14_5_a_disk_that_refuses(tvox: Tvox, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_row: object) -> None:
        raise StorageError("disk full")

    monkeypatch.setattr(tvox.api.exchange.history, "accept", refuse)
    found = await tvox.call("dialNumber", DIAL)
    assert (found["code"], found["data"]["cause"]) == (-32603, "STORAGE")
    assert tvox.api.engine.orders == []


async def test_14_5_an_engine_that_fails(tvox: Tvox) -> None:
    def explode(_engine: ScriptedEngine, _call_id: str) -> None:
        raise RuntimeError("boom")

    tvox.api.engine.then = explode
    assert await tvox.call("dialNumber", DIAL) == {"code": -32603, "message": "Internal error"}


class TestDoNotCall:
    @pytest.fixture
    def settings_text(self) -> str:
        return settings_with_people().replace('name = "acme"\n', 'name = "acme"\ndo_not_call = ["4155550100"]\n')

    async def test_14_5_a_number_on_the_do_not_call_list(self, tvox: Tvox) -> None:
        found = await tvox.call("dialNumber", ["mrossi", "+14155550100", "", ""])
        assert (found["code"], found["data"]) == (-32003, {"cause": "OUTGOING_CALL_BARRED", "field": "number"})
