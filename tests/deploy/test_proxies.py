"""The proxies of the docs, in real nginx and Caddy: a call by phone, the console, offers and events pass them."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from aiohttp.abc import AbstractResolver

from openclaw_actors.settings.sections import Server
from openclaw_actors.testkit.providers.twilio.account import FakeTwilio
from openclaw_actors.testkit.waiting import CallEndedError
from tests.conftest import needs_program
from tests.docs.examples import DOCS, of_page
from tests.phone.conftest import API_TOKEN, PhoneHost, fresh, phone_host

pytestmark = pytest.mark.asyncio(loop_scope="module")

NAME = "voice.example.org"
OFFER = (Path(__file__).parents[1] / "transports" / "sdp" / "chromium.sdp").read_bytes().decode()


class Here(AbstractResolver):
    """Every name is this machine."""

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> list:
        return [{"hostname": host, "host": "127.0.0.1", "port": port, "family": family, "proto": 0, "flags": 0}]

    async def close(self) -> None:
        """Nothing is open."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def snippet(page: str, language: str) -> str:
    (found,) = [each.text for each in of_page(DOCS / page) if each.language == language]
    return found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def one_host():
    server = Server(port=0, public_url=f"https://{NAME}", trusted_proxies=("127.0.0.1",))
    async with phone_host(FakeTwilio(f"https://{NAME}"), server=server) as host:
        yield host


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificate")
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "2",
    ]
    command += ["-keyout", folder / "privkey.pem", "-out", folder / "fullchain.pem", "-subj", f"/CN={NAME}"]
    subprocess.run(command, check=True, capture_output=True)
    return folder


