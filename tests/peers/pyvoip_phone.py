"""pyVoIP 1.6.8 as a phone of its own, to be run as a program: it answers, plays a tone, and tells what happens.

It is a threaded softphone, and it registers before anything else. Here it is told that it has, because the server it
talks to is no registrar. It sends its answers to that server whoever asked, so that has to be ours.

Lines on standard output: `ready`, `answered`, `heard` (the tone it listens for), `ended`. A line `hangup` on standard
input makes it hang up.
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
from array import array
from typing import Any

from pyVoIP.VoIP import CallState, VoIPCall, VoIPPhone
from pyVoIP.VoIP.status import PhoneStatus
from pyVoIP.VoIP.VoIP import SIP  # pyVoIP.SIP cannot be imported first: the two import each other

from .tone import WINDOW, is_heard, tone

FRAME = 160
"""Samples in 20 ms; pyVoIP's are 8-bit unsigned."""


class Client(SIP.SIPClient):
    """Takes itself for registered."""

    def register(self) -> bool:
        self.phone._status = PhoneStatus.REGISTERED
        return True


class Phone(VoIPPhone):
    """Plays `plays` Hz and listens for `listens` Hz."""

    def __init__(self, server: str, server_port: int, address: str, port: int, plays: float, listens: float) -> None:
        account: dict[str, Any] = {"username": "pyvoip", "password": "", "myIP": address}
        super().__init__(server, server_port, callCallback=self.rung, sipPort=port, **account)
        self.sip = Client(server, server_port, phone=self, myPort=port, callCallback=self.callback, **account)
        self.plays = plays
        self.listens = listens

    def rung(self, call: VoIPCall) -> None:
        """The whole call, in a thread that pyVoIP made for it."""
        call.answer()
        say("answered")
        threading.Thread(target=self.obey, args=(call,), daemon=True).start()
        threading.Thread(target=self.play, args=(call,), daemon=True).start()
        heard = array("h")
        while call.state == CallState.ANSWERED:
            heard.extend((sample - 128) << 8 for sample in call.read_audio(FRAME))
            if len(heard) >= WINDOW:
                if is_heard(heard, self.listens):
                    say("heard")
                heard = array("h")
        say("ended")

    def play(self, call: VoIPCall) -> None:
        """The tone, in pace."""
        sound = bytes((sample >> 8) + 128 for sample in tone(self.plays, 1))
        while call.state == CallState.ANSWERED:
            call.write_audio(sound)
            time.sleep(1)

    def obey(self, call: VoIPCall) -> None:
        for line in sys.stdin:
            if line.strip() == "hangup":
                call.hangup()


def say(what: str) -> None:
    print(what, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="A pyVoIP phone that answers.")
    parser.add_argument("--server", required=True, metavar="HOST:PORT", help="who gets its responses")
    parser.add_argument("--listen", required=True, metavar="HOST:PORT")
    parser.add_argument("--plays", type=float, default=880, metavar="HZ")
    parser.add_argument("--listens", type=float, default=440, metavar="HZ")
    options = parser.parse_args()
    server, server_port = options.server.split(":")
    address, port = options.listen.split(":")
    phone = Phone(server, int(server_port), address, int(port), options.plays, options.listens)
    phone.start()
    say("ready")


if __name__ == "__main__":
    main()
