"""A server with `[sip] workers`: calls are carried by other processes, and everything is as it is with one.

Tests imported from other files are played here with a worker beside the desk; it gets the first call.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from c2c_b2bua.config import PORTS_APART
from tests.command import run
from tests.test_cli import (
    test_a_second_server_says_so_and_harms_no_call_of_the_first,
    test_a_second_sigterm_waits_for_nobody,
    test_sigterm_hangs_up_and_history_is_complete,
)

from .server import PATIENCE, Server
from .sipp import Sipp
from .stage import A_NUMBER, B_NUMBER, leg
from .test_crash import (
    StageOf,
    hang_up,
    reached,
    seen,
    test_a_bye_that_comes_while_nobody_listens,
    test_a_call_that_is_being_joined_is_joined,
    test_a_connect_that_was_accepted_is_neither_forgotten_nor_dialled_twice,
    test_a_talking_call_goes_on,
    test_the_api_ends_a_call_that_was_taken_over,
    test_what_rings_is_cancelled_and_the_call_is_lost,
)
from .test_drain import (
    test_drain_by_request_waits_for_the_last_call,
    test_talking_goes_on_after_sigterm,
    test_when_the_grace_is_over_everybody_is_told_why,
    test_who_rings_may_still_answer_after_sigterm,
    until,
)
from .test_scenarios import test_a_phone_that_is_switched_off, test_over_tcp, test_trunk_challenges
from .test_ways_to_bridge import test_b_hands_the_call_over, test_b_may_not_hand_over_to_just_anybody

__all__ = [
    "test_a_bye_that_comes_while_nobody_listens",
    "test_a_call_that_is_being_joined_is_joined",
    "test_a_connect_that_was_accepted_is_neither_forgotten_nor_dialled_twice",
    "test_a_phone_that_is_switched_off",
    "test_a_second_server_says_so_and_harms_no_call_of_the_first",
    "test_a_second_sigterm_waits_for_nobody",
    "test_a_talking_call_goes_on",
    "test_b_hands_the_call_over",
    "test_b_may_not_hand_over_to_just_anybody",
    "test_drain_by_request_waits_for_the_last_call",
    "test_over_tcp",
    "test_sigterm_hangs_up_and_history_is_complete",
    "test_talking_goes_on_after_sigterm",
    "test_the_api_ends_a_call_that_was_taken_over",
    "test_trunk_challenges",
    "test_what_rings_is_cancelled_and_the_call_is_lost",
    "test_when_the_grace_is_over_everybody_is_told_why",
    "test_who_rings_may_still_answer_after_sigterm",
]


@pytest.fixture(autouse=True)
def workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Server, "workers", 2)


def contact_ports(phone: Sipp) -> Counter[int]:
    """The ports of ours that a phone was told in INVITEs, and how often."""
    contacts = [message.header("Contact") for message in phone.messages() if message.first_line.startswith("INVITE")]
    return Counter(int(contact.rstrip(">").rpartition(":")[2]) for contact in contacts)


def workers_of(server: Server) -> list[int]:
    """Process ids, by number."""
    assert server.process
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
    return sorted(map(int, children), key=number_of)


def number_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[-2])


async def test_a_worker_has_its_own_port(stage: StageOf) -> None:
    async with stage(a="a_answers", b="b_hangs_up") as play:
        await play.connect()
        record = await play.outcome()
        assert (record["result"], record["ended_by"]) == ("success", "b")
        assert play.b
        for phone in (play.a, play.b):
            assert contact_ports(phone).keys() == {play.server.sip_port + PORTS_APART}
            (invite, *_) = phone.messages()
            assert f"127.0.0.1:{play.server.sip_port + PORTS_APART};" in invite.header("Via")


async def test_the_api_hangs_up(stage: StageOf) -> None:
    async with stage(a="a_answers", b="b_answers") as play:
        await play.connect()
        await reached(play, "bridged")
        gauges = await play.server.gauges()
        assert (gauges["c2c_calls_active"], gauges["c2c_legs_active"]) == (1, 2)
        await hang_up(play)
        record = await play.outcome()
    assert (record["result"], record["ended_by"]) == ("success", "api")


async def test_calls_of_a_worker_that_there_is_no_more(stage: StageOf) -> None:
    """Killed, and started again with fewer workers: the desk has the calls now, and the file of the worker is gone."""
    async with stage(a="a_answers", b="b_answers") as play:
        await play.connect()
        await reached(play, "bridged")
        (worker,) = workers_of(play.server)
        async with ending(worker):
            await play.server.kill()
        config = play.server.config.read_text()
        play.server.config.write_text(config.replace("workers = 2", "workers = 1"))
        await play.server.start()
        await reached(play, "bridged")
        await hang_up(play)
        record = await play.outcome()
        left = [path.name for path in (play.directory / "server").iterdir() if ".calls" in path.name]
        assert left == ["c2c.db.calls"]
    assert (record["result"], record["ended_by"]) == ("success", "api")


@asynccontextmanager
async def ending(process: int) -> AsyncIterator[None]:
    """What is done here ends the process; left when that is so."""
    descriptor, gone = os.pidfd_open(process), asyncio.Event()
    asyncio.get_running_loop().add_reader(descriptor, gone.set)
    try:
        yield
        async with asyncio.timeout(PATIENCE):
            await gone.wait()
    finally:
        asyncio.get_running_loop().remove_reader(descriptor)
        os.close(descriptor)


async def test_a_call_outlives_its_worker(stage: StageOf) -> None:
    async with stage(a="a_answers", b="b_hangs_up") as play:
        await play.connect()
        await seen(play.a, "ACK", 2)
        (worker,) = workers_of(play.server)
        os.kill(worker, signal.SIGKILL)
        record = await play.outcome()
        assert workers_of(play.server) != [worker]
    assert (record["result"], record["ended_by"]) == ("success", "b")
    assert record["bridged_at"] is not None
    assert (leg(record, "a")["sip_code"], leg(record, "b")["sip_code"]) == (200, 200)


async def test_a_hang_up_waits_for_the_next_worker(stage: StageOf) -> None:
    async with stage(a="a_answers", b="b_answers") as play:
        await play.connect()
        await reached(play, "bridged")
        (worker,) = workers_of(play.server)
        os.kill(worker, signal.SIGSTOP)
        await hang_up(play)
        os.kill(worker, signal.SIGKILL)
        record = await play.outcome()
    assert (record["result"], record["ended_by"]) == ("success", "api")


async def test_what_rings_is_lost_with_its_worker(stage: StageOf) -> None:
    async with stage(a="a_never_answers", ring_timeout=20.0) as play:
        await play.connect()
        await reached(play, "ringing_a")
        os.kill(workers_of(play.server)[0], signal.SIGKILL)
        record = await play.outcome()
    assert (record["result"], record["ended_by"], record["cause"]) == ("error", "error", "RECOVERY_ON_TIMER_EXPIRE")
    assert leg(record, "a")["sip_code"] == 487


async def test_a_call_that_its_worker_never_heard_of_is_lost(stage: StageOf) -> None:
    async with stage(a="a_answers", b="b_hangs_up") as play:
        (worker,) = workers_of(play.server)
        os.kill(worker, signal.SIGSTOP)
        await play.connect()
        os.kill(worker, signal.SIGKILL)
        record = await play.server.ended(play.document, play.call_id)
        assert (record["result"], record["ended_by"], record["cause"]) == ("error", "error", "RECOVERY_ON_TIMER_EXPIRE")
        assert record["reason"] == "the process that had this call was killed"
        await play.connect()
        record = await play.outcome()
    assert (record["result"], record["ended_by"]) == ("success", "b")


async def test_a_worker_that_is_killed_again_and_again(tmp_path: Path) -> None:
    """Whatever its calls are doing then: each has an end, and none but those that ring are lost."""
    async with (
        Sipp("a_answers_many", tmp_path / "a", "-d", "4000", calls=1000) as a,
        Sipp("b_hangs_up_many", tmp_path / "b", "-d", "300", calls=1000) as b,
        Server(tmp_path / "server", {A_NUMBER: a.uri, B_NUMBER: b.uri}) as server,
    ):
        document = await server.create(A_NUMBER)
        for kills in range(1, 4):
            calls: list[str] = []
            for _ in range(5):
                calls += [reply["data"]["call_id"] for _, reply in await connects(server, document, 3)]
                await asyncio.sleep(0.1)
            os.kill(workers_of(server)[0], signal.SIGKILL)
            await logged(server, "worker is there again", kills)
            records = [await server.ended(document, call_id) for call_id in calls]
            outcomes = Counter((record["result"], record.get("cause")) for record in records)
            assert outcomes.keys() <= {("success", None), ("error", "RECOVERY_ON_TIMER_EXPIRE")}
            assert outcomes["success", None] >= 10
            bridged = [record["bridged_at"] is not None for record in records if record["result"] == "success"]
            assert all(bridged)
        # A phone that had ended when its record was not safe yet is hung up again; SIPp has forgotten it and says nothing.
        await server.nothing_lives(40)


async def test_while_a_worker_is_away_others_take_its_share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It cannot come back, as somebody else has taken its port; then it can."""
    monkeypatch.setattr(Server, "workers", 3)
    async with (
        Sipp("a_answers_many", tmp_path / "a", calls=8) as a,
        Sipp("b_hangs_up_many", tmp_path / "b", "-d", "300", calls=8) as b,
        Server(tmp_path / "server", {A_NUMBER: a.uri, B_NUMBER: b.uri}) as server,
    ):
        document = await server.create(A_NUMBER)
        port = server.sip_port + PORTS_APART
        os.kill(workers_of(server)[0], signal.SIGKILL)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taker:
            await until(lambda: can_have(taker, port))
            await logged(server, "worker has died")
            await all_talk(server, document, 6)
            assert contact_ports(a).keys() == {server.sip_port, port + PORTS_APART}
            await logged(server, f"cannot listen on udp:127.0.0.1:{port}: Address already in use")
        await logged(server, "worker is there again")
        await all_talk(server, document, 2)
        assert contact_ports(a)[port] > 0
        await a.passed()
        await b.passed()
        await server.nothing_lives()


