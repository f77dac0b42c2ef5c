"""docs/first-day.md is true: it is followed word by word, with three phones behind a NAT and Kamailio as the carrier."""

from __future__ import annotations

import asyncio
import csv
import json
import re
import shlex
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from c2c_b2bua.config_file import parse
from tests.command import C2C, PATIENCE, Command, run
from tests.peers.kamailio import Carrier
from tests.peers.nat import INSIDE, Nat, UnavailableError
from tests.sipp.ports import LOOPBACK, free_port
from tests.test_readme import BLOCK, Shell

ROOT = Path(__file__).resolve().parents[1]
GUIDE = (ROOT / "docs" / "first-day.md").read_text(encoding="utf-8")
WAY, TROUBLE = GUIDE.split("## When it fails\n")
SERVE = ".venv/bin/c2c serve --config c2c.toml"
SECRET = "from the carrier"


def commands(text: str) -> list[str]:
    return [block.strip() for language, block in BLOCK.findall(text) if language == "sh"]


class Day:
    """The reader's machine: a checkout with what `make demo` installs, two terminals, and the service in the second.

    `address` is this machine's, `phones` how a command is run among the phones, `host` where it is there.
    """

    shell: Shell
    server: Command

    def __init__(self, directory: Path, address: str, phones: tuple[str, ...], host: str) -> None:
        self.directory = directory
        self.address, self.prefix, self.host = address, phones, host
        self.sip_port, self.http_port = free_port(), free_port()
        self.stack = AsyncExitStack()
        self.printed: dict[str, str] = {}
        self.phones: dict[str, Command] = {}
        for name in ("Makefile", "requirements.lock", "pyproject.toml"):
            shutil.copy(ROOT / name, directory)
        programs = directory / ".venv" / "bin"
        programs.mkdir(parents=True)
        # `c2c` and `python3` are those that run this test.
        for name, words in (("c2c", shlex.join(C2C)), ("python", sys.executable), ("python3", sys.executable)):
            (programs / name).write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {words} "$@"\n')
            (programs / name).chmod(0o755)
        (directory / ".venv" / ".installed").touch()

    def mine(self, block: str, carrier: str) -> str:
        """The one place where the reader's own is put in: section 2 of the guide; and ports that are free here."""
        block = block.replace("ADDRESS=203.0.113.5 ", f"ADDRESS={self.address} ")
        block = block.replace("CARRIER=sip.carrier.example ", f"CARRIER={carrier} ")
        block = block.replace("0.0.0.0:5060", f"0.0.0.0:{self.sip_port}")
        return block.replace("127.0.0.1:8000", f"127.0.0.1:{self.http_port}")

    async def follow(self, blocks: list[str], carrier: str) -> None:
        """Run these blocks in the first terminal, the service in the second."""
        for block in blocks:
            if block == SERVE:
                self.server = await self.stack.enter_async_context(self.terminal(self.mine(block, carrier)))
                await self.server.says('"ready"')
            else:
                self.printed[block] = await self.shell.run(self.mine(block, carrier))

    def terminal(self, block: str) -> Command:
        return Command("bash", "-c", f"exec {block}", cwd=self.directory)

    async def plug_in(self, extension: str, password: str, *more: str, domain: str = "acme.example.com") -> Command:
        """A phone into which the table of the guide was entered."""
        words = ("--user", extension, "--domain", domain, "--password", password, *more)
        where = ("--listen", f"udp:{self.host}:{free_port()}", "--register", f"sip:{self.address}:{self.sip_port}")
        return await self.stack.enter_async_context(Command(*self.prefix, *C2C, "phone", *words, *where))

    def said(self, beginning: str) -> str:
        """What the block printed that has this in it."""
        (found,) = [text for block, text in self.printed.items() if beginning in block]
        return found

    async def history(self, block: str) -> list[dict[str, Any]]:
        """Newest first, once every call has ended."""
        async with asyncio.timeout(PATIENCE):
            while True:
                records = list(json.loads(await self.shell.run(block))["data"])
                if all("ended_by" in record for record in records):
                    return records


