"""The four machines equal the RFC's figures, row by row (RFC 3261 figures 5-8 with RFC 6026's Accepted)."""

from __future__ import annotations

from c2c_b2bua.transaction.client import Client
from c2c_b2bua.transaction.invite_client import InviteClient
from c2c_b2bua.transaction.invite_server import InviteServer
from c2c_b2bua.transaction.server import Server
from c2c_b2bua.transaction.transaction import Transaction


def rows(machine: type[Transaction]) -> list[str]:
    return sorted(
        f"{state}: {event} -> {then} ({step.__name__})" for (state, event), (then, step) in machine.table.items()
    )


def test_figure_5_invite_client() -> None:
    assert rows(InviteClient) == [
        # Beyond the figure (RFC 3263 §4.3): an INVITE that has gone on to another target, and what makes it go.
        "ABANDONED: 1xx -> ABANDONED (hush)",
        "ABANDONED: 2xx -> ACCEPTED (accept)",
        "ABANDONED: 300-699 -> COMPLETED (refuse)",
        "ABANDONED: A -> ABANDONED (retransmit)",
        "ABANDONED: B -> TERMINATED (forget)",
        "ABANDONED: transport error -> TERMINATED (forget)",
        "ACCEPTED: 2xx -> ACCEPTED (tell)",
        "ACCEPTED: M -> TERMINATED (forget)",
        "CALLING: 1xx -> PROCEEDING (tell)",
        "CALLING: 2xx -> ACCEPTED (accept)",
        "CALLING: 300-699 -> COMPLETED (refuse)",
        "CALLING: A -> CALLING (retransmit)",
        "CALLING: B -> TERMINATED (time_out)",
        "CALLING: next -> CALLING (look_elsewhere)",
        "CALLING: transport error -> TERMINATED (break_off)",
        # Beyond the figure: a proxy said no, and one of the phones it rang says yes all the same (RFC 3261 §13.2.2.4).
        "COMPLETED: 2xx -> COMPLETED (tell)",
        "COMPLETED: 300-699 -> COMPLETED (resend)",
        "COMPLETED: D -> TERMINATED (forget)",
        "COMPLETED: transport error -> TERMINATED (forget)",
        "PROCEEDING: 1xx -> PROCEEDING (tell)",
        "PROCEEDING: 2xx -> ACCEPTED (accept)",
        "PROCEEDING: 300-699 -> COMPLETED (refuse)",
    ]


def test_figure_6_client() -> None:
    assert rows(Client) == [
        "COMPLETED: K -> TERMINATED (forget)",
        "PROCEEDING: 1xx -> PROCEEDING (tell)",
        "PROCEEDING: 2xx -> COMPLETED (complete)",
        "PROCEEDING: 300-699 -> COMPLETED (complete)",
        "PROCEEDING: E -> PROCEEDING (retransmit)",
        "PROCEEDING: F -> TERMINATED (time_out)",
        "PROCEEDING: transport error -> TERMINATED (break_off)",
        "TRYING: 1xx -> PROCEEDING (tell)",
        "TRYING: 2xx -> COMPLETED (complete)",
        "TRYING: 300-699 -> COMPLETED (complete)",
        "TRYING: E -> TRYING (retransmit)",
        "TRYING: F -> TERMINATED (time_out)",
        "TRYING: next -> TRYING (look_elsewhere)",
        "TRYING: transport error -> TERMINATED (break_off)",
    ]


def test_figure_7_invite_server() -> None:
    assert rows(InviteServer) == [
        "ACCEPTED: 2xx -> ACCEPTED (send)",
        "ACCEPTED: L -> TERMINATED (forget)",
        "ACCEPTED: request -> ACCEPTED (ignore)",
        "COMPLETED: ACK -> CONFIRMED (confirm)",
        "COMPLETED: G -> COMPLETED (retransmit)",
        "COMPLETED: H -> TERMINATED (give_up)",
        "COMPLETED: request -> COMPLETED (resend)",
        "COMPLETED: transport error -> TERMINATED (give_up)",
        "CONFIRMED: ACK -> CONFIRMED (ignore)",
        "CONFIRMED: I -> TERMINATED (forget)",
        "PROCEEDING: 1xx -> PROCEEDING (send)",
        "PROCEEDING: 2xx -> ACCEPTED (accept)",
        "PROCEEDING: 300-699 -> COMPLETED (refuse)",
        "PROCEEDING: request -> PROCEEDING (resend)",
        "PROCEEDING: transport error -> TERMINATED (forget)",
    ]


def test_figure_8_server() -> None:
    assert rows(Server) == [
        "COMPLETED: J -> TERMINATED (forget)",
        "COMPLETED: request -> COMPLETED (resend)",
        "COMPLETED: transport error -> TERMINATED (forget)",
        "PROCEEDING: 1xx -> PROCEEDING (send)",
        "PROCEEDING: 2xx -> COMPLETED (complete)",
        "PROCEEDING: 300-699 -> COMPLETED (complete)",
        "PROCEEDING: request -> PROCEEDING (resend)",
        "PROCEEDING: transport error -> TERMINATED (forget)",
        "TRYING: 1xx -> PROCEEDING (send)",
        "TRYING: 2xx -> COMPLETED (complete)",
        "TRYING: 300-699 -> COMPLETED (complete)",
        # Beyond the figure: the stream may break before anything was sent over it.
        "TRYING: transport error -> TERMINATED (forget)",
    ]
