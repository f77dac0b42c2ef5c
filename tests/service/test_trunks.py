"""Which trunk a call takes, which it may go over to, and what is counted."""

from __future__ import annotations

import pytest

from c2c_b2bua.call.news import LegFailed, LegRerouted
from c2c_b2bua.call.record import LegRecord
from c2c_b2bua.config_file import parse
from c2c_b2bua.registration.trunk import TrunkChanged
from c2c_b2bua.service.errors import TooManyError
from c2c_b2bua.service.exchange import Exchange
from c2c_b2bua.service.trunks import Trunks, Way, give_back
from c2c_b2bua.sip.reason import Why
from tests.api.conftest import SETTINGS
from tests.api.scripted_engine import ScriptedEngine
from tests.service.conftest import StartExchange
from tests.service.test_calls import items, made, request

NOW = 1_800_000_000.0
CALLER = "+14155550111"
CONGESTED = Why("NORMAL_TEMPORARY_FAILURE", 503, "Service Unavailable")
RESTING = Why("NORMAL_TEMPORARY_FAILURE", 503, "Service Unavailable", 30)


def trunks(*settings: str) -> Trunks:
    """Trunks `t1`, `t2` … with these further settings."""
    tables = [
        f'[[trunk]]\nname = "t{number}"\nproxy = "sip:t{number}.example"\n{text}\n'
        for number, text in enumerate(settings, 1)
    ]
    return Trunks(parse("".join(tables), "test.toml", lambda reference: reference))


def names(way: Way | None) -> str:
    """`t1 t2`: on t1, and t2 should that fail."""
    return " ".join(trunk.name for trunk in (way.trunk, *way.others)) if way else ""


def taken(carriers: Trunks, caller: str = CALLER, now: float = NOW) -> str:
    (way,) = carriers.take([caller], now)
    return names(way)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (["", "", ""], "t1 t2 t3"),
        (["", 'hotlines = ["4155550111"]', ""], "t2 t1 t3"),
        (['hotlines = ["4155550122"]', 'hotlines = ["+14155550111"]'], "t2 t1"),
        (['hotlines = ["4155550122"]', ""], "t1 t2"),
    ],
)
def test_the_order_is_that_of_the_file_but_for_the_caller_id(settings: list[str], expected: str) -> None:
    assert taken(trunks(*settings)) == expected


@pytest.mark.parametrize(
    ("down", "expected"), [({1}, "t2 t3"), ({2}, "t1 t3"), ({1, 3}, "t2"), ({1, 2, 3}, "t1 t2 t3")]
)
def test_a_trunk_that_is_down_is_left_out_unless_all_are(down: set[int], expected: str) -> None:
    carriers = trunks("", "", "")
    for number in down:
        carriers.by_name[f"t{number}"].status = TrunkChanged(f"t{number}", NOW, is_there=False)
    assert taken(carriers) == expected


def test_a_trunk_that_has_all_its_calls_is_passed_over() -> None:
    carriers = trunks("max_calls = 1", "max_calls = 2")
    assert [taken(carriers) for _ in range(3)] == ["t1 t2", "t2", "t2"]
    with pytest.raises(TooManyError) as caught:
        taken(carriers)
    assert caught.value.wait == 1.0
    carriers[0].release()
    assert taken(carriers) == "t1"


def test_a_trunk_at_its_rate_may_still_take_a_call_that_failed_elsewhere() -> None:
    carriers = trunks("calls_per_second = 1", "calls_per_second = 1")
    assert [taken(carriers), taken(carriers)] == ["t1 t2", "t2 t1"]
    with pytest.raises(TooManyError) as caught:
        taken(carriers, now=NOW + 0.25)
    assert caught.value.wait == pytest.approx(0.75)
    assert taken(carriers, now=NOW + 1) == "t1 t2"


