"""`python -m tests.bench.bare_server serve …`: `c2c serve` without journal and without trails, to see what they cost."""

from __future__ import annotations

from c2c_b2bua import server
from c2c_b2bua.cli import main
from c2c_b2bua.config import Sip
from c2c_b2bua.engine import Engine
from c2c_b2bua.kept_calls import KeptCalls
from c2c_b2bua.storage.recordings import Recordings
from tests.bench.overhead import no_trails


class Forgetful(Engine):
    def __init__(self, sip: Sip, recordings: Recordings | None = None, kept: KeptCalls | None = None) -> None:
        super().__init__(sip, recordings)


if __name__ == "__main__":
    setattr(server, "Engine", Forgetful)  # noqa: B010 (a class is not to be assigned to)
    with no_trails():
        main()
