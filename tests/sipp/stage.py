"""A call between two scenarios through the real server: started by HTTP, watched to its end."""

from __future__ import annotations

import datetime
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Self

from .server import Record, Server
from .sipp import Sipp

A_NUMBER, B_NUMBER, CUSTOMER = "2001", "2002", "+14155550100"


class Stage:
    """Phones for leg A, leg B or the trunk, and a server that knows them as extensions 2001, 2002 and as its carrier.

    `calls` are settings of `[calls]`. With a trunk, the customer's number is called instead of extension 2002.
    """

    def __init__(
        self, directory: Path, a: str, b: str = "", trunk: str = "", transport: str = "udp", **calls: object
    ) -> None:
        self.a = Sipp(a, directory / "a", transport=transport)
        self.b = Sipp(b or trunk, directory / "b", transport=transport) if b or trunk else None
        self.trunk = bool(trunk)
        self.directory = directory
        self.calls = calls
        self.stack = AsyncExitStack()
        self.document = self.call_id = ""

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self.a)
            extensions = {A_NUMBER: self.a.uri}
            if self.b:
                await stack.enter_async_context(self.b)
                if not self.trunk:
                    extensions[B_NUMBER] = self.b.uri
            else:
                extensions[B_NUMBER] = "sip:nobody@127.0.0.1:9"
            carrier = self.b.uri.replace(f"{self.b.scenario}@", "") if self.b and self.trunk else ""
            server = Server(self.directory / "server", extensions, carrier, self.calls)
            self.server = await stack.enter_async_context(server)
            self.stack = stack.pop_all()
        return self

    async def __aexit__(self, *error: Any) -> None:
        await self.stack.__aexit__(*error)

    async def connect(self, extension: str = A_NUMBER, contact: str = "", **fields: object) -> dict[str, Any]:
        """Ask for the call; `fields` belong to the click-to-call document."""
        self.document = await self.server.create(extension, **fields)
        reply = await self.server.connect(self.document, contact or (CUSTOMER if self.trunk else B_NUMBER))
        self.call_id = reply["call_id"]
        return reply

    async def outcome(self) -> Record:
        """The record, once both scenarios are played to the end and the call is over; nothing may be left of it."""
        await self.a.passed()
        if self.b:
            await self.b.passed()
        record = await self.server.ended(self.document, self.call_id)
        await self.server.nothing_lives()
        return record


def leg(record: Record, name: str) -> Record:
    """One leg of the record, its times as datetimes, checked to be in order and none before the one it needs."""
    found = dict(next(leg for leg in record["legs"] if leg["leg"] == name))
    names = ("invited_at", "ringing_at", "answered_at", "ended_at")
    for key in names:
        if found[key] is not None:
            assert found[key].endswith("Z"), found
            assert len(found[key].rpartition(".")[2]) == 4, f"milliseconds and Z: {found}"
            found[key] = datetime.datetime.fromisoformat(found[key])
    happened = [found[key] for key in names if found[key] is not None]
    assert happened == sorted(happened), found
    assert found["invited_at"], found
    assert found["ended_at"], found
    return found


def legs(record: Record) -> list[str]:
    """Which legs were dialled, in order."""
    return [leg["leg"] for leg in record["legs"]]
