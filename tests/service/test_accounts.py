"""Accounts of the configuration and of the database, and their tokens."""

from __future__ import annotations

import pytest

from c2c_b2bua.service.errors import ConflictingError, UnauthenticatedError, UnknownError
from c2c_b2bua.service.exchange import Exchange, open_accounts
from tests.api.conftest import CHILD, KEY, STRANGER, A
from tests.api.scripted_engine import ScriptedEngine
from tests.service.conftest import StartExchange
from tests.service.test_calls import made, request


async def test_an_added_account_logs_in_everywhere_at_once(start_exchange: StartExchange) -> None:
    """Two processes on one database: what the command adds, the running service knows."""
    server, command = await start_exchange(), await start_exchange()
    account, key = await command.accounts.add("new", "New.example", parent=A)
    assert (len(account.id), len(key), account.realm) == (32, 64, "new.example")
    found, grant = await server.accounts.log_in_with_key(key)
    assert found.id == account.id == server.accounts.grant(grant.token).account_id
    assert server.accounts.may_act_on(A, account.id)
    assert not server.accounts.may_act_on(account.id, A)
    assert [listed.name for listed in await server.accounts.list()] == ["acme", "child", "stranger", "new"]


async def test_a_command_beside_a_running_service_leaves_its_calls_alone(
    exchange: Exchange, engine: ScriptedEngine
) -> None:
    document = await made(exchange)
    await exchange.calls.connect(await request(exchange, document))
    async with open_accounts(exchange.settings) as accounts:
        account, key = await accounts.add("new", "new.example")
    assert (await exchange.accounts.log_in_with_key(key))[0].id == account.id
    await exchange.history.store.caught_up()
    assert len(await exchange.history.store.running()) == 1


async def test_a_new_key_ends_the_old_one_everywhere(start_exchange: StartExchange) -> None:
    server, command = await start_exchange(), await start_exchange()
    account, old = await command.accounts.add("new", "new.example")
    await server.accounts.log_in_with_key(old)
    new = await command.accounts.rotate_key(account.id)
    with pytest.raises(UnknownError):
        await server.accounts.log_in_with_key(old)
    assert (await server.accounts.log_in_with_key(new))[0].id == account.id


async def test_what_cannot_be_added(exchange: Exchange) -> None:
    for name, realm in (("acme", "x.example"), ("x", "ACME.example.com")):
        with pytest.raises(ConflictingError):
            await exchange.accounts.add(name, realm)
    with pytest.raises(UnknownError):
        await exchange.accounts.add("x", "x.example", parent="9" * 32)
    with pytest.raises(UnknownError):
        await exchange.accounts.rotate_key("9" * 32)
    with pytest.raises(ConflictingError, match="configuration"):
        await exchange.accounts.rotate_key(A)


async def test_a_token_outlives_a_restart(start_exchange: StartExchange) -> None:
    first = await start_exchange()
    _, grant = await first.accounts.log_in_with_key(KEY)
    second = await start_exchange()
    assert second.accounts.grant(grant.token).account_id == A


async def test_an_unknown_account_is_looked_for_in_the_database(start_exchange: StartExchange) -> None:
    server, command = await start_exchange(), await start_exchange()
    account, _ = await command.accounts.add("new", "new.example")
    server.accounts.refreshed_at -= 2
    assert (await server.accounts.account(account.id)).name == "new"
    with pytest.raises(UnknownError):
        await server.accounts.account("9" * 32)


async def test_the_tree(exchange: Exchange) -> None:
    accounts = exchange.accounts
    assert accounts.may_act_on(A, A) and accounts.may_act_on(A, CHILD)
    assert not accounts.may_act_on(CHILD, A) and not accounts.may_act_on(A, STRANGER)
    assert not accounts.may_act_on("9" * 32, A) and not accounts.may_act_on("", A)


async def test_secrets_are_not_kept_as_they_are(exchange: Exchange) -> None:
    _, key = await exchange.accounts.add("new", "new.example")
    assert key not in repr(await exchange.accounts.list())
    assert KEY not in repr(await exchange.accounts.list())
    assert "secret" not in repr(await exchange.accounts.list())


async def test_revoked_tokens_are_forgotten_when_they_have_expired(exchange: Exchange) -> None:
    accounts = exchange.accounts
    grants = [(await accounts.log_in_with_key(KEY))[1] for _ in range(2)]
    await accounts.revoke(grants[0])
    with pytest.raises(UnauthenticatedError):
        accounts.grant(grants[0].token)
    accounts.now = lambda: grants[0].expires_at + 1
    await accounts.revoke(grants[1])
    assert len(accounts.revoked) == 1
