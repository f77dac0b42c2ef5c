"""`c2c serve --replace`: a new process takes the place of a running one, and no call is dropped."""

from __future__ import annotations

import asyncio
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from c2c_b2bua.transport.link import VERSION, Handed, HandOver, Letters, Link, listen
from tests.command import Command, c2c, run
from tests.test_cli import TwoPhones, bridged

from .ports import LOOPBACK, free_port
from .server import PATIENCE, TICK, Server
from .sipp import Sipp

SERVE = (sys.executable, "-m", "c2c_b2bua", "serve", "--config")


def serving(server: Server, *words: str) -> Command:
    """Another process of the same configuration."""
    return Command(*SERVE, str(server.config), *words)


@asynccontextmanager
async def replaced(server: Server) -> AsyncIterator[Command]:
    """A second process in the place of the first."""
    async with serving(server, "--replace") as new:
        await new.says('"event": "ready"')
        yield new


async def ended(server: Server) -> None:
    """The first process ends by itself."""
    assert server.process
    async with asyncio.timeout(PATIENCE + 10):
        assert await server.process.wait() == 0


async def stop(process: Command) -> None:
    process.tell(signal.SIGTERM)
    assert (await process.ended()).code == 0


def complete(records: Sequence[dict[str, object]]) -> bool:
    return all(record.get("ended_by") for record in records)


async def test_talking_and_ringing_go_on_in_the_old_process(tmp_path: Path) -> None:
    async with TwoPhones() as talking, TwoPhones(b="--answer-after 1 --hangup-after 0.2") as ringing:
        uris = dict(zip(("2001", "2002", "2003", "2004"), [*talking.uris, *ringing.uris], strict=True))
        server = Server(tmp_path, uris)
        async with server:
            document, call_id = await bridged(server)
            other = await server.create("2003")
            other_id = (await server.connect(other, "2004"))["call_id"]
            await ringing.b.says("^ringing")
            async with replaced(server) as new:
                record = await server.ended(other, other_id)
                assert (record["result"], record["ended_by"]) == ("success", "b")
                assert server.process and server.process.returncode is None
                third = (await server.connect(document, "2004"))["call_id"]
                assert (await server.ended(document, third))["result"] == "success"
                talking.b.tell(signal.SIGTERM)
                record = await server.ended(document, call_id)
                assert (record["result"], record["ended_by"]) == ("success", "b")
                await talking.a.says("^ended .*the other side hung up")
                await ended(server)
                await new.says('"event": "the process before this one has ended"')
                await stop(new)
        assert '"event": "replaced"' in server.output()
        assert '"event": "stopped"' in server.output()


