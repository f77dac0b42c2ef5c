"""The command line: composes everything. Exit codes: 0 done, 1 it did not work, 2 the command or configuration is wrong.

A command's file is imported when it is the one that is called.
"""

from __future__ import annotations

import sys
from typing import Any

from cyclopts import App, Parameter

from c2c_b2bua import __version__
from c2c_b2bua.form import form

HELP = """Click-to-call without a PBX: one HTTP request, two phones, one bridged call.

Exit codes: 0 it worked, 1 it did not, 2 the command or the configuration is wrong."""
COMMANDS = ("serve", "drain", "demo", "check", "call", "explain", "replay", "phone", "load", "account")


def default_shown(value: Any) -> str | None:
    """What help says of a default; nothing, where that is nothing."""
    if value is None or value is False or value == "":
        return None
    return " ".join(value) if isinstance(value, tuple) else str(value)


def version() -> str:
    return f"{__version__} ({form()})"


app = App(name="c2c", help=HELP, version=version, default_parameter=Parameter(show_default=default_shown))
for place, command in enumerate(COMMANDS):
    app.command(f"c2c_b2bua.commands.{command}:{command}", name=command, sort_key=place)


def main() -> None:
    if sys.argv[1:] in ([], ["-h"], ["--help"]):
        for command in COMMANDS:
            app[command]  # imports it: the list shows the first sentence of each
    app()


if __name__ == "__main__":
    main()
