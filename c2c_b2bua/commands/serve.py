"""`c2c serve`: the service, until it is told to stop."""

from __future__ import annotations

from typing import Annotated, Literal

from c2c_b2bua.commands.arguments import ConfigFile, Switch, read_config
from c2c_b2bua.commands.terminal import fail, run, set_up_log
from c2c_b2bua.server import serve as run_server
from c2c_b2bua.storage.database import StorageError


def serve(
    *,
    config: ConfigFile,
    replace: Annotated[bool, Switch] = False,
    log_level: Literal["debug", "info", "warning", "error"] = "info",
) -> None:
    """Run the service until SIGTERM or Ctrl-C.

    It then takes no new calls, lets those that run go on for the configured grace, hangs up what is left of them, and
    writes their history. A second SIGTERM or Ctrl-C ends them at once.

    Exit code 0 after that; 1 when a port or the database cannot be had; 2 when the configuration is wrong.

    Parameters
    ----------
    replace
        Take the place of the service that runs with this database, if there is one: it hands over its ports, goes on
        with its calls, and ends with the last of them.
    log_level
        Least important line that is logged.
    """
    settings = read_config(config)
    set_up_log(log_level)
    try:
        run(run_server(settings, replace, log_level))
    except StorageError as error:
        fail(1, str(error))
