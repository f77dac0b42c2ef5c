"""Many calls in one core: the recording of each holds all that touched it, and nothing of the others."""

from __future__ import annotations

import msgspec

from c2c_b2bua.call.news import CallEnded, LegFailed
from c2c_b2bua.call.order import CallOrder, Party
from c2c_b2bua.phone import Manners, Phone
from c2c_b2bua.recording.recorder import Recorded, Recorder, outputs
from c2c_b2bua.recording.replay import Replay
from c2c_b2bua.recording.tape import Output
from c2c_b2bua.sip.flow import Flow, Interface, Interfaces, Target
from c2c_b2bua.sip.reason import Why
from c2c_b2bua.sip.tokens import Tokens
from c2c_b2bua.transaction.actions import Action, Locate, Send
from tests.call.ladder import bridged
from tests.call.phone_memory import party_of
from tests.call.test_attended_transfer import SECOND, refer
from tests.recording.test_replay import Taped
from tests.simulation.wire import Wire, interfaces_at

CALLS = 60


def test_calls_that_cross_each_other_are_told_apart() -> None:
    wire = Wire(7, loss=0.05, duplication=0.05, jitter=0.2)
    core = Recorder(interfaces_at(5060), Tokens(b"engine"))
    wire.add(5060, "c2c", core)
    manners = [
        Manners(user="patient", answer_after=1.0),
        Manners(user="brief", answer_after=0.5, hangup_after=1.0),
        Manners(user="absent", answer_after=None),
        Manners(user="busy", reply=486),
    ]
    for place, one in enumerate(manners):
        wire.add(6000 + place, one.user, Phone(interfaces_at(6000 + place, one.user), Tokens(one.user.encode()), one))
    files: dict[str, bytes] = {}
    over: set[str] = set()

    def heard(port: int, news: Action) -> None:
        if isinstance(news, Recorded):
            assert news.call_id not in over
            files[news.call_id] = files.get(news.call_id, b"") + news.line + b"\n"
            over.update({news.call_id} if news.is_last else ())

    wire.news = heard
    for number in range(CALLS):
        wire.run(until=number * 0.1)
        wire.now = max(wire.now, number * 0.1)
        ports = 6000 + number % 2, 6000 + number % 4
        a, b = (
            Party(target="x", uri=f"sip:x@192.0.2.1:{port}", from_uri="sip:c@example.com", ring_timeout=5)
            for port in ports
        )
        wire.carry(5060, core.connect(CallOrder(call_id=f"c2c-{number}", a=a, b=b, max_duration=30), wire.now))
    wire.run()
    assert len(over) == CALLS and not core.tapes
    for file in files.values():
        assert Replay(file).play() is None


def located(number: int) -> Party:
    return Party(target="x", uri="sip:x@carrier.example", from_uri="sip:c@example.com", ring_timeout=20)


def test_what_dns_says_and_what_is_known_to_be_dead_is_part_of_a_call() -> None:
    """The second call goes to the second target at once, for the first is known to be dead; and so does its replay."""
    udp = Interface("UDP", "192.0.2.1", 5060)
    core = Recorder(Interfaces([udp]), Tokens(b"engine"))
    targets = [Target("UDP", "192.0.2.7", 5060), Target("UDP", "192.0.2.8", 5060)]
    files: dict[str, bytes] = {}
    went: list[str] = []

    def keep(actions: list[Action], now: float) -> None:
        for action in actions:
            if isinstance(action, Recorded):
                files[action.call_id] = files.get(action.call_id, b"") + action.line + b"\n"
            elif isinstance(action, Locate):
                keep(core.located(action.ticket, targets, now), now)
            elif isinstance(action, Send) and action.data.startswith(b"INVITE"):
                went.append(action.flow.host)

    for number in (1, 2):
        order = CallOrder(call_id=f"c2c-{number}", a=located(1), b=located(2))
        keep(core.connect(order, 100.0 * number), 100.0 * number)
        if number == 1:
            while core.next_due is not None and core.next_due <= 150.0:
                keep(core.tick(core.next_due), core.next_due)
            keep(core.connect(CallOrder(call_id="c2c-3", a=located(1), b=located(2)), 110.0), 110.0)
    assert went[0] == "192.0.2.7" and "192.0.2.8" in went
    assert '"dead":[["UDP","192.0.2.7",5060' in files["c2c-3"].decode()
    for file in files.values():
        assert Replay(file).play() is None


