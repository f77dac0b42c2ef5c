"""docs/api.md is true: its table is that of the routes, its commands are run as they stand there, its links lead somewhere."""

from __future__ import annotations

import json
import os
import re
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from api.app import KAZOO, Doors
from api.omicall_door import RESOURCES
from api.openapi.description import DIALECTS
from api.tvox import METHODS
from tests.command import C2C, Command
from tests.sipp.ports import free_port
from tests.test_readme import BLOCK, Shell

ROOT = Path(__file__).resolve().parents[1]
GUIDE = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| `([A-Z]+ /\S*?)`(?: `(\w+)`)? \| ([\d.]+|–) \| (.+?) \| (yes|partly|no)(: .+)? \|$", re.M)
STAR = re.compile(r"(?<=/)[A-Z]+(?=/|$)")


def table() -> dict[str, tuple[str, str, str]]:
    """Endpoint → its section, whether it is done, and the reason if it is not."""
    found = {}
    for endpoint, method, section, _, done, reason in ROW.findall(GUIDE):
        key = f"{STAR.sub('*', endpoint)} {method}".strip()
        assert key not in found, key
        found[key] = (section, done, reason)
    return found


TABLE = table()


def routes() -> set[str]:
    """Everything that is answered."""
    kazoo = {(verb, "/".join(route.parts)) for route in KAZOO for verb in route.handlers}
    return {
        *(f"{verb} /{version}/{path}" for verb, path in kazoo for version in ("v1", "v2")),
        *(f"POST /tvox/webapi {method}" for method in METHODS),
        *(f"{verb} /api/{path}" for path, verbs in RESOURCES.items() for verb in verbs),
        "POST /drain",
        *(f"GET /{name}" for name in ("healthz", "readyz", "metrics", "openapi.json", "docs")),
    }


def test_every_line_of_the_table_is_read() -> None:
    lines = [line for line in GUIDE.partition("## Every endpoint")[2].splitlines() if line.startswith("| `")]
    assert len(lines) == len(TABLE)


def test_every_route_is_in_the_table_and_no_row_is_without_a_route() -> None:
    assert {key for key, (_, done, _) in TABLE.items() if done != "no"} == routes()


def test_what_is_not_done_is_not_there_and_says_why() -> None:
    assert {key for key, (_, done, _) in TABLE.items() if done == "no"} & routes() == set()
    assert all(bool(reason) == (done != "yes") for _, done, reason in TABLE.values())


def test_every_section_is_that_of_the_description() -> None:
    sections = {
        re.sub(r"{\w+}", "*", key): operation.section
        for dialect in DIALECTS
        for key, operation in dialect.operations.items()
    }
    for key, (section, done, _) in TABLE.items():
        if done != "no" and "/tvox" not in key:
            assert section == (sections[key] if sections[key][0].isdigit() else "–"), key


def test_no_door_is_left_out() -> None:
    doors = set(
        re.findall(r'^            "([\w.]+)":', Path(sys.modules[Doors.__module__].__file__ or "").read_text(), re.M)
    )
    assert doors == {key.split("/")[1].split()[0] for key in routes()}


def test_what_is_pointed_at_is_there() -> None:
    headings = {
        re.sub(r"[^\w -]", "", line.lower()).replace(" ", "-") for line in re.findall(r"^#+ (.+)$", GUIDE, re.M)
    }
    for target in re.findall(r"\]\(#([^)]+)\)", GUIDE):
        assert target in headings
    for path in re.findall(r"`(tests/[\w./]+)`", GUIDE):
        assert (ROOT / path).exists()


async def test_the_commands(tmp_path: Path) -> None:
    """Every block of the guide, one after the other, the service and the phones in terminals of their own."""
    ports = {port: str(free_port()) for port in ("8000", "5060", "5071", "5072", "5079")}
    guide = re.sub(r"(?<=127\.0\.0\.1:)(8000|5060|5071|5072|5079)\b", lambda found: ports[found[0]], GUIDE)
    programs = tmp_path / ".venv" / "bin"
    programs.mkdir(parents=True)
    for name, words in (("c2c", " ".join(C2C)), ("python3", sys.executable)):
        (programs / name).write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {words} "$@"\n')
        (programs / name).chmod(0o755)
    printed: list[str] = []
    path = f"{programs}:{os.environ['PATH']}"
    async with AsyncExitStack() as stack:
        first = Shell(await stack.enter_async_context(Command("bash", cwd=tmp_path)))
        for language, block in BLOCK.findall(guide):
            assert language == "sh"
            if re.match(r"c2c (phone|serve) ", block):
                terminal = Command("bash", "-c", f"exec {block}", cwd=tmp_path, env={"PATH": path})
                await stack.enter_async_context(terminal)
                await terminal.says("^registered" if "--register" in block else "ready")
            else:
                printed.append(await first.run(block))
    answers = [answer for text in printed[1:] for answer in found_json(text)]
    assert len(answers) == len(re.findall(r"^(?:  )?(?:curl|rpc) ", GUIDE, re.M)) - 1  # One goes to a file.
    assert [answer for answer in answers if is_error(answer)] == []
    assert answers[-1]["data"]["accepted"] is True


def found_json(text: str) -> list[dict[str, Any]]:
    """The JSON objects that stand in a text, one after the other."""
    decoder, here, found = json.JSONDecoder(), text.lstrip(), []
    while here.startswith("{"):
        value, end = decoder.raw_decode(here)
        found.append(value)
        here = here[end:].lstrip()
    return found


def is_error(answer: dict[str, Any]) -> bool:
    return answer.get("status") == "error" or "error" in answer or answer.get("status_code") == -9999
