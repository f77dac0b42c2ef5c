"""§12.1 of the API description: PyPI's PyKazoo, as it comes, does everything it can do with click-to-calls."""

from __future__ import annotations

import asyncio
import contextlib
import re
import sqlite3
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from pykazoo.client import PyKazooClient

from tests.sipp.ports import LOOPBACK
from tests.sipp.sipp import Sipp

from .accounts import PASSWORD, STRANGER, USERNAME, PeopledServer

NOBODY = "0" * 32


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[PeopledServer]:
    """Without phones."""
    nowhere = "sip:nobody@127.0.0.1:9;transport=tcp"
    async with PeopledServer(tmp_path, {"2001": nowhere, "2002": nowhere}) as made:
        yield made


def logged_in(server: PeopledServer) -> PyKazooClient:
    """With the account's API key."""
    client = PyKazooClient(f"http://{LOOPBACK}:{server.http_port}/v2")
    client.authentication.api_auth(server.api_key)
    return client


def raises(error: type[Exception], status: int, call: Callable[..., Any], *given: Any) -> str:
    """What PyKazoo says of an answer of this status: exactly this error."""
    with pytest.raises(error) as caught:
        call(*given)
    assert type(caught.value) is error
    found = re.fullmatch(r"Error Code: (\d+) Data: b['\"](.*)['\"]", str(caught.value))
    assert found, caught.value
    assert int(found[1]) == status
    return found[2]


async def test_12_1_api_auth(server: PeopledServer) -> None:
    def log_in() -> None:
        client = PyKazooClient(f"http://{LOOPBACK}:{server.http_port}/v2")
        assert not client.authentication.authenticated
        answer = client.authentication.api_auth(server.api_key)
        assert client.authentication.authenticated
        assert client.authentication.account_id == server.account == answer["data"]["account_id"]
        raises(ValueError, 404, client.authentication.api_auth, "0" * 64)
        raises(ValueError, 400, client.authentication.api_auth, "short")

    await asyncio.to_thread(log_in)


async def test_12_1_user_auth(server: PeopledServer) -> None:
    def log_in() -> None:
        client = PyKazooClient(f"http://{LOOPBACK}:{server.http_port}/v2")
        answer = client.authentication.user_auth(USERNAME, PASSWORD, "acme")
        assert client.authentication.account_id == server.account
        (user,) = client.users.get_users(server.account)["data"]
        assert answer["data"]["owner_id"] == user["id"]
        assert client.clicktocalls.get_click_to_calls(server.account)["data"] == []
        for given in ((USERNAME, "wrong", "acme"), ("nobody", PASSWORD, "acme"), (USERNAME, PASSWORD, "elsewhere")):
            raises(PermissionError, 401, client.authentication.user_auth, *given)

    await asyncio.to_thread(log_in)


async def test_12_1_the_whole_life_of_a_click_to_call(tmp_path: Path) -> None:
    """Made, found, read, changed, called twice over real phones, looked back upon, deleted."""
    async with (
        Sipp("a_answers", tmp_path / "a", calls=2) as a,
        Sipp("b_hangs_up", tmp_path / "b", calls=2) as b,
        PeopledServer(tmp_path / "server", {"2001": a.uri, "2002": b.uri}) as server,
    ):
        account = server.account

        def before() -> tuple[PyKazooClient, str, str]:
            client = logged_in(server)
            clicks = client.clicktocalls
            made = clicks.create_click_to_call(account, {"data": {"name": "x", "extension": "2002"}})
            assert made["status"] == "success"
            click = made["data"]["id"]
            other = clicks.create_click_to_call(account, {"data": {"name": "other", "extension": "2002"}})["data"]
            found = clicks.get_click_to_calls(account, {"filter_name": "x"})
            assert found["data"] == [{"id": click, "name": "x", "extension": "2002"}]
            assert found["page_size"] == 1
            assert {one["id"] for one in clicks.get_click_to_calls(account)["data"]} == {click, other["id"]}
            assert clicks.get_click_to_calls(account, {"filter_name": "y"})["data"] == []
            read = clicks.get_click_to_call(account, click)["data"]
            assert read == made["data"]
            changed = clicks.update_click_to_call(account, click, {"data": {**read, "name": "y", "extension": "2001"}})
            assert changed["data"] == {**read, "name": "y", "extension": "2001"}
            assert clicks.get_click_to_calls(account, {"filter_name": "y"})["data"][0]["id"] == click
            started = clicks.connect_click_to_call(account, click, {"data": {"contact": "2002"}})["data"]
            return client, click, started["call_id"]

        client, click, call_id = await asyncio.to_thread(before)
        record = await server.ended(click, call_id)
        assert (record["result"], record["ended_by"]) == ("success", "b")

        def again() -> str:
            device = next(one for one in client.devices.get_devices(account)["data"] if "2001" in one.values())
            return str(client.quickcalls.quick_call_device(account, device["id"], "2002")["data"]["call_id"])

        await asyncio.to_thread(again)
        await a.passed()
        await b.passed()

        def after() -> None:
            clicks = client.clicktocalls
            (item,) = clicks.get_click_to_call_history(account, click)["data"]
            assert item == record
            assert (item["call_id"], item["contact"]) == (call_id, "2002")
            gone = clicks.delete_click_to_call(account, click)["data"]
            assert (gone["id"], gone["_read_only"]) == (click, {"deleted": True})
            for call in (clicks.get_click_to_call, clicks.delete_click_to_call, clicks.connect_click_to_call):
                assert '"message":"bad_identifier"' in raises(ValueError, 404, call, account, click)
            assert [one["name"] for one in clicks.get_click_to_calls(account)["data"]] == ["other"]
            assert clicks.get_click_to_call_history(account, click)["data"] == [item]

        await asyncio.to_thread(after)
        await server.nothing_lives()