@asynccontextmanager
async def day(directory: Path, nat: Nat | None) -> AsyncIterator[Day]:
    here = Day(directory, nat.outside, nat.prefix, INSIDE) if nat else Day(directory, LOOPBACK, (), LOOPBACK)
    async with here.stack:
        here.shell = Shell(await here.stack.enter_async_context(Command("bash", cwd=directory)))
        yield here


@pytest.fixture(params=["loopback", "nat"])
def nat(request: pytest.FixtureRequest) -> Iterator[Nat | None]:
    if request.param == "loopback":
        yield None
        return
    try:
        with Nat() as made:
            yield made
    except UnavailableError as error:
        pytest.skip(str(error))


async def test_the_first_day(tmp_path: Path, nat: Nat | None) -> None:
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    mobile_port = free_port()
    blocks = commands(WAY)
    start = next(i for i, block in enumerate(blocks) if block.startswith("grep "))
    to_phone, to_mobile, history = blocks[-3:]
    mobile = Command(
        *C2C, "phone", "--listen", f"udp:{LOOPBACK}:{mobile_port}", "--user", "mobile", "--hangup-after", "1"
    )
    async with (
        mobile,
        Carrier(tmp_path / "kamailio", f"{LOOPBACK}:{mobile_port}", SECRET) as kamailio,
        day(checkout, nat) as here,
    ):
        await mobile.says("^ready")
        carrier = f"{LOOPBACK}:{kamailio.port}"
        await here.follow(blocks[: start + 1], carrier)
        assert "200 OK" in here.said("make demo")
        assert SECRET not in here.said("c2c check")
        assert (checkout / "c2c.toml").stat().st_mode & 0o077 == 0
        await here.server.says("trunk registered")
        entered = re.findall(r'extension = "(\d+)"\s+sip_password = "(\w+)"', here.said("grep "))
        assert [extension for extension, _ in entered] == re.findall(r"`(100\d)`", phone_table()["user name"])
        phones = {
            extension: await here.plug_in(
                extension, password, *(("--hangup-after", "1") if extension == "1002" else ())
            )
            for extension, password in entered
        }
        for phone in phones.values():
            await phone.says("^registered")

        await here.follow(blocks[start + 1 : -3], carrier)
        listed = list(csv.DictReader(here.said("/registrations").splitlines()))
        assert sorted(row["username"] for row in listed) == ["1001", "1002", "1003"]
        assert {row["network_ip"] for row in listed} == {nat.public if nat else LOOPBACK}
        assert all(here.host in row["contact"] and row["reachable"] == "true" for row in listed)
        (trunk,) = csv.DictReader(here.said("/trunks").splitlines())
        assert (trunk["id"], trunk["state"], trunk["reason"]) == ("carrier", "registered", "")

        await here.follow([to_phone], carrier)
        await phones["1002"].says("^ended")
        await phones["1001"].says("^ended")
        await here.follow([to_mobile], carrier)
        await mobile.says("^ended")
        await phones["1001"].says("^ended", times=2)
        second, first = await here.history(history)
        assert [(record["result"], record["ended_by"]) for record in (first, second)] == [("success", "b")] * 2
        assert [leg["trunk"] for record in (first, second) for leg in record["legs"]] == [None, None, None, "carrier"]
        assert "ringing" not in "".join(phones["1003"].out)
        (block,) = commands(TROUBLE)
        await here.follow([block], carrier)
        assert json.loads(here.said("dry_run"))["data"]["accepted"] is True
        calls = kamailio.seen("INVITE")
        assert [call.split("@")[0] for call in calls] == ["sip:+14155550123"] * 2, "challenged once"


def phone_table() -> dict[str, str]:
    """What is entered in a phone, by the first name it goes by."""
    rows = re.findall(r"^\| (.+?) \| (.+?) \|$", WAY.partition("| in the phone | enter |")[2], re.M)
    return {name.split(",")[0]: value for name, value in rows}


def rows() -> list[list[str]]:
    """What is seen, what the service says, what helps."""
    table = [line for line in TROUBLE.splitlines() if line.startswith("| ")][1:]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table]


def quoted(cell: str) -> list[str]:
    return re.findall(r"`(.+?)`", cell)


