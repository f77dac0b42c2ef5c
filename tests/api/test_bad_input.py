"""Whatever is sent, the answer is never a 500, and nothing dangerous reaches the engine."""

from __future__ import annotations

import asyncio
import random
from typing import Any
from urllib.parse import quote_from_bytes

import msgspec
import pytest

from tests.api.conftest import KEY, A, Api

LIST = f"/v2/accounts/{A}/clicktocall"
TEXTS = [
    "",
    " ",
    "1001",
    "4155550100",
    "+14155550100",
    "sip:bob@example.com",
    "sip:",
    "a\r\nVia: x",
    "\x00",
    "ü☎\U0001f4de",
    "[" * 50,
    "%0d%0a",
    "true",
    "-1",
    "9" * 40,
    "(",
    "null",
    "\u202e",
]
NAMES = [
    "name",
    "extension",
    "auth_required",
    "dial_first",
    "caller_id_number",
    "outbound_callee_id_name",
    "whitelist",
    "throttle",
    "timeout",
    "media",
    "music_on_hold",
    "bypass_media",
    "custom_application_vars",
    "custom_sip_headers",
    "contact",
    "blocking",
    "verb",
    "auth_token",
    "authorization",
    "in",
    "out",
    "",
    "a.b",
    "credentials",
    "account_name",
    "api_key",
    "method",
]


def anything(dice: random.Random, depth: int = 0) -> Any:
    """A value that JSON can hold."""
    kind = dice.randrange(9 if depth < 3 else 6)
    if kind == 0:
        return dice.choice([None, True, False])
    if kind == 1:
        return dice.choice([0, -1, 1, 2**53, 2**63, -(2**63), 10**30 % 2**64])
    if kind == 2:
        return dice.choice([0.5, 1e300, -1e-300])
    if kind < 6:
        return dice.choice(TEXTS)
    if kind == 6:
        return [anything(dice, depth + 1) for _ in range(dice.randrange(4))]
    return {dice.choice(NAMES): anything(dice, depth + 1) for _ in range(dice.randrange(5))}


def anywhere(dice: random.Random, document: str) -> str:
    """A path, often a good one, with a query of anything."""
    path = dice.choice(
        [
            "/v2/api_auth",
            "/v2/user_auth",
            "/v2/token_auth",
            LIST,
            f"{LIST}/{document}",
            f"{LIST}/{document}/connect",
            f"{LIST}/{document}/history",
            f"{LIST}/{document}/calls/x",
            "/v2/schemas/x",
            "/v2/accounts/%00/clicktocall",
            f"{LIST}/%FF%FE/connect",
        ]
    )
    names = [*NAMES, "page_size", "start_key", "created_from", "created_to", "filter_x", "has_key", "jsonp", "accept"]
    pairs = [
        f"{dice.choice(names)}={quote_from_bytes(dice.choice([*(t.encode() for t in TEXTS), b'%FF', b'5']))}"
        for _ in range(dice.randrange(3))
    ]
    return f"{path}?{'&'.join(pairs)}" if pairs else path


@pytest.mark.parametrize("seed", range(8))
async def test_never_a_500(api: Api, seed: int) -> None:
    dice = random.Random(seed)
    document = await api.create(auth_required=False)
    for _ in range(150):
        verb = dice.choice(["GET", "PUT", "POST", "PATCH", "DELETE"])
        path = anywhere(dice, document)
        body: Any = msgspec.json.encode({"data": anything(dice), dice.choice(NAMES): anything(dice)})
        if dice.random() < 0.2:
            body = dice.randbytes(dice.randrange(60))
        kind = dice.choice(
            ["application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/csv"]
        )
        headers = {"Content-Type": kind}
        if dice.random() < 0.3:
            headers[dice.choice(["If-Match", "If-None-Match", "Authorization", "Accept", "Idempotency-Key"])] = "x, *"
        url = f"{api.base}{path}"
        token = {"X-Auth-Token": api.token} if dice.random() < 0.8 else {}
        async with api.session.request(verb, url, data=body, headers={**headers, **token}) as response:
            assert response.status < 500, (verb, path, body, await response.text())
            if response.status in (200, 201) and "connect" in path and api.engine.orders:
                check_order(api)
        if verb in ("DELETE", "POST"):  # That may have ended the token, or the document.
            _, answer = await api.call("PUT", "/v2/api_auth", {"api_key": KEY}, token=None)
            api.token = answer["auth_token"]
            document = await api.create(auth_required=False)


def check_order(api: Api) -> None:
    for party in (api.engine.orders[-1].a, api.engine.orders[-1].b):
        texts = [
            party.uri,
            party.next_hop,
            party.from_uri,
            party.from_name,
            *(t for pair in party.headers for t in pair),
        ]
        for text in texts:
            assert not any(ord(character) < 32 or ord(character) == 127 for character in text), text


@pytest.mark.parametrize(
    "host", ["", "Host: a b\r\n", "Host: [::1\r\n", "Host: x:99999999\r\n", "Host: \xff\r\n", "Host: a/b?c#d@e\r\n"]
)
async def test_a_strange_host(api: Api, host: str) -> None:
    """The address of a new document is made of the host that the client names."""
    body = b'{"data":{"name":"x","extension":"1001"}}'
    head = f"PUT {LIST} HTTP/1.1\r\n{host}X-Auth-Token: {api.token}\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
    writer.write(head.encode("latin-1") + body)
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    assert answer.split()[1] in (b"201", b"400"), answer
