"""The command line: composes everything. Exit codes: 0 done, 1 it did not work, 2 the command or configuration is wrong.

A command's file is imported when it is the one that is called.
"""

from __future__ import annotations

from cyclopts import App

from c2c_b2bua import __version__

HELP = """Click-to-call without a PBX: one HTTP request, two phones, one bridged call.

Exit codes: 0 it worked, 1 it did not, 2 the command or the configuration is wrong."""
COMMANDS = {
    "serve": "Run the service until SIGTERM or Ctrl-C.",
    "demo": "See one click-to-call on this machine: the real server and two simulated phones.",
    "check": "Validate a configuration, and print the effective settings with secrets masked.",
    "call": "Ring A, on its answer ring B, join them; no server, no configuration.",
    "phone": "Be a simulated phone: ring, answer, hang up or refuse, as told.",
    "account": "Add and list accounts, renew their API keys.",
}

app = App(name="c2c", help=HELP, version=__version__)
for place, (command, summary) in enumerate(COMMANDS.items()):
    app.command(f"c2c_b2bua.commands.{command}:{command}", name=command, help=summary, sort_key=place)


def main() -> None:
    app()


if __name__ == "__main__":
    main()
