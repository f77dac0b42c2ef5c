"""Certificates: ours, and whom we believe (RFC 3261 §26.3, RFC 5922); every error names the setting and the file."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from c2c_b2bua.config import Tls


def server_context(tls: Tls) -> ssl.SSLContext | None:
    """For those who connect to us; None without a certificate of ours. OSError when a file cannot be used."""
    if not tls.certificate:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    load_certificate(context, "certificate", tls.certificate, "key", tls.key)
    if tls.require_client_certificate:
        load_authorities(context, tls.ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def client_context(tls: Tls) -> ssl.SSLContext:
    """For those we connect to; whom their certificate names, `check_name` looks at once it is proved."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # OpenSSL's own check takes wildcards, and knows nothing of SIP URIs.
    context.check_hostname = False
    if tls.client_certificate:
        load_certificate(context, "client_certificate", tls.client_certificate, "client_key", tls.client_key)
    elif tls.certificate:
        load_certificate(context, "certificate", tls.certificate, "key", tls.key)
    if not tls.verify:
        context.verify_mode = ssl.CERT_NONE
    elif tls.ca:
        load_authorities(context, tls.ca)
    else:
        context.load_default_certs()
    return context


def check_name(certificate: Mapping[str, Any], name: str) -> None:
    """SSLCertVerificationError unless a proved certificate is that of the domain or address that we want (RFC 5922 §7)."""
    named = names_of(certificate)
    if plain(name) not in named:
        whose = ", ".join(sorted(named)) or "nobody"
        raise ssl.SSLCertVerificationError(1, f"certificate is not valid for {name!r}, but for {whose}")


def names_of(certificate: Mapping[str, Any]) -> set[str]:
    """Whom a certificate names: SIP URIs without a user, DNS names, addresses; a common name where it has none of any kind.

    A wildcard is a name like any other, that nobody has: it says too little of whom a call is given to (§7.2).
    """
    named = set()
    alternatives = certificate.get("subjectAltName", ())
    for kind, value in alternatives:
        if kind == "URI":
            scheme, _, host = value.partition(":")
            if scheme.lower() == "sip" and "@" not in host and ";" not in host:
                named.add(plain(host))
        elif kind in ("DNS", "IP Address"):
            named.add(plain(value))
    if not alternatives:
        named |= {plain(value) for part in certificate.get("subject", ()) for key, value in part if key == "commonName"}
    return named


def plain(name: str) -> str:
    """A name or address as it is compared: in lower case, addresses in their shortest form."""
    name = name.strip("[]")
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        return name.rstrip(".").lower()


def load_certificate(context: ssl.SSLContext, name: str, certificate: str, key_name: str, key: str) -> None:
    """Our certificate and its key; the same again replaces them for connections to come."""

    def ask() -> str:
        raise ValueError(f"sip.tls.{key_name if key else name}: a key with a passphrase cannot be used")

    try:
        if key:
            readable(key_name, key)
        readable(name, certificate)
        context.load_cert_chain(certificate, key or None, ask)
    except ssl.SSLError as error:
        what = "key of another certificate" if "MISMATCH" in str(error.reason) else "no PEM certificate and key"
        raise OSError(
            error.errno, f"sip.tls.{name} {certificate}, sip.tls.{key_name} {key or certificate}: {what}"
        ) from error
    except ValueError as error:
        raise OSError(None, str(error)) from error


def load_authorities(context: ssl.SSLContext, ca: str) -> None:
    readable("ca", ca)
    try:
        context.load_verify_locations(ca)
    except ssl.SSLError as error:
        raise OSError(error.errno, f"sip.tls.ca {ca}: no PEM certificates") from error


def readable(name: str, path: str) -> None:
    """OSError that names the setting."""
    try:
        Path(path).open("rb").close()
    except OSError as error:
        raise OSError(error.errno, f"sip.tls.{name} {path}: {error.strerror}") from error


def renew(tls: Tls, server: ssl.SSLContext | None, client: ssl.SSLContext) -> None:
    """Read our certificates again, for connections to come. OSError when a file cannot be used; the old ones stay."""
    server_context(tls)
    client_context(tls)
    if server is not None:
        load_certificate(server, "certificate", tls.certificate, "key", tls.key)
    if tls.client_certificate:
        load_certificate(client, "client_certificate", tls.client_certificate, "client_key", tls.client_key)
    elif tls.certificate:
        load_certificate(client, "certificate", tls.certificate, "key", tls.key)
