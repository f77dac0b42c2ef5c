"""§15.3 of the API description: hotlines, extensions, and the calls of the past as transactions."""

from __future__ import annotations

import uuid
from typing import Any

import msgspec
import pytest

from tests.api.conftest import STRANGER_KEY, A, Api
from tests.api.omicall_client import CUSTOMER, DIALLED, HOTLINE, OMICALL, Omicall


@pytest.fixture
def settings_text() -> str:
    return OMICALL


@pytest.fixture
async def omicall(api: Api) -> Omicall:
    made = Omicall(api)
    made.engine.then = lambda engine, call_id: engine.ring(call_id)
    await made.log_in()
    return made


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