async def test_the_desk_takes_its_share(tmp_path: Path) -> None:
    """With one worker an eighth of the calls, as it has the HTTP and the storage of all."""
    async with (
        Sipp("a_answers_many", tmp_path / "a", calls=8) as a,
        Sipp("b_hangs_up_many", tmp_path / "b", "-d", "3000", calls=8) as b,
        Server(tmp_path / "server", {A_NUMBER: a.uri, B_NUMBER: b.uri}) as server,
    ):
        document = await server.create(A_NUMBER)
        await all_talk(server, document, 8)
        await a.passed()
        await b.passed()
        await server.nothing_lives()
        # An INVITE to ring A, and one to tell it where B is.
        assert contact_ports(a) == {server.sip_port: 2, server.sip_port + PORTS_APART: 14}


async def test_limits_hold_for_all_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Server, "workers", 3)
    async with (
        Sipp("a_answers_many", tmp_path / "a", calls=16) as a,
        Sipp("b_hangs_up_many", tmp_path / "b", "-d", "3000", calls=16) as b,
        Server(tmp_path / "server", {A_NUMBER: a.uri, B_NUMBER: b.uri}) as server,
    ):
        few = await server.create(A_NUMBER, max_active=5)
        slow = await server.create(A_NUMBER, throttle=10)
        free = await server.create(A_NUMBER)
        assert Counter([status for status, _ in await connects(server, few, 20)]) == {200: 5, 429: 15}
        assert Counter([status for status, _ in await connects(server, slow, 30)]) == {200: 10, 429: 20}
        once = await connects(server, free, 10, {"Idempotency-Key": "once"})
        assert len({(status, reply["data"]["call_id"]) for status, reply in once}) == 1
        await a.passed()
        await b.passed()
        for document, calls in ((few, 5), (slow, 10), (free, 1)):
            records = [await server.ended(document, one["call_id"]) for one in await server.history(document)]
            assert [record["result"] for record in records] == ["success"] * calls
        await server.nothing_lives()
        assert contact_ports(a) == {server.sip_port + PORTS_APART: 16, server.sip_port + 2 * PORTS_APART: 16}


