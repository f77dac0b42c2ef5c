"""`c2c account`: the accounts that are kept in the database, beside a running service or without one."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from typing import TypeVar

from cyclopts import App
from rich.table import Table

from c2c_b2bua.commands.arguments import ConfigFile, read_config
from c2c_b2bua.commands.terminal import console, fail, run, say, set_up_log
from c2c_b2bua.config import Account as ConfiguredAccount
from c2c_b2bua.config import Config
from c2c_b2bua.config_file import account_problems
from c2c_b2bua.service.accounts import Account, Accounts
from c2c_b2bua.service.errors import ConflictingError, UnknownError
from c2c_b2bua.service.exchange import open_accounts
from c2c_b2bua.storage.database import StorageError

COLUMNS = ("id", "name", "realm", "parent", "kept in")
Outcome = TypeVar("Outcome")

account = App(
    name="account",
    help="Add and list accounts, renew their API keys. What is changed here a running service knows at once.",
)


@account.command
def add(name: str, /, *, realm: str, parent: str = "", config: ConfigFile) -> None:
    """Add an account to the database, and print its id and its API key. The key is not kept: it is shown this once.

    Exit code 1 when the name or the realm is taken, or the parent is unknown.

    Parameters
    ----------
    name
        What people call it.
    realm
        Its SIP domain, such as acme.example.com.
    parent
        Id of the account that may act on this one.
    """
    wrong = list(account_problems([ConfiguredAccount(id="0" * 32, name=name, realm=realm)]))
    if wrong or not name.strip():
        fail(2, f"--realm {wrong[0][1]}" if wrong else "NAME: expected a name")
    made, api_key = use(read_config(config), lambda accounts: accounts.add(name, realm, parent))
    say(f"id\t{made.id}")
    say(f"api_key\t{api_key}")


@account.command(name="list")
def list_(*, config: ConfigFile) -> None:
    """List all accounts: a table on a terminal, else lines of id, name, realm, parent and where it is kept, by tabs."""
    rows = [columns(found) for found in use(read_config(config), lambda accounts: accounts.list())]
    if not sys.stdout.isatty():
        for row in rows:
            say("\t".join(row))
        return
    table = Table(*COLUMNS, box=None, header_style="bold")
    for row in rows:
        table.add_row(*row)
    console.print(table)


@account.command
def rotate_key(account_id: str, /, *, config: ConfigFile) -> None:
    """Give an account of the database a new API key, and print it; the old one is worthless from now on.

    Tokens got with the old key stay good until they expire. Exit code 1 when there is no such account.

    Parameters
    ----------
    account_id
        As `c2c account list` shows it.
    """
    api_key = use(read_config(config), lambda accounts: accounts.rotate_key(account_id))
    say(f"api_key\t{api_key}")


def use(settings: Config, work: Callable[[Accounts], Awaitable[Outcome]]) -> Outcome:
    """Do something with the accounts; what cannot be done is one line and exit code 1."""

    async def opened() -> Outcome:
        async with open_accounts(settings) as accounts:
            return await work(accounts)

    set_up_log("warning")
    try:
        return run(opened())
    except ConflictingError as error:
        fail(1, f"{error}.")
    except UnknownError as error:
        fail(1, f"There is no account {error.identifier}.")
    except StorageError as error:
        fail(1, f"cannot use the database {settings.shown()['storage']['url']}: {error}")


def columns(found: Account) -> tuple[str, ...]:
    return found.id, found.name, found.realm, found.parent, "file" if found.configured else "database"
