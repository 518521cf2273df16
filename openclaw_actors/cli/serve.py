"""``openclaw-actors serve``: run the host."""

from __future__ import annotations

import asyncio
import gc
import ssl
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from openclaw_actors.cli.config import ConfigOption, settings_from
from openclaw_actors.cli.faults import settings_faults
from openclaw_actors.errors import SettingsError

if TYPE_CHECKING:
    from openclaw_actors.cluster.report import Report
    from openclaw_actors.settings.sections import Settings

_SELF_SIGNED = "self-signed"


def serve(
    key: Annotated[Path | None, typer.Argument(metavar="[KEY]", help="The key that belongs to --tls CERT.")] = None,
    config: ConfigOption = None,
    host: Annotated[str | None, typer.Option(help="The address to listen on (server.host).")] = None,
    port: Annotated[int | None, typer.Option(help="The port to listen on; 0: a free one (server.port).")] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Hosts on this machine, each a process (cluster.workers); needs the extra cluster."),
    ] = None,
    tls: Annotated[
        str | None,
        typer.Option(
            metavar="CERT KEY|self-signed",
            help="Serve https. A phone's browser gives the microphone to https pages only; "
            "self-signed makes a certificate (the browser warns once).",
        ),
    ] = None,
) -> None:
    """Run the host until SIGTERM (drains; a second one hangs up) or SIGINT (hangs up)."""
    flags = {"server.host": host, "server.port": port, "cluster.workers": workers}
    with settings_faults():
        settings, _ = settings_from(config, {name: value for name, value in flags.items() if value is not None})
        context = _tls_context(tls, key)
        if settings.cluster.wanted:
            raise typer.Exit(_serve_cluster(settings, context))
        # Only now: importing the media libraries takes a second, and a wrong setting should be told at once.
        gc.disable()  # until the host stands: what is imported stays, and looking through it is a tenth of a start
        from openclaw_actors.host import Host, serve  # noqa: PLC0415 - see above

        showing: list[asyncio.Task[None]] = []  # the loop itself keeps no hold of it; it ends with the loop

        def announce(running: Host) -> None:
            typer.echo(f"Console: {running.url}")
            for line in engine_lines(running.catalogue.describe()):
                typer.echo(line)
            if sys.stderr.isatty():
                from rich.console import Console  # noqa: PLC0415 - for a terminal alone

                from openclaw_actors.cli.downloads import show_downloads  # noqa: PLC0415 - likewise

                showing.append(asyncio.ensure_future(show_downloads(running.catalogue, Console(stderr=True))))

        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            status = runner.run(serve(settings, ssl_context=context, on_ready=announce))
    raise typer.Exit(status)


def _serve_cluster(settings: Settings, context: ssl.SSLContext | None) -> int:
    from openclaw_actors.cluster.ray_runtime import begin  # noqa: PLC0415 - only a cluster needs Ray

    runtime = begin(settings.cluster)
    try:
        from openclaw_actors.cluster.serve import serve as serve_cluster  # noqa: PLC0415 - see above

        def announce(url: str, hosts: Sequence[Report]) -> None:
            typer.echo(f"Console: {url}")
            for host in hosts:
                typer.echo(f"  host {host.name}: {host.url}")
            for line in engine_lines(hosts[0].shown["engines"]):
                typer.echo(line)

        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            return runner.run(serve_cluster(settings, runtime, ssl_context=context, on_ready=announce))
    finally:
        runtime.end()


def _tls_context(tls: str | None, key: Path | None) -> ssl.SSLContext | None:
    if tls is None:
        if key is not None:
            raise SettingsError("serve", str(key), "there is no such argument; a key comes after --tls CERT")
        return None
    from openclaw_actors.api.tls import self_signed, server_context  # noqa: PLC0415 - cryptography, only for TLS

    if tls == _SELF_SIGNED:
        if key is not None:
            raise SettingsError("--tls", str(key), "self-signed takes no key; leave it out")
        return server_context(self_signed())
    return server_context(Path(tls), key)


def loop_factory() -> Any:
    """The loop of uvloop where it can be had; None is asyncio's own.

    asyncio's own takes one datagram of a socket in each of its turns. Where a turn takes 20 ms, on a busy machine,
    calls fall behind for good, and after six consent checks (30 s) they are over: 12 of 20, measured at a load of 5.
    """
    try:
        import uvloop  # noqa: PLC0415 - not on every platform
    except ImportError:
        return None
    return uvloop.new_event_loop


def engine_lines(engines: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Which engine serves each stage, and why better ones don't: one line a stage.

    Args:
        engines: as ``Catalogue.describe`` of engines/catalogue.py puts it.
    """
    verbs = {"stt": "hears", "agent": "thinks", "tts": "speaks"}
    lines = []
    for stage, description in engines.items():
        serving = description["serving"]
        why = []
        for engine in description["engines"]:
            if engine["engine"] == serving:
                break
            why.append(f"{engine['engine']}: {engine['reason'] or engine['state']}")
        lines.append(f"  {serving or 'nobody yet'} {verbs.get(stage, stage)}" + (f" ({'; '.join(why)})" if why else ""))
    return lines
