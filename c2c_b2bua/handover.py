"""Several engines behind one set of sockets: whoever reads them passes on what is meant for another (DESIGN §3).

phone -> BYE of a call of the old engine      comes to the new one, which has the sockets now
         Astray ->                            to the old one, over the link between the two
         <- 200                               from the old one, by the same socket
                                              over a stream that only the new one has: <- Answer
"""

from __future__ import annotations

import structlog

from c2c_b2bua.engine import Engine
from c2c_b2bua.sip.flow import Flow
from c2c_b2bua.transaction.actions import Misdirected
from c2c_b2bua.transport.link import Answer, Astray, Handed, Link, Relay

log = structlog.get_logger()


class Predecessor:
    """The process whose sockets we read, and those before it whose calls still go on."""

    def __init__(self, engine: Engine, link: Link, handed: Handed) -> None:
        self.engine = engine
        self.link = link
        self.names = handed.engines
        places = {listen: index for index, listen in reversed([*enumerate(handed.places)])}
        self.places = [places.get(str(listen)) for listen in engine.listen]
        """Of our sockets, by index: which of theirs it is."""
        self.count = 0
        engine.core.others.update(self.names)
        engine.pass_on = self.pass_on

    def pass_on(self, news: Misdirected) -> None:
        """A message for one of them came to us."""
        flow = news.message.flow
        assert flow is not None
        place = self.places[flow.interface.index]
        if place is None:
            log.warning("message for an engine that does not know the socket", engine=news.engine, peer=flow.host)
            return
        self.count += 1
        self.link.send(Astray(place, flow.host, flow.port, flow.connection, bytes(news.message)))

    def answer(self, letter: Answer) -> None:
        """It has something to say over a stream of ours."""
        connection = self.engine.connections.by_number.get(letter.connection)
        if connection is not None and connection.is_open:
            connection.send(letter.data)

    def is_gone(self) -> None:
        """Nobody waits for their messages any more."""
        self.engine.core.others.difference_update(self.names)
        log.info("the process before this one has ended", passed_on=self.count)


def take_in(engine: Engine, link: Link, letter: Astray) -> None:
    """A message for us, or for an engine before us, that came to our successor."""
    interfaces = engine.core.interfaces.interfaces
    if not 0 <= letter.index < len(interfaces):
        return
    number = 0
    if theirs := letter.connection:
        # Below zero, where ours never are; theirs may be one that was passed to them, and so be there already.
        number = -2 * theirs if theirs > 0 else 2 * theirs - 1
        if number not in engine.connections.by_number:
            engine.connections.by_number[number] = Relay(link, theirs)
    engine.receive(letter.data, Flow(interfaces[letter.index], letter.host, letter.port, number))
