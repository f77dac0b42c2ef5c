"""Certificates for a test, made by openssl: an authority, and what it signs."""

from __future__ import annotations

import subprocess
from pathlib import Path


class Authority:
    """Signs certificates in `directory`; `ca` is its own, as a file."""

    def __init__(self, directory: Path, name: str = "ca") -> None:
        self.directory = directory
        self.ca = directory / f"{name}.pem"
        self.key = directory / f"{name}.key"
        openssl(f"-out {self.ca} -keyout {self.key} -subj /CN={name} -addext basicConstraints=critical,CA:TRUE")

    def certificate(self, *names: str, file: str = "") -> tuple[Path, Path]:
        """Certificate and key for these DNS names, IP addresses and SIP URIs."""
        path = self.directory / f"{file or names[0]}.pem"
        key = path.with_suffix(".key")
        openssl(
            f"-out {path} -keyout {key} -subj /CN=nobody -addext subjectAltName={','.join(map(kind, names))} "
            f"-CA {self.ca} -CAkey {self.key}"
        )
        return path, key


def kind(name: str) -> str:
    """A name as openssl wants it."""
    if name.startswith("sip"):
        return f"URI:{name}"
    return f"{'IP' if name.replace('.', '').isdigit() or ':' in name else 'DNS'}:{name}"


def openssl(options: str) -> None:
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 "
    subprocess.run((command + options).split(), check=True, capture_output=True)
