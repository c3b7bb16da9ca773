"""What `gateway.toml` says of the organisation's own FHIR server."""

from pathlib import Path
from urllib.parse import urlsplit

from careledger.exchange.upstream.settings import (
    BadCredentials,
    ClientCredentials,
    Upstream,
    load_headers,
    load_secret,
)
from careledger.node.config import BadConfiguration, GatewayConfig


def upstream_of(home: Path, config: GatewayConfig) -> Upstream | None:
    """The server that the gateway in `home` stands in front of; None if there is none.

    Raises:
        BadConfiguration: keys that do not go together, or a file that is missing or open to others.
    """
    if config.upstream is None:
        if config.shadow or config.upstream_headers or config.upstream_token_url:
            raise BadConfiguration("shadow, upstream_headers and upstream_token_url need upstream")
        return None
    _check_url("upstream", config.upstream)
    try:
        headers = (
            () if not config.upstream_headers else load_headers(home / config.upstream_headers)
        )
        return Upstream(
            base=config.upstream.rstrip("/"),
            headers=headers,
            credentials=_credentials(home, config),
            timeout_s=config.upstream_timeout_s,
            poll_s=config.upstream_poll_s,
        )
    except BadCredentials as error:
        raise BadConfiguration(str(error)) from error


def _credentials(home: Path, config: GatewayConfig) -> ClientCredentials | None:
    said = config.upstream_token_url, config.upstream_client, config.upstream_secret
    if not any(said):
        return None
    token_url, client_id, secret = said
    if token_url is None or client_id is None or secret is None:
        raise BadConfiguration("upstream_token_url, upstream_client, upstream_secret: all or none")
    _check_url("upstream_token_url", token_url)
    return ClientCredentials(token_url, client_id, load_secret(home / secret))


def _check_url(key: str, url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.query or parts.fragment:
        raise BadConfiguration(f"{key}: an http or https URL without a query")
    if "@" in parts.netloc:
        raise BadConfiguration(f"{key}: no password in a URL; see upstream_headers")
