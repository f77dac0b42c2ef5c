"""Kamailio between us and phones: the registrar that they are at, over any transport, or the proxy before ours."""

from __future__ import annotations

from pathlib import Path

from .kamailio import AUTHENTICATED, NOTHING, Kamailio, Secure

WEBSOCKET = """
event_route[xhttp:request] {
    if ($hdr(Upgrade) =~ "websocket") { ws_handle_handshake(); exit; }
    xhttp_reply("404", "Not Found", "", "");
}
"""
ALIASES = """
route[INSIDE] {
    # A browser's own address is none; the alias put on its Contact is the connection it has opened.
    if (is_method("INVITE|UPDATE") && nat_uac_test("64")) add_contact_alias();
    if ($du == $null) handle_ruri_alias();
    t_on_reply("OUTSIDE");
}
onreply_route[OUTSIDE] { if (nat_uac_test("64")) add_contact_alias(); }
"""
REGISTRAR = """
route[INVITE] {
    CHALLENGE
    record_route();
    if (!lookup("location")) { sl_send_reply("480", "Not at home"); exit; }
    t_on_reply("OUTSIDE");
    t_relay();
}
"""
CHALLENGE = """if (!pv_proxy_authenticate("$fd", "{password}", "0")) {{ proxy_challenge("$fd", "1"); exit; }}
    consume_credentials();"""
EDGE = """
route[REGISTER] {
    add_path_received();
    $du = "sip:REGISTRAR";
    t_relay();
}
route[INVITE] {
    loose_route();  # takes the Path off; it says no all the same, as no dialog has begun
    if ($du == $null) { sl_send_reply("403", "By the path only"); exit; }
    record_route();
    t_relay();
}
"""


class Registrar(Kamailio):
    """Phones register here, with `password`, over UDP, TCP, WS and, with `secure`, TLS and WSS.

    It rings all of them that a user has, and asks callers for credentials if it `challenges`.
    """

    modules = ("nathelper", "xhttp", "websocket")
    parameters = (
        'modparam("nathelper|registrar", "received_avp", "$avp(received)")\n'
        'modparam("websocket", "keepalive_mechanism", 0)\n'
        "tcp_accept_no_cl=yes\n"
    )

    def __init__(self, directory: Path, password: str, secure: Secure | None = None, challenges: bool = False) -> None:
        before = 'if (nat_uac_test("64")) fix_nated_register();'
        challenge = CHALLENGE.format(password=password) if challenges else ""
        routes = AUTHENTICATED.format(password=password, before=before) + REGISTRAR.replace("CHALLENGE", challenge)
        super().__init__(directory, ALIASES + routes + WEBSOCKET, secure=secure)


class Edge(Kamailio):
    """Takes phones to the registrar at `registrar` (`host:port`), and has calls to them come back by its Path."""

    modules = ("path",)
    parameters = 'modparam("path", "use_received", 1)\n'

    def __init__(self, directory: Path, registrar: str) -> None:
        super().__init__(directory, NOTHING + EDGE.replace("REGISTRAR", registrar))
