"""A running service as its clients see it: log in, connect, and what history says of calls (Kazoo's version 2)."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import quote

import aiohttp
import msgspec

from c2c_b2bua.commands.tally import Attempt

TIMEOUT = aiohttp.ClientTimeout(total=60)
PAGE = 200
FEW = 50
"""Calls that are asked for one by one; of more, history is read page by page."""
EARLIER = 120
"""Seconds before the load at which reading ends: clocks differ."""
GREGORIAN = 62_167_219_200
"""Seconds from year 0 to 1970."""
decoder = msgspec.json.Decoder()
encoder = msgspec.json.Encoder()


class DoorError(Exception):
    """The service does not let us in, in one sentence."""


class Door:
    """`account` and `token` are empty for click-to-calls that anybody may connect; history is closed then."""

    def __init__(self, http: aiohttp.ClientSession, account: str, token: str) -> None:
        self.http = http
        self.account = account
        self.token = token

    @property
    def headers(self) -> dict[str, str]:
        return {"Content-Type": "application/json", **({"X-Auth-Token": self.token} if self.token else {})}

    async def log_in(self, api_key: str) -> None:
        """Take a token, and the account that the key is of; DoorError."""
        status, answer = await self.ask("PUT", "api_auth", {"api_key": api_key})
        if status != 201:
            raise DoorError(f"the API key is refused: {status} {answer.get('message', '')}".rstrip())
        self.token = answer["auth_token"]
        self.account = self.account or answer["data"]["account_id"]

    async def ask(self, method: str, path: str, data: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
        """Status and envelope; DoorError when there is no answer, or none of this kind."""
        body = None if data is None else encoder.encode({"data": data})
        try:
            async with self.http.request(method, f"v2/{path}", data=body, headers=self.headers) as reply:
                answer = decoder.decode(await reply.read())
        except (aiohttp.ClientError, TimeoutError) as error:
            raise DoorError(f"{self.http._base_url}: {reason_of(error)}") from None
        except msgspec.DecodeError:
            raise DoorError(f"{self.http._base_url}: what answers there is no such service") from None
        if not isinstance(answer, dict):
            raise DoorError(f"{self.http._base_url}: what answers there is no such service")
        return reply.status, answer

    def path(self, click: str) -> str:
        return f"accounts/{quote(self.account, safe='')}/clicktocall/{quote(click, safe='')}"

    async def connect(self, url: str, body: bytes, headers: dict[str, str], attempt: Attempt) -> None:
        """One connect; what came of it is in `attempt` then."""
        try:
            async with self.http.post(url, data=body, headers=headers) as reply:
                answer = decoder.decode(await reply.read())
        except (aiohttp.ClientError, TimeoutError) as error:
            attempt.refusal = reason_of(error)
            return
        except msgspec.DecodeError:
            attempt.refusal = f"{reply.status}, and what is no JSON"
            return
        found = answer.get("data") if isinstance(answer, dict) else None
        call_id = found.get("call_id") if isinstance(found, dict) else None
        if reply.status < 300 and isinstance(call_id, str):
            attempt.call_id = call_id
        else:
            message = answer.get("message") if isinstance(answer, dict) else ""
            attempt.refusal = f"{reply.status} {message or ''}".rstrip()

    # ── what became of calls ─────────────────────────────────────────────────────────────────────────────────────

    async def learn(self, click: str, pending: dict[str, Attempt], since: float) -> None:
        """Note the end of those calls of a click-to-call that are over; they leave `pending`. `since`: Unix time."""
        if len(pending) <= FEW:
            for call_id in list(pending):
                status, answer = await self.ask("GET", f"{self.path(click)}/calls/{quote(call_id, safe='')}")
                if status == 200:
                    note(answer.get("data"), pending)
            return
        query = f"page_size={PAGE}&created_from={int(since) + GREGORIAN - EARLIER}"
        unseen, start_key = set(pending), ""
        while unseen:
            key = f"&start_key={quote(start_key, safe='')}" if start_key else ""
            status, answer = await self.ask("GET", f"{self.path(click)}/history?{query}{key}")
            records = answer.get("data")
            if status != 200 or not isinstance(records, list):
                raise DoorError(f"history is refused: {status} {answer.get('message', '')}".rstrip())
            for record in records:
                unseen.discard(record.get("call_id"))
                note(record, pending)
            start_key = answer.get("next_start_key") or ""
            if not start_key:
                return


def note(record: Any, pending: dict[str, Attempt]) -> None:
    """What a record says of a call that is over."""
    if not isinstance(record, dict) or record.get("result") not in ("success", "error"):
        return
    attempt = pending.pop(record.get("call_id", ""), None)
    if attempt is None:
        return
    if record["result"] == "success":
        attempt.end = "bridged"
        return
    code = f" ({record['sip_code']})" if record.get("sip_code") else ""
    who = str(record.get("ended_by") or "?")
    attempt.end = f"{record.get('cause') or 'no cause'}{code}, ended by {who.upper() if len(who) == 1 else who}"


def reason_of(error: BaseException) -> str:
    """What went wrong on the way, in words that are the same each time."""
    if isinstance(error, TimeoutError | asyncio.TimeoutError):
        return f"no answer in {TIMEOUT.total:g} s"
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"cannot connect: {error.strerror or error.os_error}"
    return str(error) or type(error).__name__