def nginx(text: str, upstream: str, port: int, certificate: Path, folder: Path) -> list[str]:
    """The page's file within the least that nginx wants around it."""
    text = text.replace("127.0.0.1:8080", upstream).replace("listen 443 ssl", f"listen 127.0.0.1:{port} ssl")
    text = text.replace(f"/etc/letsencrypt/live/{NAME}", str(certificate))
    paths = "".join(
        f"{kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    around = f"events {{}}\nhttp {{\naccess_log off;\n{paths}{text}\n}}\n"
    (folder / "nginx.conf").write_text(f"daemon off;\npid {folder}/pid;\nerror_log stderr;\n{around}")
    program = needs_program("nginx", "apt install nginx-light")
    return [program, "-p", str(folder), "-c", "nginx.conf"]


def caddy(text: str, upstream: str, port: int, certificate: Path, folder: Path) -> list[str]:
    """The page's file on another port, with a certificate of ours: getting one needs the internet."""
    text = text.replace("127.0.0.1:8080", upstream)
    text = text.replace(f"{NAME} {{", f"{NAME}:{port} {{\n tls {certificate}/fullchain.pem {certificate}/privkey.pem")
    (folder / "Caddyfile").write_text(f"{{\nadmin off\nauto_https disable_redirects\n}}\n{text}")
    program = needs_program("caddy", "apt install caddy")
    return [program, "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]


PROXIES = {"nginx": nginx, "caddy": caddy}


@asynccontextmanager
async def behind(
    host: PhoneHost, page: str, kind: str, certificate: Path, folder: Path
) -> AsyncIterator[aiohttp.ClientSession]:
    """A client of the proxy of that page, which leads to the host."""
    port = free_port()
    upstream = host.running.url.removeprefix("http://")
    command = PROXIES[kind](snippet(page, kind), upstream, port, certificate, folder)
    proxy = await asyncio.create_subprocess_exec(
        *command, stderr=asyncio.subprocess.PIPE, env={"HOME": str(folder), "PATH": "/usr/bin"}
    )
    reading = asyncio.create_task(proxy.stderr.read())
    connector = aiohttp.TCPConnector(resolver=Here(), ssl=False)
    anybodys = ssl.create_default_context()
    anybodys.check_hostname, anybodys.verify_mode = False, ssl.CERT_NONE

    def here(_: object) -> socket.socket:
        return socket.create_connection(("127.0.0.1", port))

    twilios, host.twilio.exchange._client = host.twilio.exchange._client, None
    try:
        async with aiohttp.ClientSession(f"https://{NAME}:{port}", connector=connector) as client:
            host.twilio.exchange.reach, host.twilio.exchange._client = f"https://{NAME}:{port}", client
            host.twilio.exchange.connecting = {"ssl_context": anybodys, "socket_factory": here}
            async with asyncio.timeout(15):
                while True:
                    try:
                        (await client.get("/livez")).release()
                        break
                    except aiohttp.ClientConnectionError:
                        assert proxy.returncode is None, (await reading).decode()
                        await asyncio.sleep(0.05)
            yield client
    finally:
        host.twilio.exchange._client, host.twilio.exchange.connecting = twilios, {}
        proxy.terminate()
        await proxy.wait()
        reading.cancel()


@pytest_asyncio.fixture(loop_scope="module")
async def phone(one_host):
    async with fresh(one_host) as host:
        yield host


async def a_call_by_phone(phone: PhoneHost) -> None:
    """A webhook and a stream, both signed for the public address; sound both ways."""
    async with phone.calls_in() as line:
        await line.wait_voice()
        await line.wait_silence(quiet_s=0.4)
    call_id = phone.events[0].call_id
    assert await phone.outcome(call_id) == ("completed", "caller_hangup")
    assert line.stream.error == 0


@pytest.mark.parametrize("kind", PROXIES)
async def test_a_call_by_phone_passes_the_proxy_of_the_phone_page_and_nothing_else_does(
    phone, kind, certificate, tmp_path
):
    async with behind(phone, "phone.md", kind, certificate, tmp_path) as client:
        await a_call_by_phone(phone)
        headers = {"Authorization": f"Bearer {API_TOKEN}"}
        for path in ("/v1/calls", "/metrics", "/"):
            async with client.get(path, headers=headers) as answer:
                assert "openclaw" not in await answer.text(), path


@pytest.mark.parametrize("kind", PROXIES)
async def test_everything_passes_the_proxy_of_the_deployment_page(phone, kind, certificate, tmp_path):
    headers = {"Authorization": f"Bearer {API_TOKEN}"}
    async with behind(phone, "deployment.md", kind, certificate, tmp_path) as client:
        await a_call_by_phone(phone)
        async with client.get("/") as page:
            text = await page.text()
            assert (page.status, "Content-Security-Policy" in page.headers) == (200, True)
        for asset in re.findall(r'(?:src|href)="(?!https?:|#)([^"#]+)', text):
            async with client.get(asset) as answer:
                assert answer.status == 200, asset
        async with client.get("/v1/calls") as answer:
            assert answer.status == 401, "through a proxy nobody is this machine's own"
        async with client.post("/webrtc/offer", json={"sdp": OFFER, "type": "offer"}, headers=headers) as answer:
            assert (answer.status, (await answer.json())["type"]) == (200, "answer")
            session = answer.headers["Location"]
        async with client.delete(session, headers=headers) as answer:
            assert answer.status in {200, 204}
        await events_come_at_once(client, headers)


async def events_come_at_once(client: aiohttp.ClientSession, headers: dict[str, str]) -> None:
    """Each before what causes the next: one that the proxy kept back would never come."""
    async with client.post("/v1/calls", json={"to": "test"}, headers=headers) as answer:
        path = f"/v1/calls/{(await answer.json())['id']}"
    async with asyncio.timeout(20), client.get(f"{path}/events", headers=headers) as stream:

        async def told(text: str) -> None:
            while text not in (line := (await stream.content.readline()).decode()):
                assert line, f"the stream ended before {text}"

        await told("call.answered")
        for words in ("The first line.", "The second one."):
            await client.post(f"{path}/actions/say", json={"text": words}, headers=headers)
            await told(words)
        await client.post(f"{path}/actions/hangup", headers=headers)
        await told("call.ended")


async def test_who_the_proxy_names_is_who_is_counted_and_a_stranger_s_call_is_not_taken(phone, certificate, tmp_path):
    """A caller that nobody expects is refused behind the proxy as without it."""
    async with behind(phone, "deployment.md", "nginx", certificate, tmp_path):
        with pytest.raises(CallEndedError):
            async with phone.calls_in("+15550109999"):
                pass
