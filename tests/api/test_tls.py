"""https with a certificate of our own making, or the operator's."""

from __future__ import annotations

import ipaddress
import ssl
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from openclaw_actors.api.tls import local_names, self_signed, server_context
from openclaw_actors.errors import SettingsError

NOW = datetime.now(UTC)


def certificate_in(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


async def test_a_client_that_trusts_the_certificate_talks_https_to_every_name(serve, tmp_path):
    path = self_signed(tmp_path)
    async with serve(ssl_context=server_context(path)) as api:
        assert api.listener.url == f"https://127.0.0.1:{api.port}"
        trusting = ssl.create_default_context(cafile=path)
        for name in ("127.0.0.1", "localhost"):
            async with api.client.get(f"https://{name}:{api.port}/v1/node", ssl=trusting) as response:
                assert response.status == 200


async def test_a_client_that_does_not_trust_it_is_not_deceived(serve, tmp_path):
    async with serve(ssl_context=server_context(self_signed(tmp_path))) as api:
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await api.client.get(f"https://127.0.0.1:{api.port}/livez", ssl=ssl.create_default_context())


async def test_old_tls_is_refused(serve, tmp_path):
    path = self_signed(tmp_path)
    context = server_context(path)
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2


async def test_our_own_page_over_https_is_anonymous(serve, tmp_path):
    async with serve(ssl_context=server_context(self_signed(tmp_path))) as api:
        async with api.request("GET", "/v1/node", headers={"Origin": f"https://{api.host}"}) as response:
            assert response.status == 200
        async with api.request("GET", "/v1/node", headers={"Origin": f"http://{api.host}"}) as response:
            assert response.status == 401


def test_the_certificate_names_this_machine_for_397_days(tmp_path):
    certificate = certificate_in(self_signed(tmp_path, NOW))
    named = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    addresses = {str(each) for each in named.get_values_for_type(x509.IPAddress)}
    names = set(named.get_values_for_type(x509.DNSName))
    assert {"127.0.0.1", "::1"} <= addresses
    assert "localhost" in names
    assert addresses | names == {str(_address(each)) for each in local_names()}
    assert certificate.not_valid_after_utc - certificate.not_valid_before_utc == timedelta(days=397)
    assert certificate.not_valid_before_utc <= NOW


def _address(name: str) -> object:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return name


def test_nobody_else_can_read_the_key(tmp_path):
    path = self_signed(tmp_path / "new")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert serialization.load_pem_private_key(path.read_bytes(), None)
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_the_certificate_is_kept_while_it_fits(tmp_path):
    first = self_signed(tmp_path, NOW).read_bytes()
    assert self_signed(tmp_path, NOW + timedelta(days=380)).read_bytes() == first


@pytest.mark.parametrize("days", [390, 400, 4000, -10])
def test_the_certificate_is_renewed_before_it_runs_out(tmp_path, days):
    first = self_signed(tmp_path, NOW).read_bytes()
    later = NOW + timedelta(days=days)
    renewed = self_signed(tmp_path, later)
    assert renewed.read_bytes() != first
    assert certificate_in(renewed).not_valid_after_utc > later + timedelta(days=30)


def test_a_new_address_of_the_machine_brings_a_new_certificate(tmp_path, monkeypatch):
    first = self_signed(tmp_path).read_bytes()
    names = [*local_names(), "192.168.77.7"]
    monkeypatch.setattr("openclaw_actors.api.tls.local_names", lambda: names)
    named = certificate_in(self_signed(tmp_path)).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert self_signed(tmp_path).read_bytes() != first
    assert ipaddress.ip_address("192.168.77.7") in named.get_values_for_type(x509.IPAddress)


@pytest.mark.parametrize("content", [b"", b"junk", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_a_broken_file_is_replaced(tmp_path, content):
    (tmp_path / "self-signed.pem").write_bytes(content)
    assert server_context(self_signed(tmp_path))


def test_a_folder_that_can_not_be_written_is_a_fault_in_words(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(SettingsError) as caught:
        self_signed(tmp_path / "file" / "tls")
    assert "--tls CERT KEY" in caught.value.remedy


def test_the_operators_certificate_and_key_are_taken_from_two_files(tmp_path):
    pem = self_signed(tmp_path).read_text()
    cut = pem.index("-----BEGIN PRIVATE KEY-----")
    (tmp_path / "cert.pem").write_text(pem[:cut])
    (tmp_path / "key.pem").write_text(pem[cut:])
    assert server_context(tmp_path / "cert.pem", tmp_path / "key.pem")


def encrypted(pem: bytes) -> bytes:
    key = serialization.load_pem_private_key(pem, None)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"pass")
    )


@pytest.mark.parametrize("fault", ["missing", "junk", "other key", "encrypted key"])
def test_a_certificate_that_can_not_be_used_is_a_fault_that_names_the_files(tmp_path, fault):
    certificate, key = self_signed(tmp_path / "a"), tmp_path / "key.pem"
    if fault == "junk":
        key.write_text("junk")
    elif fault == "other key":
        key.write_bytes(self_signed(tmp_path / "b").read_bytes().partition(b"-----BEGIN PRIVATE")[2])
        key.write_bytes(b"-----BEGIN PRIVATE" + key.read_bytes())
    elif fault == "encrypted key":
        key.write_bytes(encrypted(certificate.read_bytes()))
    with pytest.raises(SettingsError) as caught:
        server_context(certificate, key)
    assert (caught.value.source, str(key) in caught.value.key) == ("--tls", True)
