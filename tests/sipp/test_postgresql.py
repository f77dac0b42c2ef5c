"""The same service with its documents and history in PostgreSQL, where one is installed."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from c2c_b2bua.call.takeover import LOST
from tests.sipp.ports import LOOPBACK, free_port
from tests.sipp.server import Server
from tests.sipp.sipp import Sipp
from tests.sipp.test_crash import seen

PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin"))


def run(*command: str) -> None:
    """As a user whom PostgreSQL takes: it refuses to run as root."""
    user = "postgres" if os.getuid() == 0 else None
    done = subprocess.run(command, user=user, cwd="/", capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"


@pytest.fixture
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of an empty database on a server of our own."""
    if not PROGRAMS:
        pytest.skip("PostgreSQL is not installed (Debian: postgresql)")
    programs = PROGRAMS[-1]
    # Not below pytest's own folder, which is closed to the other user.
    folder = Path("/tmp") / f"c2c-postgresql-{os.getpid()}"
    folder.mkdir(mode=0o700)
    if os.getuid() == 0:
        os.chown(folder, pwd.getpwnam("postgres").pw_uid, -1)
    port, data = free_port(), folder / "data"
    try:
        run(str(programs / "initdb"), "-D", str(data), "-A", "trust", "-U", "c2c")
        options = f"-p {port} -k {folder} -c listen_addresses={LOOPBACK} -c fsync=off"
        run(str(programs / "pg_ctl"), "-D", str(data), "-o", options, "-l", str(folder / "log"), "-w", "start")
        try:
            run(str(programs / "createdb"), "-h", LOOPBACK, "-p", str(port), "-U", "c2c", "c2c")
            yield f"postgresql://c2c@{LOOPBACK}:{port}/c2c"
        finally:
            run(str(programs / "pg_ctl"), "-D", str(data), "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder)


def server_with(database: str, directory: Path, extensions: dict[str, str], **calls: object) -> Server:
    server = Server(directory, extensions, calls=calls)
    keep_in(database, server)
    return server


def keep_in(database: str, server: Server) -> None:
    """Have it use this database, and keep what it has of its own apart from other servers."""
    storage = f'url = "{database}"\njournal = "{server.directory / "c2c.calls"}"'
    server.config.write_text(re.sub(r'(?m)^url = ".*"$', storage, server.config.read_text()))


async def test_a_call_is_kept_in_postgresql(tmp_path: Path, database: str) -> None:
    async with Sipp("a_busy", tmp_path / "a") as phone:
        server = server_with(database, tmp_path / "server", {"2001": phone.uri, "2002": phone.uri})
        async with server:
            document = await server.create("2001", custom="kept")
            call_id = (await server.connect(document, "2002"))["call_id"]
            await phone.passed()
            record = await server.ended(document, call_id)
            assert (record["result"], record["cause"]) == ("error", "USER_BUSY")
            await server.stop()
            await server.start()
            assert await server.history(document) == [record]
            path = f"/v2/accounts/{server.account}/clicktocall/{document}"
            assert (await server.request("GET", path, 200))["data"]["custom"] == "kept"
            await server.request("PATCH", path, 200, {"name": "Support"})
            await server.request("DELETE", path, 200)
            await server.request("GET", path, 404)


async def test_calls_outlive_a_kill_with_postgresql(tmp_path: Path, database: str) -> None:
    """One that talks goes on, one that rings is lost, and their records are where they were."""
    async with (
        Sipp("a_answers", tmp_path / "a") as a,
        Sipp("b_hangs_up", tmp_path / "b") as b,
        Sipp("a_never_answers", tmp_path / "c") as c,
    ):
        extensions = {"2001": a.uri, "2002": b.uri, "2003": c.uri}
        async with server_with(database, tmp_path / "server", extensions, ring_timeout=20.0) as server:
            talks, rings = await server.create("2001"), await server.create("2003")
            talking = (await server.connect(talks, "2002"))["call_id"]
            ringing = (await server.connect(rings, "2002"))["call_id"]
            await server.reaches(rings, ringing, "ringing_a")
            await seen(a, "ACK", 2)
            await server.kill()
            await server.start()
            for phone in (a, b, c):
                await phone.passed()
            record = await server.ended(talks, talking)
            assert (record["result"], record["ended_by"]) == ("success", "b")
            record = await server.ended(rings, ringing)
            assert (record["result"], record["ended_by"], record["cause"]) == ("error", "error", LOST.cause)
            assert [len(await server.history(one)) for one in (talks, rings)] == [1, 1]
            await server.nothing_lives()
