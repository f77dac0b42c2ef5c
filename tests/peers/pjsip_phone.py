"""PJSIP 2.15.1 as a phone of its own, to be run as a program with its settings as JSON: rings, answers, plays a tone.

Lines on standard output: `ready`, `registered`, `ringing`, `talking`, `media` (and what it is now),
`told` (and the answer to an INFO), `ended`.
Lines on standard input: `answer`, `hold`, `resume`, `move`, `update`, `info`,
`hangup`. What is on the wire is in `pjsip.log`,
what is heard in `heard.wav`.
"""

from __future__ import annotations

import ctypes
import json
import queue
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pjsua2 as pj

from .tone import tone, write_wav

LIBC = ctypes.CDLL(None)
TALKING, ENDED, ACTIVE = pj.PJSIP_INV_STATE_CONFIRMED, pj.PJSIP_INV_STATE_DISCONNECTED, pj.PJSUA_CALL_MEDIA_ACTIVE
TRANSPORTS = {"udp": pj.PJSIP_TRANSPORT_UDP, "tcp": pj.PJSIP_TRANSPORT_TCP, "tls": pj.PJSIP_TRANSPORT_TLS}
MEDIA = {
    pj.PJSUA_CALL_MEDIA_NONE: "none",
    ACTIVE: "active",
    pj.PJSUA_CALL_MEDIA_LOCAL_HOLD: "held by us",
    pj.PJSUA_CALL_MEDIA_REMOTE_HOLD: "held by them",
    pj.PJSUA_CALL_MEDIA_ERROR: "broken",
}


class Phone(pj.Account):
    """The account, its one call, and the sound of it."""

    def __init__(self, settings: dict[str, Any]) -> None:
        super().__init__()
        self.settings = settings
        self.call: Talk | None = None
        self.due: list[tuple[float, int]] = []
        """When to say what to the call that rings."""
        sound = Path("tone.wav")
        write_wav(sound, tone(settings["plays"], 30))
        self.player = pj.AudioMediaPlayer()
        self.player.createPlayer(str(sound))
        self.ear = pj.AudioMediaRecorder()
        self.ear.createRecorder("heard.wav")

    def onRegState(self, prm: pj.OnRegStateParam) -> None:  # noqa: N802 (PJSIP's names)
        say("registered" if prm.code == 200 else f"refused {prm.code} {prm.reason}")

    def onIncomingCall(self, prm: pj.OnIncomingCallParam) -> None:  # noqa: N802
        self.call = Talk(self, prm.callId)
        self.say(180)
        say("ringing")
        # Not at once: its 180 has to be acknowledged before.
        self.due = [(time.monotonic() + 0.2, self.settings["then"])]

    def say(self, code: int) -> None:
        """A response to the INVITE."""
        assert self.call
        prm = pj.CallOpParam()
        prm.statusCode = code
        self.call.answer(prm)

    def tick(self) -> None:
        while self.due and self.due[0][0] <= time.monotonic():
            self.say(self.due.pop(0)[1])

    def obey(self, command: str) -> None:
        assert self.call
        prm = pj.CallOpParam(True)
        match command:
            case "answer":
                self.due = []
                self.say(200)
            case "hold":
                self.call.setHold(prm)
            case "resume":
                prm.opt.flag = pj.PJSUA_CALL_UNHOLD
                self.call.reinvite(prm)
            case "move":
                prm.opt.flag = pj.PJSUA_CALL_REINIT_MEDIA
                self.call.reinvite(prm)
            case "update":
                self.call.update(prm)
            case "info":
                dtmf = pj.CallSendDtmfParam()
                dtmf.method, dtmf.digits = pj.PJSUA_DTMF_METHOD_SIP_INFO, "5"
                self.call.sendDtmf(dtmf)
            case "hangup":
                self.call.hangup(prm)


