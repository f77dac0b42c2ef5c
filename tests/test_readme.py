"""The README is true: its five minutes are run as they stand there, its ladder is what the demo prints, its paths exist."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import re
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from c2c_b2bua.cli import COMMANDS
from c2c_b2bua.config_file import parse
from tests.command import C2C, PATIENCE, Command
from tests.sipp.ports import free_port

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)


def section(title: str) -> str:
    """What stands under a heading, with its sub-headings."""
    level = title.split()[0]
    found = re.search(rf"^{re.escape(title)}\n(.*?)(?=^#{{1,{len(level)}}} |\Z)", README, re.M | re.S)
    assert found, title
    return found[1]


def blocks(text: str, language: str) -> list[str]:
    return [found[2] for found in BLOCK.finditer(text) if found[1] == language]


class Shell:
    """One terminal: a bash that runs one block after the other."""

    def __init__(self, bash: Command) -> None:
        self.bash = bash
        self.numbers = itertools.count()

    async def run(self, block: str) -> str:
        """What the block prints on standard output; it has to succeed."""
        number, before = next(self.numbers), len(self.bash.out)
        await self.bash.write(f"{block}\necho; echo block-{number}-ended-with-$?\n")
        end = await self.bash.says(f"^block-{number}-ended-with-")
        assert end.endswith("-0"), f"{block}\n{self.bash.shown()}"
        return "\n".join(self.bash.out[before : self.bash.out.index(end)]).strip()


async def test_the_five_minutes(tmp_path: Path) -> None:
    guide = section("## Five minutes to a call of your own").partition("### With phones of your own")[0]
    ports = {port: str(free_port()) for port in ("8000", "5060", "5071", "5072")}
    guide = re.sub(r"(?<=127\.0\.0\.1:)(8000|5060|5071|5072)\b", lambda found: ports[found[0]], guide)
    # `c2c` and `python3` are those that run this test.
    programs = tmp_path / ".venv" / "bin"
    programs.mkdir(parents=True)
    for name, words in (("c2c", " ".join(C2C)), ("python3", sys.executable)):
        (programs / name).write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {words} "$@"\n')
        (programs / name).chmod(0o755)
    running: list[Command] = []
    printed: list[str] = []
    async with AsyncExitStack() as stack:
        first = Shell(await stack.enter_async_context(Command("bash", cwd=tmp_path)))
        found = blocks(guide, "sh")
        for block in found[:-1]:
            if re.match(r"c2c (phone|serve) ", block):
                words = block.split()
                path = f"{programs}:{os.environ['PATH']}"
                terminal = Command(str(programs / "c2c"), *words[1:], cwd=tmp_path, env={"PATH": path})
                running.append(await stack.enter_async_context(terminal))
                await terminal.says("ready")
            else:
                printed.append(await first.run(block))
        agent, customer, _server = running
        for phone in (agent, customer):
            await phone.says("^ringing")
            await phone.says("^talking")
            await phone.says("^ended")
        record = await history_at_its_end(first, found[-1])
        assert record["result"] == "success"
        assert record["ended_by"] == "b"
        assert [(leg["leg"], leg["target"], leg["sip_code"]) for leg in record["legs"]] == [
            ("a", "1001", 200),
            ("b", "2001", 200),
        ]
        accepted = json.loads(printed[-1])
        assert accepted["data"]["call_id"] == record["call_id"]
        assert set(record) - {"id", "timestamp"} <= set(re.findall(r"`(\w+)`", section("### What history says")))
        assert set(record["legs"][0]) - {"leg"} <= set(re.findall(r"`(\w+)`", section("### What history says")))


async def history_at_its_end(shell: Shell, block: str) -> dict[str, Any]:
    """The record, once our side has heard from both phones too."""
    async with asyncio.timeout(PATIENCE):
        while True:
            (record,) = json.loads(await shell.run(block))["data"]
            if "ended_by" in record:
                return dict(record)


def test_the_settings_are_settings() -> None:
    found = blocks(section("## Five minutes to a call of your own"), "toml")
    assert found
    for text in found:
        parse(text, "README.md", lambda reference: "secret")
    parse((ROOT / "config.example.toml").read_text(), "config.example.toml", lambda reference: "secret")


def test_every_command_is_told_of() -> None:
    told = section("## The command line")
    for command in COMMANDS:
        assert f"`c2c {command}" in told


def test_what_is_pointed_at_is_there() -> None:
    links = [target for target in re.findall(r"\]\(([^)#]+)\)", README) if "://" not in target]
    paths = re.findall(r"`((?:tests|api|c2c_b2bua|sipp_scenarios|docs)/[\w./]*)`", README)
    assert len(links) >= 3
    assert len(paths) >= 20
    missing = [path for path in [*links, *paths] if not (ROOT / path).exists()]
    assert missing == []


@pytest.mark.parametrize("target", ["demo", "test"])
def test_the_two_commands_are_there(target: str) -> None:
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.M)
    assert f"make {target} " in section("## Two commands")
