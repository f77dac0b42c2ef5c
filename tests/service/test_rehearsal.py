"""A dry run: what every policy says, and that saying it costs nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from c2c_b2bua.config import Config
from c2c_b2bua.config_file import parse
from c2c_b2bua.service.errors import TooManyError, UnauthenticatedError
from c2c_b2bua.service.exchange import Exchange
from c2c_b2bua.service.listing import Listing
from c2c_b2bua.service.rehearsal import rehearse
from tests.api.conftest import SETTINGS, A
from tests.api.scripted_engine import ScriptedEngine
from tests.service.test_calls import made, request

POLICIES = ["service", "account", "throttle", "contact", "whitelist", "limits", "route", "trunk"]


@pytest.fixture(autouse=True)
def clock(engine: ScriptedEngine) -> None:
    engine.clock = 1_800_000_000.0


def change(exchange: Exchange, **calls: Any) -> None:
    """Other settings of `[calls]`."""
    settings: Config = msgspec.structs.replace(
        exchange.settings, calls=msgspec.structs.replace(exchange.settings.calls, **calls)
    )
    exchange.calls.settings = settings


def failed(told: dict[str, Any]) -> list[str]:
    return [verdict["policy"] for verdict in told["verdicts"] if not verdict["passed"]]


async def test_everything_is_well(exchange: Exchange, engine: ScriptedEngine) -> None:
    document = await made(exchange, whitelist=["^\\+1"], throttle=5, max_active=5)
    told = await rehearse(exchange.calls, await request(exchange, document))
    assert (told["dry_run"], told["accepted"]) == (True, True)
    assert told["verdicts"] == [{"policy": policy, "passed": True} for policy in POLICIES]
    assert told["legs"] == [
        {"leg": "a", "target": "1001", "trunk": None, "uri": "sip:1001@192.0.2.10:5060"},
        {
            "leg": "b",
            "target": "+14155550100",
            "trunk": "carrier",
            "uri": "sip:+14155550100@sip.carrier.example:5080",
        },
    ]
    assert told["invite"].startswith("INVITE sip:1001@192.0.2.10:5060 SIP/2.0\r\n")
    assert engine.orders == []


async def test_nothing_is_left_behind(exchange: Exchange, engine: ScriptedEngine) -> None:
    document = await made(exchange, throttle=1, max_active=1)
    for _ in range(3):
        told = await rehearse(exchange.calls, await request(exchange, document))
        assert told["accepted"], told
    assert (engine.orders, exchange.calls.live, exchange.calls.active) == ([], {}, {})
    assert (exchange.calls.accepted, exchange.calls.refused) == (0, {})
    assert (await exchange.history.page(A, document.id, Listing())).items == []
    await exchange.calls.connect(await request(exchange, document))
    assert len(engine.orders) == 1


async def test_a_throttle_that_is_used_up(exchange: Exchange, engine: ScriptedEngine) -> None:
    document = await made(exchange, throttle=2)
    for _ in range(2):
        await exchange.calls.connect(await request(exchange, document))
    for _ in range(3):
        told = await rehearse(exchange.calls, await request(exchange, document))
        (verdict,) = [verdict for verdict in told["verdicts"] if verdict["policy"] == "throttle"]
        assert verdict == {
            "policy": "throttle",
            "passed": False,
            "message": "too many requests",
            "retry_after": pytest.approx(30.0),
        }
        assert (told["accepted"], failed(told)) == (False, ["throttle"])
    assert engine.clock
    engine.clock += 30
    await exchange.calls.connect(await request(exchange, document))
    with pytest.raises(TooManyError):
        await exchange.calls.connect(await request(exchange, document))


async def test_a_throttle_that_was_changed_forgets_nothing(exchange: Exchange) -> None:
    document = await made(exchange, throttle=2)
    for _ in range(2):
        await exchange.calls.connect(await request(exchange, document))
    changed = await exchange.documents.save(exchange.documents.patched(A, document.id, {"throttle": 3}))
    assert failed(await rehearse(exchange.calls, await request(exchange, changed))) == []
    await exchange.calls.connect(await request(exchange, changed))
    with pytest.raises(TooManyError):
        await exchange.calls.connect(await request(exchange, changed))


async def test_too_many_active_calls(exchange: Exchange) -> None:
    document = await made(exchange, max_active=1)
    await exchange.calls.connect(await request(exchange, document))
    assert failed(await rehearse(exchange.calls, await request(exchange, document))) == ["throttle"]


async def test_a_service_that_stops(exchange: Exchange) -> None:
    document = await made(exchange)
    exchange.drain()
    told = await rehearse(exchange.calls, await request(exchange, document))
    assert failed(told) == ["service"]
    assert told["verdicts"][0]["retry_after"] > 0
    assert [verdict["policy"] for verdict in told["verdicts"]] == POLICIES


async def test_an_account_that_is_disabled(exchange: Exchange) -> None:
    order = await request(exchange, await made(exchange))
    account = msgspec.structs.replace(order.account, enabled=False)
    told = await rehearse(exchange.calls, msgspec.structs.replace(order, account=account))
    assert failed(told) == ["account"]


@pytest.mark.parametrize("contact", [None, "", "call me", 5.5, "sip:a@b;maddr=x"])
async def test_no_contact_is_the_end_of_the_questions(exchange: Exchange, contact: Any) -> None:
    document = await made(exchange, whitelist=["x"])
    told = await rehearse(exchange.calls, await request(exchange, document, contact=contact))
    assert [verdict["policy"] for verdict in told["verdicts"]] == POLICIES[:4]
    assert "contact" in told["verdicts"][-1]["errors"]
    assert (told["legs"], told["invite"]) == ([], None)


async def test_every_policy_that_fails_is_named(exchange: Exchange) -> None:
    document = await made(exchange, whitelist=["^\\+44"], throttle=1)
    await exchange.calls.connect(await request(exchange, document, contact="+442079460000"))
    told = await rehearse(exchange.calls, await request(exchange, document, contact="+33123456789"))
    assert failed(told) == ["throttle", "whitelist", "route"]
    assert told["verdicts"][4]["message"] == "Contact doesn't match whitelist"
    assert told["verdicts"][-1]["errors"]["contact"]["no_route"]["cause"] == "OUTGOING_CALL_BARRED"
    assert (told["legs"], told["invite"]) == ([], None)


@pytest.mark.parametrize(("extension", "code"), [("1009", "not_registered"), ("911", "no_route")])
async def test_an_extension_that_cannot_be_reached(exchange: Exchange, extension: str, code: str) -> None:
    document = await made(exchange, extension=extension)
    told = await rehearse(exchange.calls, await request(exchange, document))
    assert failed(told) == ["route"]
    assert list(told["verdicts"][-1]["errors"]["extension"]) == [code]


async def test_the_limit_of_all_calls(exchange: Exchange) -> None:
    document = await made(exchange)
    change(exchange, max_calls=1)
    assert failed(await rehearse(exchange.calls, await request(exchange, document))) == []
    await exchange.calls.connect(await request(exchange, document))
    assert failed(await rehearse(exchange.calls, await request(exchange, document))) == ["limits"]


async def test_the_cool_down_of_a_contact_is_not_begun(exchange: Exchange) -> None:
    document = await made(exchange, auth_required=False)
    change(exchange, contact_cooldown=60.0)
    for _ in range(2):
        assert (await rehearse(exchange.calls, await request(exchange, document)))["accepted"]
    await exchange.calls.connect(await request(exchange, document, trusted=False))
    assert (await rehearse(exchange.calls, await request(exchange, document)))["accepted"]
    with pytest.raises(TooManyError):
        await exchange.calls.connect(await request(exchange, document, trusted=False))


async def test_strangers_are_told_nothing(exchange: Exchange) -> None:
    document = await made(exchange, auth_required=False)
    with pytest.raises(UnauthenticatedError):
        await rehearse(exchange.calls, await request(exchange, document, trusted=False))


async def test_a_trunk_that_is_full(exchange: Exchange) -> None:
    (trunk,) = exchange.calls.routes.trunks
    trunk.settings = msgspec.structs.replace(trunk.settings, max_calls=1)
    exchange.calls.waiting.size = 0
    document = await made(exchange)
    for _ in range(3):
        told = await rehearse(exchange.calls, await request(exchange, document))
        assert (told["accepted"], trunk.calls) == (True, 0)
    await exchange.calls.connect(await request(exchange, document))
    told = await rehearse(exchange.calls, await request(exchange, document))
    assert (failed(told), trunk.calls) == (["trunk"], 1)
    assert told["verdicts"][-1]["retry_after"] == 1.0
    assert (told["legs"], told["invite"]) == ([], None)
    told = await rehearse(exchange.calls, await request(exchange, document, contact="2600"))
    assert told["accepted"]


async def test_the_pace_of_a_trunk_is_not_used_up(tmp_path: Path, engine: ScriptedEngine) -> None:
    text = SETTINGS.replace("DATABASE", str(tmp_path / "c2c.db")) + "calls_per_second = 1\n"
    exchange = Exchange(parse(text, "test.toml", lambda reference: reference), engine)
    await exchange.start()
    try:
        document = await made(exchange)
        for _ in range(5):
            assert (await rehearse(exchange.calls, await request(exchange, document)))["accepted"]
        await exchange.calls.connect(await request(exchange, document))
        told = await rehearse(exchange.calls, await request(exchange, document))
        assert (told["accepted"], told["verdicts"][-1]) == (True, {"policy": "trunk", "passed": True, "queued": True})
        assert ([leg["trunk"] for leg in told["legs"]], len(exchange.calls.waiting)) == ([None, "carrier"], 0)
        exchange.calls.waiting.size = 0
        assert failed(await rehearse(exchange.calls, await request(exchange, document))) == ["trunk"]
    finally:
        await exchange.stop()


async def test_a_next_hop_without_an_address(exchange: Exchange, engine: ScriptedEngine) -> None:
    async def nowhere(_order: object) -> str:
        return ""

    engine.rehearse = nowhere  # type: ignore[method-assign]
    told = await rehearse(exchange.calls, await request(exchange, await made(exchange)))
    assert failed(told) == ["address"]
    assert told["invite"] is None and len(told["legs"]) == 2


async def test_a_contact_that_is_rung_first(exchange: Exchange) -> None:
    document = await made(exchange, dial_first="contact")
    told = await rehearse(exchange.calls, await request(exchange, document))
    assert [(leg["leg"], leg["target"]) for leg in told["legs"]] == [("a", "+14155550100"), ("b", "1001")]