async def connects(
    server: Server, document: str, times: int, headers: Mapping[str, str] | None = None
) -> list[tuple[int, Any]]:
    """So many at once: the status and the body of each."""
    path = f"/v2/accounts/{server.account}/clicktocall/{document}/connect"
    session = server.session
    assert session

    async def one() -> tuple[int, Any]:
        sent = {"X-Auth-Token": server.token, **(headers or {})}
        async with session.post(path, json={"data": {"contact": B_NUMBER}}, headers=sent) as reply:
            return reply.status, await reply.json()

    return await asyncio.gather(*(one() for _ in range(times)))


async def all_talk(server: Server, document: str, times: int) -> None:
    """So many calls at once, all of them to their good end."""
    calls = [reply["data"]["call_id"] for _, reply in await connects(server, document, times)]
    records = [await server.ended(document, call_id) for call_id in calls]
    assert {record["result"] for record in records} == {"success"}


async def can_have(taker: socket.socket, port: int) -> bool:
    try:
        taker.bind(("127.0.0.1", port))
    except OSError:
        return False
    return True


async def logged(server: Server, text: str, times: int = 1) -> None:
    async def is_there() -> bool:
        return server.output().count(text) >= times

    await until(is_there)


@pytest.mark.parametrize("workers_of_the_new", [2, 1])
async def test_no_other_service_takes_its_place(tmp_path: Path, workers_of_the_new: int) -> None:
    async with Server(tmp_path, {}) as server:
        settings = tmp_path / "new.toml"
        settings.write_text(server.config.read_text().replace("workers = 2", f"workers = {workers_of_the_new}"))
        outcome = await run("serve", "--config", str(settings), "--replace")
        assert (outcome.code, outcome.out) == (1, "")
        assert "a service with workers above 1 in [sip] neither takes a place nor hands it over" in outcome.err
        assert await server.is_ready()
