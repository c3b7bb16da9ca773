"""What is done to a gateway's vault while the gateway is stopped: back up, restore, index anew."""

from collections.abc import Generator
from pathlib import Path

from careledger.exchange.erasing import recorded_shreds
from careledger.fhir.index import Facts, extract
from careledger.fhir.resource import parse_resource
from careledger.fhir.search.table import IndexSet
from careledger.ledger.record import MemberId
from careledger.node.config import BadConfiguration, GatewayConfig, load_gateway
from careledger.store.reader import StoreReader
from careledger.vault.files import VaultFiles, VaultPlaces, open_vault, restore
from careledger.vault.keystore import FileKeyStore, is_open_to_others
from careledger.vault.vault import Vault


def places_of(home: Path, config: GatewayConfig) -> VaultPlaces:
    """Where the vault of the gateway in `home` is.

    Raises:
        BadConfiguration: a connection string that is not there, is none, or that others may read.
    """
    data, keys = _secret(home, config.postgres), _secret(home, config.postgres_keys)
    try:
        return VaultPlaces.under(home / config.vault, data=data, keys=keys)
    except ValueError as error:
        raise BadConfiguration(f"postgres: {error}") from None


def check_indexed(vault: Vault, config: GatewayConfig) -> None:
    """See that what is in the vault can be found by what clients may ask for.

    Raises:
        BadConfiguration: it was indexed for other search parameters.
    """
    if not vault.is_indexed_by(_rules(config)):
        raise BadConfiguration(
            f'the vault is not indexed for index = "{config.index}": '
            "stop the gateway and run `careledger gateway reindex`"
        )


def back_up(home: Path, data: Path, keys: Path) -> None:
    """Copy the vault of the stopped gateway in `home` to two new files.

    Raises:
        VaultInUse: the gateway is running.
    """
    config = load_gateway(home)
    keystore = FileKeyStore(home / config.organisation_key)
    with open_vault(places_of(home, config), keystore, MemberId(config.member)) as vault:
        vault.backup_data(data)
        vault.backup_keys(keys)


def put_back(home: Path, data: Path, keys: Path) -> int:
    """Restore a vault that is gone; how many erasures of the ledger were done again.

    Raises:
        FileExistsError: there is a vault; nothing is overwritten.
        WrongVault: the backups do not belong together, or to this member.
        Unavailable: the node's ledger is not there.
    """
    config = load_gateway(home)
    mine = MemberId(config.member)
    (home / config.vault).mkdir(mode=0o700, parents=True, exist_ok=True)
    with StoreReader(home / config.ledger) as reader, reader.snapshot() as committed:
        shredded = list(recorded_shreds(committed, mine))
    keystore = FileKeyStore(home / config.organisation_key)
    restore(places_of(home, config), VaultFiles(data, keys), keystore, mine, shredded)
    return len(shredded)


def reindex(home: Path) -> Generator[tuple[int, int], None, None]:
    """Index the vault of the stopped gateway in `home` as it is configured now.

    Yields how many patients of how many are done, the directory counted as one. Stopped, it goes
    on where it was when it is called again.

    Raises:
        VaultInUse: the gateway is running.
        Tampered: a resource does not open.
    """
    config = load_gateway(home)
    keystore, indexed = FileKeyStore(home / config.organisation_key), IndexSet(config.index)

    def facts(data: bytes) -> Facts:
        return extract(parse_resource(data), indexed)

    with open_vault(places_of(home, config), keystore, MemberId(config.member)) as vault:
        yield from vault.reindex_all(facts, _rules(config))


def _rules(config: GatewayConfig) -> str:
    """What facts follow from; another number wherever a release finds others."""
    return f"{config.index} 1"


def _secret(home: Path, name: str | None) -> str | None:
    if name is None:
        return None
    path = home / name
    try:
        if is_open_to_others(path):
            raise BadConfiguration(f"others may read {path}: chmod 600 {path}")
        return path.read_text().strip()
    except FileNotFoundError as error:
        raise BadConfiguration(f"no file {path}") from error
