"""What gateway.toml may say of the organisation's own FHIR server."""

from pathlib import Path
from typing import Any

import pytest

from careledger.node.config import BadConfiguration, GatewayConfig
from careledger.node.upstream import upstream_of

URL = "https://fhir.riverside.test/r4/"


def config(**said: Any) -> GatewayConfig:
    names = ("genesis", "ledger", "node", "vault", "transaction_key", "sealing_key")
    fields: dict[str, Any] = {name: name for name in (*names, "organisation_key")}
    return GatewayConfig(member="riverside", **(fields | said))


def secret(folder: Path, text: str, mode: int = 0o600) -> str:
    file = folder / "secret"
    file.write_text(text)
    file.chmod(mode)
    return file.name


def test_without_one_there_is_none(tmp_path: Path) -> None:
    assert upstream_of(tmp_path, config()) is None


def test_its_address_headers_and_limits(tmp_path: Path) -> None:
    file = secret(tmp_path, "X-Api-Key: 4711\n")
    found = upstream_of(tmp_path, config(upstream=URL, upstream_headers=file, upstream_poll_s=9))
    assert found is not None
    assert (found.base, found.poll_s) == (URL.rstrip("/"), 9)
    assert found.headers == (("X-Api-Key", "4711"),)
    assert "4711" not in repr(found)


def test_its_client_credentials(tmp_path: Path) -> None:
    said = {
        "upstream_token_url": "https://id.riverside.test/token",
        "upstream_client": "careledger",
        "upstream_secret": secret(tmp_path, "s3cret\n"),
    }
    found = upstream_of(tmp_path, config(upstream=URL, **said))
    assert found is not None
    assert found.credentials is not None
    assert found.credentials.secret == "s3cret"
    for missing in said:
        with pytest.raises(BadConfiguration):
            upstream_of(tmp_path, config(upstream=URL, **(said | {missing: None})))


@pytest.mark.parametrize(
    "said",
    [
        {"shadow": True},
        {"upstream_headers": "secret"},
        {"upstream": "ftp://fhir.riverside.test"},
        {"upstream": "fhir.riverside.test"},
        {"upstream": "https://careledger:s3cret@fhir.riverside.test"},
        {"upstream": URL + "?key=1"},
        {"upstream": URL, "upstream_headers": "missing"},
    ],
)
def test_what_is_wrong_is_said_and_no_secret_with_it(tmp_path: Path, said: dict[str, Any]) -> None:
    secret(tmp_path, "X: y")
    with pytest.raises(BadConfiguration) as error:
        upstream_of(tmp_path, config(**said))
    assert "s3cret" not in str(error.value)


def test_files_that_others_may_read_are_refused(tmp_path: Path) -> None:
    file = secret(tmp_path, "X-Api-Key: 4711", 0o644)
    with pytest.raises(BadConfiguration, match="open to others"):
        upstream_of(tmp_path, config(upstream=URL, upstream_headers=file))
