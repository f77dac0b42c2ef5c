"""What several commands take, checked: exit code 2 and one line when it cannot be meant."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter

from c2c_b2bua.commands.terminal import fail
from c2c_b2bua.config import HOST_PORT, Config, Listen, Tls
from c2c_b2bua.config_file import ConfigError
from c2c_b2bua.service.settings import load
from c2c_b2bua.sip.errors import SipError
from c2c_b2bua.sip.uri import Uri

ConfigFile = Annotated[Path, Parameter(help="The TOML file; config.example.toml shows all there is to set.")]
Switch = Parameter(negative="")
"""A flag that has no opposite."""


def read_config(path: Path) -> Config:
    """The settings in a file."""
    try:
        return load(path)
    except ConfigError as error:
        fail(2, str(error))


def sip_uri(text: str) -> str:
    """A SIP URI as it was given."""
    try:
        uri = Uri.parse(text)
    except SipError as error:
        fail(2, f"{text}: {error.reason}; expected sip:user@host[:port]")
    if not uri.is_sip:
        fail(2, f"{text}: expected sip:user@host[:port]")
    return text


def bare(text: str) -> str:
    """A SIP URI without parameters, fit for From."""
    return str(msgspec.structs.replace(Uri.parse(text), parameters={}, headers=""))


def listen_address(text: str) -> str:
    """`udp:127.0.0.1:5070`."""
    try:
        return str(Listen.parse(text))
    except ValueError as error:
        fail(2, f"--listen {text}: {error}")


def advertised(text: str) -> str:
    """host[:port], or nothing."""
    if text and not HOST_PORT.fullmatch(text):
        fail(2, f"--advertise {text}: expected host or host:port")
    return text


def tls_files(certificate: str, key: str, ca: str) -> Tls:
    """Who we are and whom we believe over TLS; the files have to be there."""
    if key and not certificate:
        fail(2, f"--key {key}: whose? expected --certificate beside it")
    for option, path in (("--certificate", certificate), ("--key", key), ("--ca", ca)):
        try:
            if path:
                Path(path).open("rb").close()
        except OSError as error:
            fail(2, f"{option} {path}: {error.strerror}")
    return Tls(certificate=certificate, key=key, ca=ca)


def secret(text: str, option: str = "--password") -> str:
    """What nobody else shall see; `env:NAME` is taken from the environment."""
    if not text.startswith("env:"):
        return text
    if text[4:] not in os.environ:
        fail(2, f"{option} {text}: the environment variable {text[4:]} is not set")
    return os.environ[text[4:]]


def seconds(option: str, value: float) -> float:
    """A time above zero."""
    if not 0 < value < 1e9:
        fail(2, f"{option} {value}: expected seconds, more than 0")
    return value