async def test_12_1_its_errors(server: PeopledServer) -> None:
    def go_wrong() -> None:
        client = logged_in(server)
        clicks, account = client.clicktocalls, server.account
        fields = {"name": "x", "extension": "2001", "throttle": 1}
        click = clicks.create_click_to_call(account, {"data": fields})["data"]["id"]
        for data in ({}, {"data": {}}, {"data": {"name": 1}}, {"name": "x", "extension": "2001"}):
            text = raises(ValueError, 400, clicks.create_click_to_call, account, data)
            assert '"message":"validation error"' in text
        assert "Field is required but missing" in raises(
            ValueError, 400, clicks.update_click_to_call, account, click, {"data": {"name": "y"}}
        )
        text = raises(ValueError, 400, clicks.connect_click_to_call, account, click)
        assert "The contact extension for this click to call has not been set" in text
        raises(RuntimeError, 429, clicks.connect_click_to_call, account, click, {"data": {"contact": "2002"}})
        raises(ValueError, 404, clicks.get_click_to_call, account, NOBODY)
        raises(ValueError, 404, clicks.get_click_to_calls, account, {"page_size": 0})
        raises(ValueError, 404, clicks.get_click_to_calls, NOBODY)
        raises(RuntimeError, 403, clicks.get_click_to_calls, STRANGER)
        client.authentication.rest_request.auth_token = None
        raises(PermissionError, 401, clicks.get_click_to_calls, account)
        client.authentication.rest_request.auth_token = "no token"
        raises(PermissionError, 401, clicks.connect_click_to_call, account, click, {"data": {"contact": "2002"}})
        raises(ValueError, 405, client.authentication.rest_request.post, "api_auth/")
        raises(ValueError, 404, client.authentication.rest_request.get, "nothing_of_this_name")
        raises(ValueError, 415, client.authentication.rest_request.put, "api_auth", {"data": {}}, "text/html")

    await asyncio.to_thread(go_wrong)


async def test_12_1_an_open_connect_needs_no_token(server: PeopledServer) -> None:
    """PyKazoo without a token is let in there, and nowhere else."""

    def call() -> None:
        fields = {"name": "x", "extension": "2001", "auth_required": False}
        click = logged_in(server).clicktocalls.create_click_to_call(server.account, {"data": fields})["data"]["id"]
        stranger = PyKazooClient(f"http://{LOOPBACK}:{server.http_port}/v2")
        started = stranger.clicktocalls.connect_click_to_call(server.account, click, {"data": {"contact": "2002"}})
        assert started["data"]["call_id"].startswith(f"c2c-{click}-")
        raises(PermissionError, 401, stranger.clicktocalls.get_click_to_call_history, server.account, click)

    await asyncio.to_thread(call)


async def test_12_1_a_database_that_is_locked_is_a_connection_error(server: PeopledServer) -> None:
    """503 once the lock was seen; and the next try succeeds."""

    def call() -> None:
        clicks, data = logged_in(server).clicktocalls, {"data": {"name": "x", "extension": "2001"}}
        click = clicks.create_click_to_call(server.account, data)["data"]["id"]
        contact = {"data": {"contact": "2002"}}
        with contextlib.closing(sqlite3.connect(server.directory / "c2c.db")) as other:
            other.execute("BEGIN IMMEDIATE")
            assert clicks.connect_click_to_call(server.account, click, contact)["status"] == "success"
            assert clicks.get_click_to_call_history(server.account, click)["data"] == []
            raises(ConnectionError, 503, clicks.connect_click_to_call, server.account, click, contact)
            other.rollback()
        assert clicks.connect_click_to_call(server.account, click, contact)["status"] == "success"

    await asyncio.to_thread(call)
