"""Ana and Ben at Alpine Hospital: a vault on disk, what arrives for them, and permits to look."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import psycopg
from psycopg import sql

from careledger.fhir.index import Facts, extract
from careledger.fhir.resource import parse_resource
from careledger.ledger.record import AccountId, MemberId, TransactionId
from careledger.mechanisms import terms
from careledger.mechanisms.policy import Basis, Permit, Use, decided, own_access
from careledger.vault import schema
from careledger.vault.deposit import Arrival
from careledger.vault.index import Entry
from careledger.vault.keystore import FileKeyStore
from careledger.vault.objects import PatientRef
from careledger.vault.postgres import PostgresPlace, PostgresRows
from careledger.vault.rows import Rows, SqliteRows
from careledger.vault.shredding import Shredded
from careledger.vault.vault import Vault

ALPINE = MemberId("alpine-hospital")
BAYVIEW = MemberId("bayview-clinic")
ANA, BEN = AccountId("@" + "a" * 26), AccountId("@" + "b" * 26)
ANA_MRN, BEN_MRN = "MRN-000-4711", "MRN-000-0815"
NOW = 1_790_000_000
LOINC = "http://loinc.org"
BOTH = ("sqlite", "postgres")
_conninfo: list[str] = []


def account(number: int) -> AccountId:
    """One of many accounts."""
    letters = "abcdefghijklmnopqrstuvwxyz234567"
    return AccountId("@" + "".join(letters[number >> 5 * i & 31] for i in range(26)))


def store(directory: Path) -> FileKeyStore:
    path = directory / "alpine.keys"
    return FileKeyStore(path) if path.exists() else FileKeyStore.create(path)


@contextmanager
def vault(directory: Path, *, index_bytes: int = 10_000_000) -> Iterator[Vault]:
    """The vault in `directory`; without its lock, so that a test can look at it from outside."""
    with rows(directory) as (data, keys):
        yield Vault(data, keys, store(directory), ALPINE, index_bytes=index_bytes)


@contextmanager
def rows(directory: Path) -> Iterator[tuple[Rows, Rows]]:
    """The two files of the vault, or its two schemas."""
    data, keys = rows_at(directory, "vault", schema.DATA), rows_at(directory, "keys", schema.KEYS)
    try:
        yield data, keys
    finally:
        data.close()
        keys.close()


def rows_at(directory: Path, name: str, tables: Sequence[str]) -> Rows:
    """One of the two."""
    if _conninfo:
        schema = f"{name}_{_digest(directory)}"
        return PostgresRows(PostgresPlace(_conninfo[0], schema), tables)
    return SqliteRows(directory / f"{name}.sqlite", tables)


def in_postgres(conninfo: str | None) -> None:
    """From now on vaults are in that database; with None, in files."""
    _conninfo[:] = [] if conninfo is None else [conninfo]


def observation(id_: str, code: str = "4548-4", value: str = "7.2", **more: object) -> bytes:
    """A laboratory result, with spaces that no encoder of ours would write."""
    resource = {
        "resourceType": "Observation",
        "id": id_,
        "status": "final",
        "code": {"coding": [{"system": LOINC, "code": code}]},
        "effectiveDateTime": "2026-03-04T10:00:00Z",
        "valueQuantity": {"value": "@", "unit": "%"},
        **more,
    }
    return json.dumps(resource, indent=3).replace('"@"', value).encode()


def practitioner(id_: str, family: str = "Cho") -> bytes:
    resource = {"resourceType": "Practitioner", "id": id_, "name": [{"family": family}]}
    return json.dumps(resource).encode()


def facts_of(data: bytes) -> Facts:
    return extract(parse_resource(data))


def arrival(patient: PatientRef | None, data: bytes, if_version: int | None = None) -> Arrival:
    facts = facts_of(data)
    return Arrival(patient, facts.type, facts.id or "", data, facts, if_version)


def deletion(patient: PatientRef | None, type_: str, id_: str) -> Arrival:
    return Arrival(patient, type_, id_, b"", None)


def own(account_: AccountId, *, custodian: MemberId = ALPINE, at: int = NOW) -> Permit:
    """The patient's own access."""
    use = Use(
        custodian=custodian,
        account=account_,
        requester=custodian,
        purpose="PATRQT",
        action="read",
        time=at,
    )
    permit = own_access(use, account_)
    assert isinstance(permit, Permit)
    return permit


def granted(account_: AccountId, provision: terms.Provision, *, at: int = NOW) -> Permit:
    """What a consent of these terms gives another clinic."""
    use = Use(
        custodian=ALPINE,
        account=account_,
        requester=BAYVIEW,
        purpose="TREAT",
        action="read",
        time=at,
    )
    basis = Basis(name="grant", id=bytes(16))
    return decided(use, basis, "grant", until=None, grant=terms.Terms(base=provision))


def anything(_: Entry) -> bool:
    return True


def evidence(account_: AccountId, **more: object) -> Shredded:
    fields: dict[str, object] = {
        "custodian": ALPINE,
        "account": account_,
        "transaction": TransactionId(b"t" * 32),
        "legal_hold": False,
    }
    return Shredded(**(fields | more))  # type: ignore[arg-type]  # the tests give the right ones


def everything_on_disk(directory: Path, *, but: Sequence[str] = ()) -> bytes:
    """Every file, and every row where the vault is in a database."""
    found = [
        path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file() and path.name not in but
    ]
    for conninfo in _conninfo:
        with psycopg.connect(conninfo) as boss:
            tables = boss.execute(
                "SELECT schemaname, tablename FROM pg_tables WHERE schemaname LIKE %s",
                [f"%_{_digest(directory)}"],
            ).fetchall()
            for schema_, table in tables:
                rows_of = sql.SQL("SELECT * FROM {}").format(sql.Identifier(schema_, table))
                found += [
                    value if isinstance(value, bytes) else str(value).encode()
                    for row in boss.execute(rows_of).fetchall()
                    for value in row
                ]
    return b"\n".join(found)


def _digest(directory: Path) -> str:
    return sha256(bytes(directory)).hexdigest()[:16]
