"""Phones that die in the middle of a call: the process is stopped, its socket stays open, and nothing comes back any more.

What a dead phone costs is 64*T1, so all of them die at once, in one server.
"""

from __future__ import annotations

import asyncio
import signal
from contextlib import AsyncExitStack
from pathlib import Path
from typing import NamedTuple

from .server import TICK, Server
from .sipp import Sipp
from .stage import Record, leg, legs

LIMIT = 32.0
"""64*T1: how long a dead phone is spoken to."""
SLACK = 10.0
"""Seconds for a busy machine."""
RING_TIMEOUT, MAX_DURATION = 2.0, 5.0


class Death(NamedTuple):
    """Who dies after what, and what the record says then: who ended the call and why, and the codes of both legs."""

    a: str
    b: str
    who: str
    sent: bool
    first_line: str
    count: int
    ended_by: str
    causes: tuple[str | None, ...]
    codes: tuple[int | None, ...]


DEATHS = [
    Death("a_never_answers", "", "a", True, "SIP/2.0 180", 1, "timer", ("NO_ANSWER",), (408,)),
    Death("a_answers", "b_never_answers", "a", False, "ACK", 1, "timer", ("NO_ANSWER", "NO_ANSWER"), (200, 408)),
    Death("a_answers", "b_hangs_up", "a", False, "ACK", 2, "b", ("NORMAL_CLEARING", "NORMAL_CLEARING"), (200, 200)),
    Death("a_is_released", "b_never_answers", "b", True, "SIP/2.0 180", 1, "timer", ("NO_ANSWER",) * 2, (200, 408)),
    Death("a_answers", "b_answers", "b", True, "SIP/2.0 200", 1, "timer", ("ALLOTTED_TIMEOUT",) * 2, (200, 200)),
    Death("a_hangs_up", "b_answers", "b", False, "ACK", 1, "a", ("NORMAL_CLEARING",) * 2, (200, 200)),
]


async def die(phone: Sipp, death: Death) -> None:
    """Stop the phone as soon as it has said or heard it."""
    assert phone.process
    while True:
        seen = [
            one for one in phone.messages() if one.sent == death.sent and one.first_line.startswith(death.first_line)
        ]
        if len(seen) >= death.count:
            phone.process.send_signal(signal.SIGSTOP)
            return
        await asyncio.sleep(TICK)


async def play(server: Server, death: Death, phones: dict[str, Sipp], numbers: tuple[str, str]) -> Record:
    """One call; the phone that lives has to see all that its scenario wants."""
    document = await server.create(numbers[0])
    call_id = (await server.connect(document, numbers[1]))["call_id"]
    async with asyncio.timeout(SLACK):
        await die(phones[death.who], death)
    for name, phone in phones.items():
        if name != death.who:
            await phone.passed(MAX_DURATION + SLACK)
    return await server.ended(document, call_id, MAX_DURATION + LIMIT + SLACK)


async def test_phones_that_die(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        calls: list[tuple[Death, dict[str, Sipp], tuple[str, str]]] = []
        extensions = {}
        for place, death in enumerate(DEATHS):
            numbers = f"21{place:02}", f"22{place:02}"
            phones = {
                name: await stack.enter_async_context(Sipp(scenario, tmp_path / f"{place}-{name}"))
                for name, scenario in (("a", death.a), ("b", death.b))
                if scenario
            }
            uris = [phone.uri for phone in phones.values()]
            extensions |= dict(zip(numbers, [*uris, "sip:nobody@127.0.0.1:9"], strict=False))
            calls.append((death, phones, numbers))
        settings = {"ring_timeout": RING_TIMEOUT, "max_duration": MAX_DURATION}
        server = await stack.enter_async_context(Server(tmp_path / "server", extensions, calls=settings))
        records = await asyncio.gather(*(play(server, *call) for call in calls))
        await server.nothing_lives()
        for death, record in zip(DEATHS, records, strict=True):
            found = [leg(record, name) for name in legs(record)]
            assert record["ended_by"] == death.ended_by, (death, record)
            assert tuple(one["cause"] for one in found) == death.causes, (death, record)
            assert tuple(one["sip_code"] for one in found) == death.codes, (death, record)
            assert {one["leg"] for one in found} == ({"a", "b"} if death.b else {"a"})