async def test_when_it_fails(tmp_path: Path) -> None:
    """Every row of the table in which the service says something is brought about, and it says so."""
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    mobile_port = free_port()
    blocks = commands(WAY)
    settings = next(i for i, block in enumerate(blocks) if "cat > c2c.toml" in block)
    history = blocks[-1]
    said: list[str] = []
    async with (
        Carrier(tmp_path / "kamailio", f"{LOOPBACK}:{mobile_port}", SECRET) as kamailio,
        day(checkout, None) as here,
    ):
        carrier = f"{LOOPBACK}:{kamailio.port}"
        await here.follow(blocks[: settings + 1], carrier)
        with (checkout / "c2c.toml").open("a") as file:
            file.write(f'[[trunk]]\nname = "other"\nproxy = "sip:{carrier}"\nusername = "acme"\npassword = "wrong"\n')
            file.write("register = true\n[calls]\nring_timeout = 1\n")
        await here.follow(blocks[settings + 1 : -3], carrier)
        await here.server.says("trunk registered")
        said.append(await here.server.says("trunk not registered.*REGISTER|REGISTER.*trunk not registered"))
        again = await run("serve", "--config", "c2c.toml", cwd=checkout)
        assert again.code == 1
        said.append(again.err)

        anna, bruno, _ = re.findall(r'extension = "(\d+)"\s+sip_password = "(\w+)"', here.said("grep "))
        wrong = await here.plug_in(bruno[0], "wrong")
        await wrong.says("^refused .*401")
        elsewhere = await here.plug_in(*bruno, domain="elsewhere.example.com")
        said.append(await elsewhere.says("^refused .*403"))
        phone = await here.plug_in(*anna, "--hangup-after", "5")
        await phone.says("^registered")
        registrations = next(block for block in blocks if "/registrations" in block)
        listed = csv.DictReader((await here.shell.run(here.mine(registrations, carrier))).splitlines())
        assert [row["username"] for row in listed] == ["1001"]
        said.append("registrations")

        for contact in ("1003", "+442071838750", "911"):
            said.append(await here.shell.run(blocks[-3].replace("1002", contact)))
        for reply in ("403", "404"):
            words = ("--listen", f"udp:{LOOPBACK}:{mobile_port}", "--reply", reply)
            async with Command(*C2C, "phone", *words) as mobile:
                await mobile.says("^ready")
                await here.shell.run(blocks[-2])
                said.append(json.dumps((await here.history(history))[0]))
        await phone.says("^ended", times=2)
        phone.tell(signal.SIGINT)
        assert "unregistered" in (await phone.ended()).out
        deaf = await here.plug_in(*anna, "--never-answer")
        await deaf.says("^registered")
        await here.shell.run(blocks[-2])
        said.append(json.dumps((await here.history(history))[0]))
    # These two take a carrier that refuses, and half a minute: they are played where the trunk is tested.
    said += re.findall(r"REGISTER: 40[38] [\w ]+", (ROOT / "tests/registration/test_trunk.py").read_text())
    missing = [row for row in rows() if not any(all(word in text for word in quoted(row[1])) for text in said)]
    assert missing == []
    assert any("trunk not registered" in text for text in said)


def test_the_table_is_read() -> None:
    assert len(rows()) >= 12
    assert all(len(row) == 3 for row in rows())


def test_the_settings_are_settings() -> None:
    example = (ROOT / "config.example.toml").read_text(encoding="utf-8")
    for language, block in BLOCK.findall(GUIDE):
        assert language in {"sh", "toml"}
        if language == "toml":
            parse(block, "first-day.md", lambda reference: "secret")
    named = [re.split(r" = ", word)[0] for row in rows() for word in quoted(row[2])]
    named = [name for name in named if re.fullmatch(r"[a-z]+(_[a-z]+)*", name)]
    assert len(named) >= 8
    assert [name for name in named if not re.search(rf"^\s*{name} = ", example, re.M)] == []


def test_what_is_pointed_at_is_there() -> None:
    headings = {
        re.sub(r"[^\w -]", "", line.lower()).replace(" ", "-") for line in re.findall(r"^#+ (.+)$", GUIDE, re.M)
    }
    links = re.findall(r"\]\(([^)]+)\)", GUIDE)
    assert links
    for target in links:
        assert target[1:] in headings if target.startswith("#") else (ROOT / "docs" / target).exists()
    assert "(docs/first-day.md)" in (ROOT / "README.md").read_text(encoding="utf-8")
