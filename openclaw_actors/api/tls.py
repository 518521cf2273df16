"""TLS: the operator's certificate, or one of our own making, since a phone gives the microphone to https alone.

Run before the event loop: it reads files and asks the resolver.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import ssl
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import platformdirs
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from openclaw_actors.errors import SettingsError

_VALID = timedelta(days=397)
"""Browsers take no longer ones (CA/Browser Forum baseline requirements, section 6.3.2, until 2026)."""
_RENEW_BEFORE = timedelta(days=7)
_CLOCK_SKEW = timedelta(hours=1)
"""A phone whose clock is behind shall not find the certificate of the future."""
_FILE_NAME = "self-signed.pem"
_PROBES = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))
"""Addresses for documentation (RFC 5737, RFC 3849): nothing is sent, the kernel only picks our own address."""


def server_context(certificate: Path, key: Path | None = None) -> ssl.SSLContext:
    """A TLS 1.2 or later server context.

    Args:
        certificate: PEM, the whole chain.
        key: PEM; None when it is in the same file.

    Raises:
        SettingsError: a file can't be read, or they don't belong together.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        # A password is refused, not asked for: a host that starts by itself has nobody at the terminal.
        context.load_cert_chain(certificate, key, password=lambda: "")
    except OSError as error:
        where = f"{certificate}" if key is None else f"{certificate}, {key}"
        said = (error.strerror or str(error)) if not isinstance(error, ssl.SSLError) else (error.reason or "not PEM")
        raise SettingsError(
            "--tls", where, f"the certificate can't be used ({said}); give a PEM certificate and its key, unencrypted"
        ) from error
    return context


def self_signed(folder: Path | None = None, now: datetime | None = None) -> Path:
    """The file with our own certificate and its key; made when there is none that still fits.

    It fits when it is valid for a week more and names every address that this machine has now.

    Args:
        folder: where it is kept; None for the user's own folder.
        now: the time; None for the clock's.

    Raises:
        SettingsError: it can't be written.
    """
    folder = folder or platformdirs.user_data_path("openclaw-actors") / "tls"
    now = now or datetime.now(UTC)
    path = folder / _FILE_NAME
    names = local_names()
    if not _fits(path, names, now):
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _write(path, _make(names, now))
        except OSError as error:
            raise SettingsError(
                "--tls", "self-signed", f"{path} can't be written ({error.strerror}); use --tls CERT KEY"
            ) from error
    return path


def local_names() -> list[str]:
    """Names and addresses by which this machine is reached from itself and from its networks."""
    hostname = socket.gethostname()
    names = {"localhost": None, "127.0.0.1": None, "::1": None}
    if hostname:
        names[hostname] = None
    for family, probe in _PROBES:
        with socket.socket(family, socket.SOCK_DGRAM) as udp:
            try:
                udp.connect((probe, 9))
            except OSError:
                continue  # no network of this family
            names[udp.getsockname()[0]] = None
    try:
        found = socket.getaddrinfo(hostname, None)
    except OSError:
        found = []
    for _, _, _, _, address in found:
        names[str(address[0]).partition("%")[0]] = None
    return list(names)


def _general_names(names: Iterable[str]) -> list[x509.GeneralName]:
    general: list[x509.GeneralName] = []
    for name in names:
        try:
            general.append(x509.IPAddress(ipaddress.ip_address(name)))
        except ValueError:
            with suppress(UnicodeError):  # a host name that no browser could ask for
                general.append(x509.DNSName(name.encode("idna").decode()))
    return general


def _fits(path: Path, names: list[str], now: datetime) -> bool:
    try:
        pem = path.read_bytes()
        certificate = x509.load_pem_x509_certificate(pem)
        serialization.load_pem_private_key(pem, None)
        named = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (OSError, ValueError, TypeError, x509.ExtensionNotFound):
        return False
    in_time = certificate.not_valid_before_utc <= now and now + _RENEW_BEFORE <= certificate.not_valid_after_utc
    return in_time and set(_general_names(names)) <= set(named)


def _make(names: list[str], now: datetime) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "openclaw-actors")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(now - _CLOCK_SKEW + _VALID)
        .add_extension(x509.SubjectAlternativeName(_general_names(names)), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM) + private


def _write(path: Path, pem: bytes) -> None:
    """Replace the file in one step; mkstemp makes it 0600 from its first byte on."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(pem)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
