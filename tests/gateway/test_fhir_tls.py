"""The doors behind TLS: real certificates, real sockets; clients known by theirs, or refused."""

import asyncio
import contextlib
import os
import signal
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette

from careledger.exchange.transport import HttpTransport
from careledger.gateway.app import gateway_app
from careledger.gateway.browsers import STRICT_TRANSPORT, insist_on_tls
from careledger.ledger.errors import Unavailable
from careledger.node.config import BadConfiguration, GatewayConfig, format_toml, load_gateway
from careledger.node.doors import Tls, check_origins, peer_context, tls_of
from careledger.node.listening import serve
from tests.faults.node_process import free_port
from tests.gateway.certificates import Authority
from tests.gateway.world import World, tell


def configured(**more: Any) -> GatewayConfig:
    return GatewayConfig(
        member="riverside",
        genesis="genesis.json",
        ledger="ledger",
        node="http://127.0.0.1:1",
        vault="vault",
        transaction_key="key",
        sealing_key="key",
        organisation_key="key",
        **more,
    )


@contextlib.asynccontextmanager
async def served(app: Starlette, tls: Tls | None) -> AsyncIterator[str]:
    port, opened = free_port(), asyncio.Event()
    serving = asyncio.create_task(serve(app, "127.0.0.1", port, opened.set, tls))
    try:
        await asyncio.wait_for(opened.wait(), 10)
        yield f"https://127.0.0.1:{port}"
    finally:
        os.kill(os.getpid(), signal.SIGTERM)  # as whoever stops a gateway does
        await asyncio.wait_for(serving, 10)


def test_tls_for_clients_that_trust_us(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        ours = Authority(tmp_path, "ours")
        pair = ours.issue("riverside")
        config = configured(tls_certificate=pair.certificate.name, tls_key=pair.key.name)
        app = gateway_app(world.riverside, "https://riverside.test")
        insist_on_tls(app)
        async with served(app, tls_of(tmp_path, config)) as url:
            trusting = ssl.create_default_context(cafile=str(ours.certificate))
            async with httpx2.AsyncClient(verify=trusting) as client:
                answer = await client.get(f"{url}/fhir/metadata")
            assert answer.status_code == 200
            assert answer.headers["strict-transport-security"] == STRICT_TRANSPORT
            async with httpx2.AsyncClient() as stranger:
                with pytest.raises(httpx2.ConnectError):
                    await stranger.get(f"{url}/fhir/metadata")
            with pytest.raises(httpx2.HTTPError):
                async with httpx2.AsyncClient() as plain:
                    await plain.get(f"{url.replace('https', 'http')}/fhir/metadata")

    tell(tmp_path, story)


def test_with_client_authorities_every_client_shows_a_certificate(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        ours, theirs = Authority(tmp_path, "ours"), Authority(tmp_path, "theirs")
        pair, partner, stranger = ours.issue("riverside"), theirs.issue("partner"), ours.issue("x")
        config = configured(
            tls_certificate=pair.certificate.name,
            tls_key=pair.key.name,
            client_authorities=theirs.certificate.name,
        )
        app = gateway_app(world.riverside, "https://riverside.test")
        async with served(app, tls_of(tmp_path, config)) as url:
            for shown, is_let_in in ((partner, True), (stranger, False), (None, False)):
                caller = configured(
                    peer_authorities=ours.certificate.name,
                    tls_certificate=None if shown is None else shown.certificate.name,
                    tls_key=None if shown is None else shown.key.name,
                )
                tls = tls_of(tmp_path, caller)
                transport = HttpTransport(context=peer_context(tmp_path, caller, tls))
                with pytest.raises(Unavailable) as refused:
                    await transport(f"{url}/mailbox", b"not sealed")
                await transport.close()
                assert ("answered 400" in str(refused.value)) == is_let_in, refused.value

    tell(tmp_path, story)


def test_what_does_not_load_is_said_at_the_start(tmp_path: Path) -> None:
    pair = Authority(tmp_path, "ours").issue("riverside")
    other = Authority(tmp_path, "other").issue("lakeview")
    (tmp_path / "text.pem").write_text("no certificate")
    names = {"tls_certificate": pair.certificate.name, "tls_key": pair.key.name}
    assert tls_of(tmp_path, configured()) is None
    wrong: tuple[tuple[dict[str, str], str], ...] = (
        ({"tls_certificate": pair.certificate.name}, "go together"),
        ({"tls_key": pair.key.name}, "go together"),
        ({"client_authorities": "other.pem"}, "needs tls_certificate"),
        (names | {"tls_key": other.key.name}, "tls_certificate and tls_key: .*mismatch"),
        (names | {"tls_certificate": "absent.pem"}, "No such file .*absent.pem"),
        (names | {"tls_certificate": "text.pem"}, "does not load"),
        (names | {"client_authorities": "text.pem"}, "client_authorities: .*text.pem"),
    )
    for keys, reason in wrong:
        with pytest.raises(BadConfiguration, match=reason):
            tls_of(tmp_path, configured(**keys))
    with pytest.raises(BadConfiguration, match="peer_authorities"):
        peer_context(tmp_path, configured(peer_authorities="text.pem"), None)
    for origin in ("https://app.example/", "app.example", "https://*.example", ""):
        with pytest.raises(BadConfiguration, match="is no origin"):
            check_origins((origin,))


def test_what_is_configured_is_written_and_read(tmp_path: Path) -> None:
    config = configured(tls_certificate="a.pem", tls_key="a.key", cors_origins=("https://a.test",))
    (tmp_path / "gateway.toml").write_text(format_toml(config))
    assert load_gateway(tmp_path) == config
    (tmp_path / "gateway.toml").write_text(format_toml(configured()))
    assert load_gateway(tmp_path) == configured()