def test_a_stream_that_breaks_is_part_of_every_call_on_it() -> None:
    tcp = Interface("TCP", "192.0.2.1", 5060)
    core = Recorder(Interfaces([tcp]), Tokens(b"engine"))
    files: dict[str, bytes] = {}
    ended: list[str] = []

    def keep(actions: list[Action]) -> None:
        for action in actions:
            if isinstance(action, Recorded):
                files[action.call_id] = files.get(action.call_id, b"") + action.line + b"\n"
            elif isinstance(action, CallEnded):
                ended.append(action.call_id)

    for number, host in ((1, "192.0.2.9"), (2, "192.0.2.9"), (3, "192.0.2.10")):
        party = Party(target="x", uri=f"sip:x@{host};transport=tcp", from_uri="sip:c@example.com")
        keep(core.connect(CallOrder(call_id=f"c2c-{number}", a=party, b=party), 1.0 * number))
    keep(core.unreachable(Flow(tcp, "192.0.2.9", 5060), 9.0))
    assert ended == ["c2c-1", "c2c-2"]
    assert [name for name, file in files.items() if b'"unreachable"' in file] == ["c2c-1", "c2c-2"]
    keep(core.hang_up("c2c-3", 10.0))
    for file in files.values():
        assert Replay(file).play() is None


def test_the_secret_of_a_call_tells_nothing_of_another() -> None:
    udp = Interface("UDP", "192.0.2.1", 5060)
    core = Recorder(Interfaces([udp]), Tokens(b"engine"))
    party = Party(target="x", uri="sip:x@192.0.2.9", from_uri="sip:c@example.com")
    for number in (1, 2):
        core.connect(CallOrder(call_id=f"c2c-{number}", a=party, b=party), 1.0)
    secrets = {tape.tokens.secret for tape in core.tapes.values()}
    assert len(secrets) == 2 and b"engine" not in secrets
    assert all(leg.tag == Tokens(b"engine").seal(leg.key) for leg in core.legs.values())


def test_the_recordings_of_calls_that_are_joined_end_before_that() -> None:
    player = Taped()
    player.play(bridged())
    order = CallOrder(call_id=SECOND, a=party_of("A3"), b=party_of("B3"))
    player.take(player.core.connect(order, player.now))
    player.play(bridged().replace("A ", "A3 ").replace("B ", "B3 "))
    player.play(refer(player) + "A <- 202\nA <- NOTIFY 200\nA <- BYE\nA3 <- BYE\nB <- INVITE answer-b\n")
    assert isinstance(player.core, Recorder) and not player.core.tapes
    for call_id in (player.order.call_id, SECOND):
        file = b"".join(recorded.line + b"\n" for recorded in player.tape if recorded.call_id == call_id)
        assert b"REFER sip:" not in file
        assert Replay(file).play() is None


def test_a_datagram_that_comes_back_is_part_of_its_call() -> None:
    udp = Interface("UDP", "192.0.2.1", 5060)
    core = Recorder(Interfaces([udp]), Tokens(b"engine"))
    party = Party(target="x", uri="sip:x@192.0.2.9", from_uri="sip:c@example.com")
    actions = core.connect(CallOrder(call_id="c2c-1", a=party, b=party), 1.0)
    (invite,) = [action for action in actions if isinstance(action, Send)]
    nobody = Flow(udp, "192.0.2.9", 5060)
    assert core.undelivered(b"INVITE sip:x SIP/2.0\r\nVia: SIP/2.0/UDP x;branch=z9hG4bK1;rport\r\n", nobody, 1.0) == []
    actions += core.undelivered(invite.data[:300], nobody, 1.1)
    assert [action.record.sip_code for action in actions if isinstance(action, CallEnded)] == [503]
    file = b"\n".join(action.line for action in actions if isinstance(action, Recorded))
    assert b'"undelivered"' in file
    assert Replay(file + b"\n").play() is None


def test_what_a_phone_says_need_be_no_text() -> None:
    """Latin-1 where SIP wants UTF-8."""
    failed = LegFailed("c2c-1", 5.0, "b", "carrier", Why("USER_BUSY", 486, "Besetzt f\udcfcr alle"), False)
    (output,) = outputs([failed], Recorder(interfaces_at(5060), Tokens(b"engine")))
    assert output.told["why"]["text"] == "Besetzt f\ufffdr alle"
    assert msgspec.json.decode(msgspec.json.encode(output), type=Output) == output