class Talk(pj.Call):
    """A call, as it goes on."""

    def __init__(self, phone: Phone, number: int) -> None:
        super().__init__(phone, number)
        self.phone = phone

    def onCallState(self, prm: pj.OnCallStateParam) -> None:  # noqa: N802
        state = self.getInfo().state
        if state == TALKING:
            say("talking")
        elif state == ENDED:
            self.phone.due = []
            say("ended")

    def onCallMediaState(self, prm: pj.OnCallMediaStateParam) -> None:  # noqa: N802
        info = self.getInfo()  # its parts are gone when it is
        status = info.media[0].status
        if status == ACTIVE:
            media = self.getAudioMedia(0)
            self.phone.player.startTransmit(media)
            media.startTransmit(self.phone.ear)
        say(f"media {MEDIA[status]}")

    def onCallTsxState(self, prm: pj.OnCallTsxStateParam) -> None:  # noqa: N802
        transaction = prm.e.body.tsxState.tsx
        if (transaction.method, transaction.state) == ("INFO", pj.PJSIP_TSX_STATE_COMPLETED):
            say(f"told {transaction.statusCode}")


def account(settings: dict[str, Any], transport: int) -> pj.AccountConfig:
    config = pj.AccountConfig()
    user, place = settings["user"], f"{settings['host']}:{settings['port']}"
    suffix = "" if settings["transport"] == "udp" else f";transport={settings['transport']}"
    config.idUri = f"sip:{user}@{settings['domain'] or place}"
    config.sipConfig.transportId = transport if settings["transport"] == "udp" else -1
    if settings["registrar"]:
        config.regConfig.registrarUri = f"sip:{settings['domain']}{suffix}"
        config.sipConfig.proxies.append(f"{settings['registrar']};lr")
        config.sipConfig.authCreds.append(pj.AuthCredInfo("digest", "*", user, 0, settings["password"]))
    config.callConfig.prackUse = pj.PJSUA_100REL_OPTIONAL
    config.callConfig.timerUse = pj.PJSUA_SIP_TIMER_OPTIONAL
    config.callConfig.timerMinSESec = config.callConfig.timerSessExpiresSec = settings["shortest_session"]
    config.mediaConfig.transportConfig.boundAddress = settings["host"]
    return config


def read(commands: queue.Queue[str]) -> None:
    for line in sys.stdin:
        commands.put(line.strip())


def main() -> None:
    settings = json.loads(sys.argv[1])
    endpoint = pj.Endpoint()
    endpoint.libCreate()
    config = pj.EpConfig()
    # All in this thread: Python's and PJSIP's do not meet.
    config.uaConfig.threadCnt, config.uaConfig.mainThreadOnly = 0, True
    config.uaConfig.userAgent = f"PJSIP {endpoint.libVersion().full}"
    config.logConfig.level, config.logConfig.consoleLevel, config.logConfig.filename = 5, 0, "pjsip.log"
    config.medConfig.clockRate = config.medConfig.sndClockRate = 8000
    config.medConfig.noVad = True
    endpoint.libInit(config)
    place = pj.TransportConfig()
    place.port, place.boundAddress = settings["port"], settings["host"]
    if settings["transport"] == "tls":
        place.tlsConfig.CaListFile, place.tlsConfig.verifyServer = settings["ca"], True
    transport = endpoint.transportCreate(TRANSPORTS[settings["transport"]], place)
    endpoint.libStart()
    endpoint.audDevManager().setNullDev()
    phone = Phone(settings)
    phone.create(account(settings, transport))
    commands: queue.Queue[str] = queue.Queue()
    threading.Thread(target=read, args=(commands,), daemon=True).start()
    say("ready")
    while True:
        endpoint.libHandleEvents(10)
        phone.tick()
        while not commands.empty():
            phone.obey(commands.get())


def say(what: str) -> None:
    """After the messages that led to it, which PJSIP leaves in a buffer of C's."""
    LIBC.fflush(None)
    print(what, flush=True)


if __name__ == "__main__":
    main()
