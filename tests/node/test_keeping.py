"""What an operator does to a stopped gateway's vault: moves it, brings it back, indexes it anew."""

import contextlib
from itertools import islice
from pathlib import Path

import psycopg
import pytest

from careledger.ledger.record import AccountId, MemberId
from careledger.node.config import BadConfiguration, GatewayConfig, format_toml, load_gateway
from careledger.node.founding import Founder, Network, found
from careledger.node.keeping import back_up, check_indexed, places_of, put_back, reindex
from careledger.node.serve import wall_clock
from careledger.vault.files import open_vault
from careledger.vault.keystore import FileKeyStore
from careledger.vault.vault import Vault
from tests.faults.node_process import free_port
from tests.node.test_gateway_process import process
from tests.vault.world import ANA, BEN, NOW, anything, arrival, observation, own, practitioner

RIVERSIDE = MemberId("riverside")


@pytest.fixture
def network(tmp_path: Path) -> Network:
    founder = Founder(id="riverside", name="Riverside", roles=("provider",))
    return found(
        tmp_path / "network", [founder], name="test", time=wall_clock(), first_port=free_port(10)
    )


@pytest.fixture
def home(network: Network) -> Path:
    """Riverside's gateway with results of Ana and of Ben, as an earlier release indexed them."""
    home = network.home("riverside")
    config = load_gateway(home)
    (home / config.vault).mkdir(exist_ok=True)
    with vault(home) as opened:
        for local, account in (("ana", ANA), ("ben", BEN)):
            patient = opened.register(local, account)
            opened.put([arrival(patient, observation(f"of-{local}"))], NOW)
        opened.put([arrival(None, practitioner("cho"))], NOW)
    return home


def vault(home: Path) -> contextlib.AbstractContextManager[Vault]:
    config = load_gateway(home)
    store = FileKeyStore(home / config.organisation_key)
    return open_vault(places_of(home, config), store, RIVERSIDE)


def configure(home: Path, **changed: str | None) -> None:
    config = load_gateway(home)
    (home / "gateway.toml").write_text(format_toml(config.__replace__(**changed)))


def values(opened: Vault, account: AccountId) -> list[bytes]:
    at_riverside = own(account, custodian=RIVERSIDE)
    return [entry.facts.values for entry in opened.search(at_riverside, anything, NOW)]


def test_a_vault_moves_to_postgresql_and_back(
    network: Network, home: Path, postgres_server: str, tmp_path: Path
) -> None:
    secret = home / "database.secret"
    secret.write_text(f"{postgres_server}\n")
    secret.chmod(0o600)
    out, back = tmp_path / "out", tmp_path / "back"
    out.mkdir()
    back.mkdir()
    back_up(home, out / "data", out / "keys")
    configure(home, postgres=secret.name, postgres_keys=secret.name, vault="vault-2")
    with process("node", network.node_home):
        put_back(home, out / "data", out / "keys")
        with pytest.raises(FileExistsError):
            put_back(home, out / "data", out / "keys")
    with vault(home) as opened:
        assert opened.open(own(ANA, custodian=RIVERSIDE), "Observation", "of-ana", at=NOW)
        assert opened.check() == []
        opened.register("carl", AccountId("@" + "c" * 26))
    assert not list((home / "vault-2").glob("*.sqlite"))
    back_up(home, back / "data", back / "keys")
    configure(home, postgres=None, postgres_keys=None, vault="vault-3")
    with process("node", network.node_home):
        put_back(home, back / "data", back / "keys")
    with vault(home) as opened:
        assert [local for local, _ in sorted(opened.patients())] == ["ana", "ben", "carl"]
        assert opened.check() == []


def test_the_keys_may_stay_in_a_file(network: Network, postgres_server: str) -> None:
    home = network.home("riverside")
    config = load_gateway(home)
    (home / config.vault).mkdir(exist_ok=True)
    name = "careledger_apart"
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    secret = home / "database.secret"
    secret.write_text(postgres_server.replace("dbname=postgres", f"dbname={name}"))
    secret.chmod(0o600)
    configure(home, postgres=secret.name)
    with vault(home) as opened:
        opened.put([arrival(opened.register("ana", ANA), observation("x"))], NOW)
    assert [path.name for path in (home / config.vault).glob("*.sqlite")] == ["keys.sqlite"]


@pytest.mark.parametrize(
    ("content", "mode", "reason"),
    [
        ("dbname=x user=y", 0o600, "does not say host"),
        ("postgresql://", 0o600, "does not say host"),
        ("no connection", 0o600, "not a connection string"),
        ("host=/tmp dbname=x user=y", 0o640, "others may read"),
        (None, 0, "no file"),
    ],
)
def test_a_connection_string_says_everything_and_is_secret(
    tmp_path: Path, content: str | None, mode: int, reason: str
) -> None:
    config = GatewayConfig(
        member="riverside",
        genesis="g",
        ledger="l",
        node="n",
        vault="v",
        transaction_key="t",
        sealing_key="s",
        organisation_key="o",
        postgres="secret",
    )
    if content is not None:
        (tmp_path / "secret").write_text(content)
        (tmp_path / "secret").chmod(mode)
    with pytest.raises(BadConfiguration, match=reason) as raised:
        places_of(tmp_path, config)
    assert content is None or content not in str(raised.value)


def test_an_index_is_made_anew_and_goes_on_where_it_stopped(home: Path) -> None:
    with vault(home) as opened:
        large = {account: values(opened, account) for account in (ANA, BEN)}
        with pytest.raises(BadConfiguration, match="reindex"):
            check_indexed(opened, load_gateway(home))
    configure(home, index="small")
    with contextlib.closing(reindex(home)) as begun:
        assert list(islice(begun, 2)) == [(1, 3), (2, 3)]
    with vault(home) as opened:
        ((done,),) = [[a] for a in (ANA, BEN) if values(opened, a) != large[a]]
        first = opened.patient_of(done)
        before = opened._data.read("SELECT sealed FROM segments WHERE patient = ?", [first])
    assert list(reindex(home)) == [(1, 3), (2, 3), (3, 3)]
    with vault(home) as opened:
        check_indexed(opened, load_gateway(home))
        for account in (ANA, BEN):
            assert len(values(opened, account)[0]) < len(large[account][0])
        after = opened._data.read("SELECT sealed FROM segments WHERE patient = ?", [first])
        assert after == before
        assert opened.check() == []


def test_a_change_of_mind_between_begins_anew(home: Path) -> None:
    """What came in meanwhile was indexed otherwise, so none may be left out."""
    assert list(reindex(home))
    configure(home, index="small")
    with contextlib.closing(reindex(home)) as begun:
        assert next(begun) == (1, 3)
        assert next(begun) == (2, 3)
    configure(home, index="all")
    with vault(home) as opened:
        check_indexed(opened, load_gateway(home))
        for local in ("ana", "ben"):
            opened.put([arrival(opened.patient(local), observation(f"late-{local}"))], NOW)
    configure(home, index="small")
    assert list(reindex(home))
    with vault(home) as opened:
        small = {values(opened, account)[0] for account in (ANA, BEN)}
        late = {values(opened, account)[1] for account in (ANA, BEN)}
        assert late == small


def test_a_new_vault_is_indexed_as_configured(network: Network) -> None:
    home = network.home("riverside")
    config = load_gateway(home)
    (home / config.vault).mkdir(exist_ok=True)
    with vault(home) as opened:
        check_indexed(opened, config)
        opened.put([arrival(None, practitioner("cho"))], NOW)
        check_indexed(opened, config)
