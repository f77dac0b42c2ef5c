"""What is no HTTP, or not ours, is refused in JSON like anything else, and the connection ends."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from aiohttp import web

from tests.api.conftest import A, Api


async def said(api: Api, data: bytes) -> tuple[bytes, bytes]:
    """The head of the last answer and its body, when the server has closed the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
    writer.write(data)
    async with asyncio.timeout(10):
        answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    head, _, body = answer.rpartition(b"\r\n\r\n")
    return head, body


def refused(head: bytes, body: bytes, status: int, message: str, reason: str) -> None:
    """It is Kazoo's envelope, and holds nothing of what was sent but what the reason names."""
    lines = head.decode().split("\r\n")
    assert lines[0].split(" ")[1] == str(status)
    assert "Content-Type: application/json" in lines and "Server: c2c-b2bua" in lines
    told: dict[str, Any] = msgspec.json.decode(body)
    assert f"X-Request-ID: {told['request_id']}" in lines
    assert (told["status"], told["error"], told["message"]) == ("error", str(status), message)
    assert told["data"] == {"message": reason}


BAD_METHOD = "Invalid method encountered"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"FROB /v2/accounts HTTP/1.1\r\nHost: x\r\n\r\n", BAD_METHOD),
        (b"get /v2/accounts HTTP/1.1\r\nHost: x\r\n\r\n", BAD_METHOD),
        (b"FROB /api/click2call HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}", BAD_METHOD),
        (b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nFROB /v2 HTTP/1.1\r\nHost: x\r\n\r\n", BAD_METHOD),
        (b"GET /v2 HTTP/9.9\r\nHost: x\r\n\r\n", "Bad status line: Invalid HTTP version"),
        (b"GET /v2 HTTP/1.1\r\nX Auth Token: secret\r\n\r\n", "Invalid header token"),
        (b"\x16\x03\x01\x02\x00\x01", "Received HTTPS traffic on an HTTP port"),
    ],
    ids=["verb", "lower case", "other dialect", "second request", "version", "header", "TLS"],
)
async def test_what_is_no_http(api: Api, data: bytes, reason: str) -> None:
    refused(*await said(api, data), 400, "bad request", reason)


async def test_a_verb_that_http_has_and_we_have_not_is_still_the_doors(api: Api) -> None:
    head, body = await said(api, b"PROPFIND /v2/accounts HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert (head.split()[1], body) == (b"501", b"")


async def test_a_door_that_breaks(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """No traceback, no HTML."""

    async def broken(_http: web.BaseRequest) -> web.StreamResponse:
        raise RuntimeError("secret")

    monkeypatch.setattr("api.omicall_door.OmicallDoor.__call__", lambda _door, http: broken(http))
    data = b"GET /api/calls HTTP/1.1\r\nHost: x\r\nAccept: text/html\r\n\r\n"
    refused(*await said(api, data), 500, "internal server error", "Internal Server Error")


async def test_the_connection_after_it_is_like_any(api: Api) -> None:
    await said(api, b"FROB / HTTP/1.1\r\nHost: x\r\n\r\n")
    response, _ = await api.call("GET", f"/v2/accounts/{A}")
    assert response.status == 200
