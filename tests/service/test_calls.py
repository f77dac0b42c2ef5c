"""What connects survive: restarts, kills, requests given up, a service that stops."""

from __future__ import annotations

import asyncio
import errno
import os
from typing import Any

import pytest

from api.kazoo_originate import outcome
from c2c_b2bua.service.calls import MOST_LAG
from c2c_b2bua.service.documents import ClickToCall
from c2c_b2bua.service.errors import ConflictingError, UnavailableError
from c2c_b2bua.service.exchange import Exchange
from c2c_b2bua.service.listing import Listing
from c2c_b2bua.service.live_call import LiveCall
from c2c_b2bua.service.originate import Connect, Plan, Wording
from c2c_b2bua.storage.database import StorageError
from tests.api.conftest import A
from tests.api.scripted_engine import ScriptedEngine
from tests.service.conftest import StartExchange


def accepted(_plan: Plan, call: LiveCall) -> bytes:
    return b'{"call_id":"' + call.call_id.encode() + b'"}'


async def made(exchange: Exchange, **fields: Any) -> ClickToCall:
    return await exchange.documents.save(exchange.documents.created(A, {"name": "x", "extension": "1001", **fields}))


async def request(exchange: Exchange, document: ClickToCall, **fields: Any) -> Connect:
    values = {"contact": "4155550100", "wording": Wording(accepted, outcome), **fields}
    return Connect(account=await exchange.accounts.account(A), document=document, **values)


async def items(exchange: Exchange, document: ClickToCall) -> list[Any]:
    return (await exchange.history.page(A, document.id, Listing())).items


async def test_documents_and_history_outlive_a_restart(start_exchange: StartExchange, engine: ScriptedEngine) -> None:
    first = await start_exchange()
    document = await made(first, whitelist=["^\\+1"], throttle=5)
    await first.calls.connect(await request(first, document))
    engine.bridge(engine.orders[0].call_id)
    engine.end(engine.orders[0].call_id, "NORMAL_CLEARING", "a")
    await first.stop()
    second = await start_exchange()
    again = second.documents.get(A, document.id)
    assert (again.row, again.throttle, len(again.patterns)) == (document.row, 5, 1)
    assert [item["result"] for item in await items(second, again)] == ["success"]


async def test_calls_of_a_killed_process_are_closed_truthfully(start_exchange: StartExchange) -> None:
    first = await start_exchange()
    document = await made(first)
    await first.calls.connect(await request(first, document))
    await first.history.store.caught_up()
    second = await start_exchange()
    (item,) = await items(second, document)
    assert (item["result"], item["cause"], item["ended_by"]) == ("error", "RECOVERY_ON_TIMER_EXPIRE", "error")
    assert item["ended_at"] is not None and item["legs"] == []


async def test_idempotency_keys_outlive_a_restart(start_exchange: StartExchange, engine: ScriptedEngine) -> None:
    first = await start_exchange()
    document = await made(first)
    answer = await first.calls.connect(await request(first, document, idempotency_key="k"))
    engine.then = lambda engine, call_id: engine.end(call_id, "USER_BUSY", "a", 486)
    busy = {
        until: await first.calls.connect(await request(first, document, idempotency_key=until, until=until))
        for until in ("ringing", "answered")
    }
    await first.stop()
    second = await start_exchange()
    assert await second.calls.connect(await request(second, document, idempotency_key="k")) == answer
    with pytest.raises(ConflictingError):
        await second.calls.connect(await request(second, document, idempotency_key="k", contact="4155550101"))
    for until, told in busy.items():
        again = await second.calls.connect(await request(second, document, idempotency_key=until, until=until))
        assert again == told != answer
    assert len(engine.orders) == 3


async def test_idempotency_keys_end_after_a_day(exchange: Exchange, engine: ScriptedEngine) -> None:
    engine.clock = engine.now()
    document = await made(exchange)
    first = await exchange.calls.connect(await request(exchange, document, idempotency_key="k"))
    engine.clock += 86401
    assert await exchange.calls.connect(await request(exchange, document, idempotency_key="k")) != first