def test_two_legs_take_two_places_and_only_the_first_keeps_the_pace() -> None:
    carriers = trunks("calls_per_second = 1\nmax_calls = 3")
    assert [names(way) for way in carriers.take([CALLER, CALLER], NOW)] == ["t1", "t1"]
    assert carriers[0].calls == 2
    with pytest.raises(TooManyError) as caught:
        taken(carriers)
    assert caught.value.wait == pytest.approx(2), "what the second leg takes is owed"


def test_a_leg_that_gets_no_place_costs_nothing() -> None:
    carriers = trunks("calls_per_second = 1\nmax_calls = 1")
    for _ in range(3):
        with pytest.raises(TooManyError):
            carriers.take([CALLER, CALLER], NOW)
    assert carriers[0].calls == 0
    ways = carriers.take([None, CALLER], NOW)
    assert [names(way) for way in ways] == ["", "t1"]
    give_back(ways)
    assert taken(carriers) == "t1"


def test_a_trunk_that_asks_to_be_left_alone_is() -> None:
    carriers = trunks("", "")
    carriers[0].fail(RESTING, False, NOW)
    assert taken(carriers, now=NOW + 29) == "t2"
    assert taken(carriers, now=NOW + 30) == "t1 t2"
    carriers[1].fail(RESTING, True, NOW)
    assert taken(carriers, now=NOW + 1) == "t2", "it is the trunk that has to ask"
    assert carriers[0].failed == {(503, "NORMAL_TEMPORARY_FAILURE"): 1}


# ── in calls ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def settings_text() -> str:
    return SETTINGS + '[[trunk]]\nname = "second"\nproxy = "sip:second.example"\nusername = "me"\npassword = "pw"\n'


async def test_the_others_come_as_instead(exchange: Exchange, engine: ScriptedEngine) -> None:
    document = await made(exchange)
    await exchange.calls.connect(await request(exchange, document))
    (order,) = engine.orders
    ((instead,),) = order.b_instead
    assert (order.a_instead, order.b.trunk, instead.trunk) == ((), "carrier", "second")
    assert instead.uri == "sip:+14155550100@second.example"
    assert (instead.next_hop, instead.username, instead.password) == ("sip:second.example", "me", "pw")
    document = await made(exchange, dial_first="contact")
    await exchange.calls.connect(await request(exchange, document))
    order = engine.orders[1]
    assert ([party.trunk for (party,) in order.a_instead], order.b_instead) == (["second"], ())


async def test_a_place_moves_with_the_call_and_comes_back(exchange: Exchange, engine: ScriptedEngine) -> None:
    document = await made(exchange)
    first, second = exchange.calls.routes.trunks
    await exchange.calls.connect(await request(exchange, document))
    call_id = engine.orders[0].call_id
    engine.dial("b", call_id)
    engine.tell(LegFailed, call_id, leg="b", trunk="carrier", why=CONGESTED, is_local=False)  # type: ignore[arg-type]
    engine.tell(LegRerouted, call_id, leg="b", trunk="second")
    assert (first.calls, second.calls) == (0, 1)
    record = engine.records[call_id]
    record.attempts = [LegRecord(leg="b", call_id="b-1", target="+14155550100", trunk="carrier", sip_code=503)]
    record.legs[-1].trunk = "second"
    engine.end(call_id, "USER_BUSY", "b", 486)
    assert (first.calls, second.calls) == (0, 0)
    assert (first.failed, second.failed) == ({(503, "NORMAL_TEMPORARY_FAILURE"): 1}, {})
    (item,) = await items(exchange, document)
    assert [leg["trunk"] for leg in item["legs"]] == [None, "second"]
    assert [(leg["trunk"], leg["sip_code"]) for leg in item["attempts"]] == [("carrier", 503)]


async def test_a_call_without_attempts_does_not_speak_of_them(
    start_exchange: StartExchange, engine: ScriptedEngine
) -> None:
    exchange = await start_exchange()
    document = await made(exchange)
    await exchange.calls.connect(await request(exchange, document))
    engine.end(engine.orders[0].call_id, "USER_BUSY", "a", 486)
    (item,) = await items(exchange, document)
    assert "attempts" not in item
