"""§9 of the API description: what became of the calls."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest

from c2c_b2bua.storage.write_ahead import Accepted, read
from tests.api.conftest import A, Api
from tests.api.scripted_engine import ScriptedEngine

LIST = f"/v2/accounts/{A}/clicktocall"
NOBODY = "0" * 32
GREGORIAN = 62_167_219_200
NOON = 1_800_000_000.0


@pytest.fixture(autouse=True)
def noon(engine: ScriptedEngine) -> None:
    engine.clock = NOON


async def history(api: Api, document: str, query: str = "") -> Any:
    _, body = await api.call("GET", f"{LIST}/{document}/history{query}")
    return body["data"]


async def test_9_a_call_that_goes_on_has_no_result(api: Api) -> None:
    document = await api.create()
    _, body = await api.connect(document)
    (item,) = await history(api, document)
    assert item == {
        "id": item["id"],
        "timestamp": int(NOON) + GREGORIAN,
        "contact": "+14155550100",
        "call_id": body["data"]["call_id"],
    }


async def test_9_a_bridged_call(api: Api) -> None:
    document = await api.create()
    _, body = await api.connect(document)
    call_id = body["data"]["call_id"]
    api.engine.clock = NOON + 1.5
    api.engine.bridge(call_id)
    api.engine.clock = NOON + 11.5
    api.engine.end(call_id, "NORMAL_CLEARING", "b")
    (item,) = await history(api, document)
    assert item.pop("ladder") == []
    assert item.pop("explanation") == "1001 and +14155550100 talked for 10 s, then +14155550100 hung up."
    assert (item["timing"].pop("a"), item["timing"].pop("b")) == (
        {"dns": None, "auth": None, "ring": None, "answer": 0.0},
        {"dns": None, "auth": None, "ring": None, "answer": 0.0},
    )
    assert item.pop("timing") == {"queue": 0.0, "join": 0.0, "talk": 10.0}
    start, middle, end = "2027-01-15T08:00:00.000Z", "2027-01-15T08:00:01.500Z", "2027-01-15T08:00:11.500Z"
    assert item == {
        "id": item["id"],
        "timestamp": int(NOON) + GREGORIAN,
        "contact": "+14155550100",
        "call_id": call_id,
        "result": "success",
        "ended_by": "b",
        "bridged_at": middle,
        "ended_at": end,
        "legs": [
            {
                "leg": "a",
                "call_id": f"a-{call_id}",
                "target": "1001",
                "trunk": None,
                "invited_at": start,
                "ringing_at": middle,
                "answered_at": middle,
                "ended_at": None,
                "sip_code": 200,
                "reason": None,
                "cause": None,
            },
            {
                "leg": "b",
                "call_id": f"b-{call_id}",
                "target": "+14155550100",
                "trunk": "carrier",
                "invited_at": middle,
                "ringing_at": middle,
                "answered_at": middle,
                "ended_at": end,
                "sip_code": 200,
                "reason": None,
                "cause": "NORMAL_CLEARING",
            },
        ],
    }


async def test_9_a_call_whose_second_leg_failed_is_an_error(api: Api) -> None:
    document = await api.create()
    _, body = await api.connect(document)
    call_id = body["data"]["call_id"]
    api.engine.answer(call_id)
    api.engine.dial("b", call_id)
    api.engine.end(call_id, "USER_BUSY", "b", 486, "Busy Here")
    (item,) = await history(api, document)
    assert (item["result"], item["cause"], item["sip_code"], item["reason"]) == ("error", "USER_BUSY", 486, "Busy Here")
    assert (item["ended_by"], item["bridged_at"], len(item["legs"])) == ("b", None, 2)


async def test_9_a_leg_never_dialled_is_absent(api: Api) -> None:
    document = await api.create()
    _, body = await api.connect(document)
    api.engine.end(body["data"]["call_id"], "NO_ANSWER", "timer", 408, "Request Timeout")
    (item,) = await history(api, document)
    assert [leg["leg"] for leg in item["legs"]] == ["a"]
    assert (item["cause"], item["ended_by"]) == ("NO_ANSWER", "timer")


async def test_9_newest_first_in_pages(api: Api) -> None:
    document = await api.create()
    made = []
    for number in range(5):
        api.engine.clock = NOON + number
        _, body = await api.connect(document)
        made.append(body["data"]["call_id"])
    made.reverse()
    api.engine.clock = NOON + 60
    seen: list[str] = []
    query = "?page_size=2"
    while query:
        _, body = await api.call("GET", f"{LIST}/{document}/history{query}")
        seen += [item["call_id"] for item in body["data"]]
        query = f"?page_size=2&start_key={body['next_start_key']}" if "next_start_key" in body else ""
    assert seen == made
    assert [item["call_id"] for item in await history(api, document, "?ascending=true&page_size=3")] == made[::-1][:3]
    assert len(await history(api, document, "?paginate=false")) == 5


async def test_9_filters(api: Api) -> None:
    document = await api.create()
    for cause in ("USER_BUSY", "NO_ANSWER", "USER_BUSY"):
        _, body = await api.connect(document)
        api.engine.end(body["data"]["call_id"], cause, "a", 486)
    assert len(await history(api, document, "?filter_cause=USER_BUSY")) == 2
    assert len(await history(api, document, "?filter_cause=USER_BUSY&page_size=1")) == 1
    assert len(await history(api, document, "?filter_not_cause=USER_BUSY")) == 1


async def test_9_csv(api: Api) -> None:
    document = await api.create()
    await api.call("POST", f"{LIST}/{document}/connect", {"contact": "4155550100", "metadata": {"order": "=1+1"}})
    first = api.engine.orders[0].call_id
    api.engine.clock = NOON + 1
    api.engine.bridge(first)
    api.engine.end(first, "NORMAL_CLEARING", "b")
    await api.connect(document, "2600")
    api.engine.end(api.engine.orders[1].call_id, "USER_BUSY", "a", 486, "Busy Here")
    response, _ = await api.call("GET", f"{LIST}/{document}/history", headers={"Accept": "text/csv"})
    text = await response.text()
    busy, bridged = list(csv.DictReader(io.StringIO(text)))
    assert text.startswith("id,timestamp,contact,call_id,result,cause,sip_code,reason,ended_by,bridged_at,ended_at,")
    assert (busy["contact"], busy["cause"], busy["sip_code"], busy["bridged_at"]) == ("2600", "USER_BUSY", "486", "")
    assert (bridged["contact"], bridged["result"], bridged["metadata.order"]) == ("+14155550100", "success", "'=1+1")
    assert bridged["bridged_at"] == "2027-01-15T08:00:01.000Z"
    assert (bridged["legs.a.target"], bridged["legs.b.trunk"], busy["legs.b.trunk"]) == ("1001", "carrier", "")
    response, _ = await api.call("GET", f"{LIST}/{NOBODY}/history?accept=csv")
    assert (await response.text()).count("\n") == 1


async def test_9_unknown_and_deleted_documents(api: Api) -> None:
    assert await history(api, NOBODY) == []
    document = await api.create()
    await api.connect(document)
    await api.call("DELETE", f"{LIST}/{document}")
    assert len(await history(api, document)) == 1
    assert await history(api, await api.create()) == []


async def test_9_ranges(api: Api) -> None:
    document = await api.create()
    await api.connect(document)
    api.engine.clock = NOON + 40 * 86400
    api.token = (await api.call("PUT", "/v2/api_auth", {"api_key": "1" * 64}))[1]["auth_token"]
    assert await history(api, document) == []
    start = int(NOON) + GREGORIAN
    assert len(await history(api, document, f"?created_from={start - 1}")) == 1
    assert len(await history(api, document, f"?created_to={start + 1}")) == 1
    assert len(await history(api, document, f"?created_from={start - 1}&created_to={start + 1}")) == 1
    assert await history(api, document, f"?created_from={start + 1}") == []


@pytest.mark.parametrize(
    ("query", "complaint"),
    [
        ("?created_from=2&created_to=1", {"message": "created_to 1 is prior to created 2", "cause": 2}),
        (
            "?created_from=1&created_to=2678402",
            {"message": "created_to 2678402 is more than 2678400 seconds from created_from 1", "cause": 2678402},
        ),
    ],
)
async def test_9_ranges_that_are_none(api: Api, query: str, complaint: dict[str, Any]) -> None:
    response, body = await api.call("GET", f"{LIST}/{await api.create()}/history{query}")
    assert (response.status, body["data"]) == (400, {"created_from": {"date_range": complaint}})


async def test_9_a_connect_is_on_disk_before_its_answer(api: Api, tmp_path: Path) -> None:
    _, body = await api.connect(await api.create())
    entries = read((tmp_path / "c2c.db.accepted.1").read_bytes())
    assert [entry.call_id for entry in entries if isinstance(entry, Accepted)] == [body["data"]["call_id"]]
