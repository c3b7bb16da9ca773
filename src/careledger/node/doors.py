"""How a gateway's doors are opened: TLS, client certificates, and who may call from a browser."""

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from re import compile as regex
from typing import Final

from careledger.node.config import BadConfiguration, GatewayConfig

ANY_ORIGIN: Final = "*"

_ORIGIN: Final = regex(r"https?://(?:[A-Za-z0-9.\-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")


@dataclass(frozen=True, slots=True)
class Tls:
    """Files in PEM; TLS 1.2 or newer."""

    certificate: Path
    """The certificate, and the chain up to the authority that clients know."""
    key: Path
    client_authorities: Path | None = None
    """Who signs clients' certificates; with it, a client without one is turned away."""


def tls_of(home: Path, config: GatewayConfig) -> Tls | None:
    """What `config` says of TLS, tried out; None if the doors speak plain HTTP.

    Raises:
        BadConfiguration: half of it, or files that do not load.
    """
    if config.tls_certificate is None and config.tls_key is None:
        if config.client_authorities is not None:
            raise BadConfiguration("client_authorities needs tls_certificate and tls_key")
        return None
    if config.tls_certificate is None or config.tls_key is None:
        raise BadConfiguration("tls_certificate and tls_key go together")
    authorities = config.client_authorities
    tls = Tls(
        home / config.tls_certificate,
        home / config.tls_key,
        None if authorities is None else home / authorities,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _load_pair(context, tls)
    if tls.client_authorities is not None:
        _load_authorities(context, tls.client_authorities, "client_authorities")
    return tls


def peer_context(home: Path, config: GatewayConfig, tls: Tls | None) -> ssl.SSLContext:
    """How this gateway calls others: whom it trusts, and its own certificate if it has one.

    Raises:
        BadConfiguration: a file that does not load.
    """
    context = ssl.create_default_context()
    if config.peer_authorities is not None:
        _load_authorities(context, home / config.peer_authorities, "peer_authorities")
    if tls is not None:
        _load_pair(context, tls)
    return context


def check_origins(origins: Sequence[str]) -> None:
    """Refuse what browsers would never send as an origin (RFC 6454 6.2).

    Raises:
        BadConfiguration: it names the first that is none.
    """
    for origin in origins:
        if origin != ANY_ORIGIN and not _ORIGIN.fullmatch(origin):
            raise BadConfiguration(f"cors_origins: {origin!r} is no origin; https://app.example is")


def _load_pair(context: ssl.SSLContext, tls: Tls) -> None:
    try:
        context.load_cert_chain(tls.certificate, tls.key, password=_no_password)
    except (OSError, ssl.SSLError, ValueError) as error:
        raise BadConfiguration(
            f"tls_certificate and tls_key: {_reason(error)} ({tls.certificate}, {tls.key})"
        ) from error


def _load_authorities(context: ssl.SSLContext, path: Path, name: str) -> None:
    try:
        context.load_verify_locations(path)
    except (OSError, ssl.SSLError) as error:
        raise BadConfiguration(f"{name}: {_reason(error)} ({path})") from error


def _no_password() -> str:
    raise ValueError("the key is under a password")


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        reason = (error.reason or "not in PEM").replace("_", " ").lower()
        return f"does not load: {reason}"
    return getattr(error, "strerror", None) or str(error)