async def test_every_call_of_a_busy_moment_is_made(tmp_path: Path) -> None:
    """50 connects a second over connections that are kept alive, two swaps meanwhile: none fails, none is refused."""
    calls, rate = 400, 50
    options = ("-l", str(calls))
    async with (
        Sipp("a_answers_many", tmp_path / "a", *options, calls=calls) as a,
        Sipp("b_hangs_up_many", tmp_path / "b", "-d", "500", *options, calls=calls) as b,
    ):
        server = Server(tmp_path / "server", {"2001": a.uri, "2002": b.uri})
        async with server:
            document = await server.create("2001")
            path = f"/v2/accounts/{server.account}/clicktocall/{document}/connect?auto_answer=false"
            headers = {"X-Auth-Token": server.token}

            async def connect(client: aiohttp.ClientSession, body: dict[str, object]) -> str:
                async with client.post(path, json=body, headers=headers) as reply:
                    said = await reply.json()
                    assert reply.status == 200, said
                    return str(said["data"]["call_id"])

            base = f"http://{LOOPBACK}:{server.http_port}"
            loop = asyncio.get_running_loop()
            async with AsyncExitStack() as stack:
                client = await stack.enter_async_context(aiohttp.ClientSession(base))
                begin, made = loop.time(), []
                processes: list[Command] = []
                for number in range(calls):
                    if number in (calls // 4, calls // 2):
                        processes.append(await stack.enter_async_context(serving(server, "--replace")))
                    made.append(asyncio.create_task(connect(client, {"data": {"contact": "2002"}})))
                    await asyncio.sleep(begin + number / rate - loop.time())
                call_ids = await asyncio.gather(*made)
                await a.passed()
                await b.passed()
                first, second = processes
                await ended(server)
                assert (await first.ended()).code == 0
                assert len(set(call_ids)) == calls
                await until_complete(server, document, calls)
                await stop(second)
        assert not re.search(r'"level": "(warning|error)"', server.output()), server.output()
        said = "\n".join([*first.err, *second.err])
        assert not re.search(r'"level": "(warning|error)"', said), said


async def until_complete(server: Server, document: str, count: int) -> None:
    """Every call has its record, and each says that the two talked and B hung up."""
    async with asyncio.timeout(PATIENCE):
        while True:
            path = f"/v2/accounts/{server.account}/clicktocall/{document}/history"
            found = (await server.request("GET", path, 200, paginate="false"))["data"]
            if len(found) == count and complete(found):
                break
            await asyncio.sleep(TICK)
    assert {(record["result"], record["ended_by"]) for record in found} == {("success", "b")}


async def test_who_cannot_start_changes_nothing(tmp_path: Path) -> None:
    async with TwoPhones() as phones, phones.server(tmp_path) as server:
        document, call_id = await bridged(server)
        text = server.config.read_text()
        port = free_port()
        with_another = text.replace("listen = [", f'listen = ["udp:{LOOPBACK}:{port}", ', 1)
        server.config.write_text(with_another.replace("[sip]", "[sip]", 1))
        async with c2c("phone", "--listen", f"udp:{LOOPBACK}:{port}") as other:
            await other.says("^ready")
            async with serving(server, "--replace") as new:
                outcome = await new.ended()
        assert outcome.code == 1
        assert f"cannot listen on udp:{LOOPBACK}:{port}: Address already in use" in outcome.err
        server.config.write_text(text)
        assert "the process that was to replace this one is gone" in server.output()
        assert await server.is_ready()
        phones.b.tell(signal.SIGTERM)
        record = await server.ended(document, call_id)
        assert (record["result"], record["ended_by"]) == ("success", "b")
        again = await server.connect(document, "2002")
        assert (await server.ended(document, again["call_id"]))["sip_code"] is not None


async def test_with_nobody_to_replace_it_just_starts(tmp_path: Path) -> None:
    server = Server(tmp_path, {})
    async with replaced(server) as new:
        await new.says("nobody to replace")
        await stop(new)
    assert not (tmp_path / "c2c.db.sock").exists()


async def test_without_replace_a_second_process_leaves_the_database_alone(tmp_path: Path) -> None:
    async with TwoPhones() as phones, phones.server(tmp_path / "first") as server:
        document, _ = await bridged(server)
        second = Server(tmp_path / "second", {})
        text = second.config.read_text().replace(str(tmp_path / "second"), str(tmp_path / "first"))
        second.config.write_text(text)
        outcome = await run("serve", "--config", str(second.config))
        assert outcome.code == 1
        assert outcome.err.startswith("another process has this database")
        (record,) = await server.history(document)
        assert "ended_by" not in record


async def test_the_old_process_is_killed_and_the_new_one_has_its_calls(tmp_path: Path) -> None:
    """The one that talks goes on, the one that rings is ended and recorded as lost; neither is before the kill."""
    async with TwoPhones() as phones, TwoPhones(b="--never-answer") as others:
        server = Server(
            tmp_path, dict(zip(("2001", "2002", "2003", "2004"), [*phones.uris, *others.uris], strict=True))
        )
        async with server:
            document, call_id = await bridged(server)
            other = await server.create("2003")
            ringing = (await server.connect(other, "2004"))["call_id"]
            await others.b.says("^ringing")
            async with replaced(server) as new:
                records = [*await server.history(document), *await server.history(other)]
                assert ["ended_by" in record for record in records] == [False, False]
                assert server.process
                server.process.kill()
                await server.process.wait()
                server.process = new.process
                await new.says("calls of a killed process taken over")
                await others.b.says("^ended")
                assert (await server.ended(other, ringing))["result"] == "error"
                await server.reaches(document, call_id, "bridged")
                phones.b.tell(signal.SIGTERM)
                await phones.a.says("^ended .*the other side hung up")
                record = await server.ended(document, call_id)
                assert (record["result"], record["ended_by"]) == ("success", "b")
                await server.nothing_lives()
                await server.stop()


async def test_the_new_process_is_killed_and_replaced_from_the_old_one(tmp_path: Path) -> None:
    async with TwoPhones() as phones, phones.server(tmp_path) as server:
        document, call_id = await bridged(server)
        async with replaced(server) as new:
            new.tell(signal.SIGKILL)
            await new.process.wait()
            await logged(server, "the process that was to replace this one is gone")
            path = f"/v2/accounts/{server.account}/clicktocall/{document}/connect"
            assert (await server.request("POST", path, 503, {"contact": "2002"}))["message"] == "service_unavailable"
            async with replaced(server) as newer:
                phones.b.tell(signal.SIGTERM)
                record = await server.ended(document, call_id)
                assert (record["result"], record["ended_by"]) == ("success", "b")
                await ended(server)
                await stop(newer)


async def logged(server: Server, words: str) -> None:
    async with asyncio.timeout(PATIENCE):
        while words not in server.output():  # noqa: ASYNC110 (a file tells nobody)
            await asyncio.sleep(TICK)


async def test_a_call_outlives_two_releases(tmp_path: Path) -> None:
    async with TwoPhones() as phones, phones.server(tmp_path) as server:
        document, call_id = await bridged(server)
        async with replaced(server) as second, replaced(server) as third:
            phones.b.tell(signal.SIGTERM)
            record = await server.ended(document, call_id)
            assert (record["result"], record["ended_by"]) == ("success", "b")
            await ended(server)
            assert (await second.ended()).code == 0
            await stop(third)


async def test_the_oldest_of_three_is_killed_and_the_one_after_it_has_its_call(tmp_path: Path) -> None:
    """That one drains too, and another one reads the sockets by then: the call goes on all the same."""
    async with TwoPhones() as phones, phones.server(tmp_path) as server:
        document, call_id = await bridged(server)
        async with replaced(server) as second, replaced(server) as third:
            assert server.process
            server.process.kill()
            await second.says("calls of a killed process taken over")
            phones.b.tell(signal.SIGTERM)
            await phones.a.says("^ended .*the other side hung up")
            record = await server.ended(document, call_id)
            assert (record["result"], record["ended_by"]) == ("success", "b")
            assert (await second.ended()).code == 0
            await third.says('"event": "the process before this one has ended"')
            server.process = third.process
            await server.nothing_lives()
            await server.stop()


async def test_the_middle_one_of_three_is_killed_and_nobody_s_call_suffers(tmp_path: Path) -> None:
    """The newest goes on with the calls of the one that is gone, and passes on what comes for those of the oldest."""
    async with TwoPhones() as old, TwoPhones() as middle, TwoPhones() as new:
        uris = dict(
            zip(("2001", "2002", "2003", "2004", "2005", "2006"), old.uris + middle.uris + new.uris, strict=True)
        )
        server = Server(tmp_path, uris)
        async with server:
            document, call_id = await bridged(server)
            async with replaced(server) as second:
                other = await server.create("2003")
                other_id = (await server.connect(other, "2004"))["call_id"]
                await server.reaches(other, other_id, "bridged")
                async with replaced(server) as third:
                    second.tell(signal.SIGKILL)
                    await third.says("calls of a killed process taken over")
                    await third.says("looks after the process before the one that is gone")
                    newest = await server.create("2005")
                    newest_id = (await server.connect(newest, "2006"))["call_id"]
                    await server.reaches(newest, newest_id, "bridged")
                    for phones, its, its_id in (
                        (old, document, call_id),
                        (middle, other, other_id),
                        (new, newest, newest_id),
                    ):
                        phones.b.tell(signal.SIGTERM)
                        await phones.a.says("^ended .*the other side hung up")
                        record = await server.ended(its, its_id)
                        assert (record["result"], record["ended_by"]) == ("success", "b")
                    await ended(server)
                    await third.says('"event": "the process before this one has ended"')
                    server.process = third.process
                    await server.nothing_lives()
                    await server.stop()


async def test_who_finds_an_older_process_at_work_does_not_begin_beside_it(tmp_path: Path) -> None:
    """We are the one that is killed just while it hands over, and then the one before that."""
    server = Server(tmp_path, {})
    path = Path(f"{tmp_path / 'c2c.db'}.sock")
    async with AsyncExitStack() as stack:

        def hand_over_and_die(one: Link, letter: Letters, _: list[socket.socket]) -> None:
            assert letter == HandOver(VERSION)
            one.send(Handed(["ours", "of the older"], [], [], []))
            stack.enter_context(listen(path)[0])
            one.close()

        ours = stack.enter_context(listen(path)[0])
        new = await stack.enter_async_context(serving(server, "--replace"))
        end, _ = await asyncio.get_running_loop().sock_accept(ours)
        Link(end, hand_over_and_die, lambda _: None)
        outcome = await new.ended()
    assert outcome.code == 1
    assert "another process has this database" in outcome.err
    assert '"event": "ready"' not in outcome.err


async def test_drain_by_command(tmp_path: Path) -> None:
    async with TwoPhones() as phones, phones.server(tmp_path) as server:
        await bridged(server)
        assert await run("drain", "--config", str(server.config)) == (0, "It drains; calls that go on: 1.", "")
        phones.b.tell(signal.SIGTERM)
        await ended(server)
        outcome = await run("drain", "--config", str(server.config))
        assert (outcome.code, outcome.err) == (1, f"Nobody answers at {tmp_path}/c2c.db.sock.")


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_phones_are_rung_by_the_new_process(tmp_path: Path, transport: str) -> None:
    """One that registered over UDP goes on as it is; one over a stream connects again, as the old process closes it."""
    words = f"--user 1001 --domain acme.example.com --password phone-secret --listen {transport}:{LOOPBACK}:0"
    server = Server(tmp_path, {"2002": f"sip:{LOOPBACK}:{free_port()}"}, users={"1001": "phone-secret"})
    async with server:
        target = f"sip:{LOOPBACK}:{server.sip_port};transport={transport}"
        async with c2c("phone", *words.split(), "--register", target) as phone:
            await phone.says("^registered")
            async with replaced(server) as new:
                if transport == "udp":
                    document = await server.create("1001")
                    await server.connect(document, "2002")
                    await phone.says("^ringing")
                else:
                    await server.registrations(0)
                await ended(server)
                await stop(new)