async def test_a_request_given_up_while_it_is_written_has_made_its_call(
    exchange: Exchange, engine: ScriptedEngine
) -> None:
    """The phone rings before the disk has said yes: whoever goes away has made a call that is known."""
    document = await made(exchange)
    task = asyncio.create_task(exchange.calls.connect(await request(exchange, document)))
    await asyncio.sleep(0)
    assert len(engine.orders) == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    engine.end(engine.orders[0].call_id, "USER_BUSY", "a", 486)
    (item,) = await items(exchange, document)
    assert (item["result"], item["cause"]) == ("error", "USER_BUSY")
    assert [trunk.calls for trunk in exchange.calls.routes.trunks] == [0]


async def test_a_call_that_rings_when_the_service_begins_to_stop_is_answered_for(
    exchange: Exchange, engine: ScriptedEngine
) -> None:
    document = await made(exchange)
    task = asyncio.create_task(exchange.calls.connect(await request(exchange, document)))
    await asyncio.sleep(0)
    exchange.drain()
    assert engine.orders[0].call_id in (await task).decode()
    with pytest.raises(UnavailableError):
        await exchange.calls.connect(await request(exchange, document))
    assert len(engine.orders) == 1


async def test_a_call_that_is_not_on_disk_is_taken_back(
    exchange: Exchange, engine: ScriptedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk fails between the first INVITE and the answer."""

    def broken(descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    document = await made(exchange)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", broken)
        with pytest.raises(StorageError, match="Input/output"):
            await exchange.calls.connect(await request(exchange, document))
    assert exchange.calls.live == {}
    (item,) = await items(exchange, document)
    assert (item["call_id"], item["ended_by"]) == (engine.orders[0].call_id, "api")


async def test_who_is_behind_begins_no_call(exchange: Exchange, engine: ScriptedEngine) -> None:
    """What is refused costs little; what is accepted beyond what can be carried would fail, and others with it."""
    document = await made(exchange)
    engine.late = MOST_LAG
    await exchange.calls.connect(await request(exchange, document))
    engine.late = MOST_LAG + 0.01
    with pytest.raises(UnavailableError, match="more to do than it can") as refused:
        await exchange.calls.connect(await request(exchange, document))
    assert refused.value.wait == 1.0
    engine.late = 0.0
    await exchange.calls.connect(await request(exchange, document))
    assert len(engine.orders) == 2
    assert exchange.calls.refused == {"unavailable": 1}


async def test_the_end_of_a_call_is_counted_once_and_frees_everything(
    exchange: Exchange, engine: ScriptedEngine
) -> None:
    document = await made(exchange)
    for _ in range(50):
        await exchange.calls.connect(await request(exchange, document))
    assert exchange.calls.routes.trunks[0].calls == 50
    for order in engine.orders:
        engine.end(order.call_id, "USER_BUSY", "a", 486)
    assert exchange.calls.live == {}
    assert exchange.calls.routes.trunks[0].calls == 0
    assert exchange.calls.ended == {"USER_BUSY": 50}


async def test_a_call_is_ours_until_its_end_is_written(exchange: Exchange, engine: ScriptedEngine) -> None:
    """The process that takes our place leaves those alone."""
    document = await made(exchange)
    await exchange.calls.connect(await request(exchange, document))
    (row,) = [call.history_id for call in exchange.calls.live.values()]
    await exchange.history.store.caught_up()
    engine.end(engine.orders[0].call_id, "USER_BUSY", "a", 486)
    assert exchange.own_calls() == [row]
    await exchange.history.store.caught_up()
    assert exchange.own_calls() == []


async def test_news_of_calls_that_are_not_ours_is_ignored(exchange: Exchange, engine: ScriptedEngine) -> None:
    document = await made(exchange)
    await exchange.calls.connect(await request(exchange, document))
    call_id = engine.orders[0].call_id
    engine.end(call_id, "USER_BUSY", "a", 486)
    engine.end(call_id, "USER_BUSY", "a", 486)
    assert exchange.calls.ended == {"USER_BUSY": 1}
