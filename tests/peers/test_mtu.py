"""A network that lets no long packet through and tells nobody: what we send is cut up on its way."""

from __future__ import annotations

import pytest

from tests.command import C2C, Command, run
from tests.sipp.ports import free_port

from .nat import INSIDE, Nat, UnavailableError

MTU = 1000


async def test_a_long_invite_over_udp() -> None:
    try:
        with Nat() as nat:
            nat.shrink(MTU)
            port = free_port()
            nat.open(port, "udp")
            phone = f"phone --listen udp:{INSIDE}:{port} --hangup-after 0.2"
            async with Command(*nat.prefix, *C2C, *phone.split()) as called:
                await called.says("^ready ")
                uri, caller = f"sip:phone@{INSIDE}:{port}", f"sip:{'1' * 600}@acme.example.com"
                outcome = await run(
                    *("call", uri, uri, "--listen", f"udp:{nat.outside}:0", "--from-uri", caller, "--ring-timeout", "5")
                )
    except UnavailableError as error:
        pytest.skip(str(error))
    assert outcome.code == 0, outcome
    assert outcome.out.count(" INVITE") == 3, outcome.out
