"""curl, run by a shell as it stands in a document, against the server under test."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.api.conftest import Api

SERVER = "c2c.example"
"""What stands for {SERVER}; port 8000 and port 80 of it are those of the server under test."""
PATIENCE = 20


class Answer(NamedTuple):
    """What came back: the status, the header fields by their lower-case names, and the JSON of the body, if it has one."""

    status: int
    headers: dict[str, str]
    body: Any


class Curl:
    """Its own configuration file leads it to the server, so that no command has to be changed for that."""

    def __init__(self, api: Api, folder: Path) -> None:
        lines = [f'connect-to = "{SERVER}:{port}:127.0.0.1:{api.port}"' for port in (8000, 80)]
        (folder / ".curlrc").write_text("\n".join([*lines, 'noproxy = "*"', "verbose", ""]))
        self.folder = folder

    async def run(self, command: str, **values: str) -> Answer:
        """The command with the values put where `{NAME}` stands."""
        for name, value in values.items():
            command = command.replace("{" + name + "}", value)
        process = await asyncio.create_subprocess_shell(
            command,
            cwd=self.folder,
            env={"CURL_HOME": str(self.folder), "PATH": "/usr/bin:/bin"},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(PATIENCE):
                out, err = await process.communicate()
        except TimeoutError:
            process.kill()
            await process.wait()
            pytest.fail(f"curl still waits after {PATIENCE} s: {command}")
        told = err.decode()
        assert process.returncode == 0, f"{command}\n{told}"
        lines = re.findall(r"^< (.*?)\r?$", told, re.M)
        status = int(lines[0].split()[1])
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
        return Answer(status, headers, json.loads(out) if out else None)
