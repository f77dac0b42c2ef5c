"""§12.5 and §12.6 of the API description: pages of another origin call from a browser, with jQuery."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.sipp.ports import LOOPBACK
from tests.sipp.sipp import Sipp

from .accounts import PASSWORD, USERNAME, PeopledServer
from .chromium import Chromium

CONTACT = "4992726200"
CALL_ID = re.compile(r"c2c-[0-9a-f]{32}-[0-9a-f]{10}")
NOWHERE = "sip:nobody@127.0.0.1:9;transport=tcp"
"""A phone that is switched off."""


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[PeopledServer]:
    """Without phones."""
    async with PeopledServer(tmp_path / "server", {"2001": NOWHERE, "2002": NOWHERE}) as made:
        yield made


def address(server: PeopledServer) -> str:
    return f"http://{LOOPBACK}:{server.http_port}"


def filled(script: str, **values: str) -> str:
    """The script with the values put where `{name}` stands."""
    for name, value in values.items():
        script = script.replace("{" + name + "}", value)
    return script


async def test_12_6_the_call_of_a_page_without_a_token(tmp_path: Path) -> None:
    """The widget's own lines; two phones are joined."""
    script = """
    $.ajax({type:'POST', url:'{server}/v1/accounts/{A}/clicktocall/{C}/connect', contentType:'application/json',
            dataType:'json', data:'{"data":{"contact":"4992726200"}}'}).done(answered).fail(failed);
    """
    async with (
        Sipp("a_answers", tmp_path / "a") as a,
        Sipp("b_hangs_up", tmp_path / "b") as b,
        PeopledServer(tmp_path / "server", {"2001": a.uri, CONTACT: b.uri}) as server,
    ):
        click = await server.create("2001", auth_required=False)
        script = filled(script, server=address(server), A=server.account, C=click)
        async with Chromium(tmp_path / "browser", script) as page:
            told = await page.told()
        assert (told["status"], told["type"], told["data"]["status"]) == (200, "application/json", "success")
        assert told["request_id"] == told["data"]["request_id"]
        await a.passed()
        await b.passed()
        (record,) = await server.history(click)
        record = await server.ended(click, record["call_id"])
        await server.nothing_lives()
    assert (record["result"], record["ended_by"]) == ("success", "b")


async def test_12_5_a_page_with_a_token(tmp_path: Path, server: PeopledServer) -> None:
    """Monster UI's headers and data; the browser asks for leave to send them."""
    script = """
    $.ajax({type:'POST', url:'{server}/v2/accounts/{A}/clicktocall/{C}/connect', contentType:'application/json',
            headers:{'X-Auth-Token':'{token}', 'X-Requested-With':'XMLHttpRequest', 'Cache-Control':'no-cache'},
            dataType:'json', data:JSON.stringify({data:{contact:'2002', ui_metadata:{version:'5.0', ui:'monster-ui'}}})
    }).done(answered).fail(failed);
    """
    click = await server.create("2001")
    script = filled(script, server=address(server), A=server.account, C=click, token=server.token)
    async with Chromium(tmp_path / "browser", script) as page:
        told = await page.told()
    assert (told["status"], told["type"]) == (200, "application/json")
    assert told["data"]["data"]["call_id"].startswith(f"c2c-{click}-")
    record = await server.ended(click, told["data"]["data"]["call_id"])
    assert record["contact"] == "2002"


@pytest.mark.parametrize("version", ["v1", "v2"])
async def test_12_6_a_page_can_read_why_not(tmp_path: Path, server: PeopledServer, version: str) -> None:
    script = """
    $.ajax({type:'POST', url:'{server}/{version}/accounts/{A}/clicktocall/{C}/connect', contentType:'application/json',
            dataType:'json', data:'{"data":{"contact":"2002"}}'}).done(answered).fail(failed);
    """
    click = await server.create("2001", auth_required=False, whitelist=["^9"])
    script = filled(script, server=address(server), version=version, A=server.account, C=click)
    async with Chromium(tmp_path / "browser", script) as page:
        told = await page.told()
    assert (told["status"], told["failed"], told["type"]) == (400, True, "application/json")
    assert (told["data"]["message"], told["data"]["data"]) == ("Contact doesn't match whitelist", "2002")


async def test_14_a_page_logs_in_to_tvox_and_dials(tmp_path: Path) -> None:
    """It cannot set the cookie of another origin, so it shows the access token."""
    script = """
    function rpc(method, params, token) {
      return $.ajax({type:'POST', url:'{server}/tvox/webapi', contentType:'application/json', dataType:'json',
        headers: token ? {Authorization: 'Bearer ' + token} : {},
        data: JSON.stringify({jsonrpc:'2.0', id:1, method:method, params:params})});
    }
    rpc('login', ['10.26.0', '{username}', '{password}']).fail(failed).done(function (answer) {
      rpc('dialNumber', ['2001', '2002', '', 'page', false, null, true], answer.result.accessToken)
        .done(answered).fail(failed);
    });
    """
    async with (
        Sipp("a_answers", tmp_path / "a") as a,
        Sipp("b_hangs_up", tmp_path / "b") as b,
        PeopledServer(tmp_path / "server", {"2001": a.uri, "2002": b.uri}) as server,
    ):
        script = filled(script, server=address(server), username=USERNAME, password=PASSWORD)
        async with Chromium(tmp_path / "browser", script) as page:
            told = await page.told()
        assert told["status"] == 200
        assert CALL_ID.fullmatch(told["data"]["result"]), told
        await a.passed()
        await b.passed()
        await server.nothing_lives()


async def test_the_browser_keeps_the_rules(tmp_path: Path, server: PeopledServer) -> None:
    """The control: what no page of another origin may have, it does not get, nor with a header that is not allowed."""
    script = """
    $.when($.ajax('{server}/healthz').then(null, function (xhr) { return $.Deferred().resolve(xhr.status); }),
           $.ajax('{server}/v2/schemas', {headers: {'X-Unheard-Of': '1'}})
             .then(null, function (xhr) { return $.Deferred().resolve(xhr.status); }),
           $.ajax('{server}/v2/schemas').then(function (data) { return data.status; }))
      .done(function (health, header, schemas) { tell([health, header, schemas]); });
    """
    async with Chromium(tmp_path / "browser", filled(script, server=address(server))) as page:
        told: Any = await page.told()
    assert told == [0, 0, "success"]
