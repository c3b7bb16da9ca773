"""The tables of the vault's two files.

Nothing in them is readable: names are blind, content is sealed, references are random. What a
reader of the files learns is how many patients there are, how many versions each has, and how long
they are.
"""

from typing import Final

from careledger.ledger.errors import Unavailable
from careledger.ledger.record import MemberId
from careledger.vault.errors import NeedsReplay, WrongVault
from careledger.vault.rows import Rows, Step

META: Final = "CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value BLOB NOT NULL)"
"""What the file is: `format`, `vault` (16 random bytes, the same in both), `custodian`; `backup` if
it is a copy, `restoring` while shreddings are replayed in it: then no one may open it. In the data
also `index`, the form of the index segments, `rules`, by which facts were found, and `reindexed`,
how far finding them anew has come."""

DATA: Final = (
    META,
    """CREATE TABLE IF NOT EXISTS objects (
        seq INTEGER PRIMARY KEY,
        name BLOB NOT NULL,
        version INTEGER NOT NULL,
        patient BLOB NOT NULL,
        sealed BLOB NOT NULL
    )""",
    "CREATE UNIQUE INDEX IF NOT EXISTS objects_by_name ON objects (name, version)",
    "DROP INDEX IF EXISTS objects_by_patient",
    "CREATE INDEX IF NOT EXISTS objects_in_order ON objects (patient, seq)",
    """CREATE TABLE IF NOT EXISTS segments (
        patient BLOB NOT NULL,
        seq INTEGER NOT NULL,
        level INTEGER NOT NULL,
        sealed BLOB NOT NULL,
        PRIMARY KEY (patient, seq)
    )""",
    "CREATE TABLE IF NOT EXISTS commitments (seq INTEGER PRIMARY KEY, value BLOB NOT NULL)",
    """CREATE TABLE IF NOT EXISTS batches (
        first INTEGER PRIMARY KEY,
        size INTEGER NOT NULL,
        number INTEGER NOT NULL UNIQUE,
        root BLOB NOT NULL,
        transaction_id BLOB NOT NULL
    )""",
)
"""vault.sqlite. A batch is the commitments `first` to `first + size - 1`, in order; commitments
outlive the objects that they came from."""

KEYS: Final = (
    META,
    """CREATE TABLE IF NOT EXISTS keys (
        owner BLOB PRIMARY KEY,
        key_id TEXT NOT NULL,
        wrapped BLOB NOT NULL
    )""",
    """CREATE TABLE IF NOT EXISTS patients (
        patient BLOB PRIMARY KEY,
        local BLOB NOT NULL UNIQUE,
        account BLOB NOT NULL UNIQUE,
        merged_into BLOB,
        card BLOB NOT NULL
    )""",
    "CREATE INDEX IF NOT EXISTS patients_by_merge ON patients (merged_into)",
    """CREATE TABLE IF NOT EXISTS tombstones (
        account BLOB PRIMARY KEY,
        patient BLOB,
        transaction_id BLOB NOT NULL,
        swept INTEGER NOT NULL
    )""",
)
"""keys.sqlite. `owner` is a patient, or what the organisation keeps for itself."""

FORMAT: Final = b"1"
MARK_BACKUP: Final = Step("INSERT INTO meta VALUES ('backup', ?)", [(b"1",)])
MARK_RESTORING: Final = Step(
    "INSERT INTO meta VALUES ('restoring', ?) ON CONFLICT DO NOTHING", [(b"1",)]
)
CLEAR_MARKS: Final = Step("DELETE FROM meta WHERE name = ?", [("backup",), ("restoring",)])


INDEX_FORM: Final = b"2"
INDEX_RULES: Final = "rules"
REINDEXED: Final = "reindexed"
CLEAR_REINDEXED: Final = Step("DELETE FROM meta WHERE name = ?", [(REINDEXED,)])


def identify(vault: bytes, custodian: MemberId) -> Step:
    """What makes new files this vault's."""
    return Step(
        "INSERT INTO meta VALUES (?, ?)",
        [("format", FORMAT), ("vault", vault), ("custodian", custodian.encode())],
    )


def vault_id(rows: Rows) -> bytes | None:
    """Whose files these are; None if they are new."""
    found = rows.read("SELECT value FROM meta WHERE name = 'vault'")
    return bytes(found[0][0]) if found else None


def read_meta(rows: Rows, name: str) -> bytes | None:
    """What is noted under `name`."""
    found = rows.read("SELECT value FROM meta WHERE name = ?", [name])
    return bytes(found[0][0]) if found else None


def set_meta(name: str, value: bytes) -> Step:
    """What notes `value` under `name`, in the place of what is there."""
    return Step(
        "INSERT INTO meta VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        [(name, value)],
    )


def is_restoring(rows: Rows) -> bool:
    """Whether a restore began with this file and was interrupted."""
    return bool(rows.read("SELECT 1 FROM meta WHERE name = 'restoring'"))


def check_identity(rows: Rows, vault: bytes, custodian: MemberId, *, replaying: bool) -> None:
    """Refuse files of another vault, member or format, and backups unless they are being restored.

    Raises:
        WrongVault: they do not belong together.
        NeedsReplay: a backup.
    """
    meta = {name: bytes(value) for name, value in rows.read("SELECT name, value FROM meta")}
    if not meta:
        raise Unavailable("the vault's file is empty")
    if meta.get("format") != FORMAT:
        raise WrongVault("format", expected=FORMAT, actual=meta.get("format"))
    if meta.get("custodian") != custodian.encode():
        raise WrongVault("custodian", expected=custodian, actual=meta.get("custodian"))
    if meta.get("vault") != vault:
        raise WrongVault("the data and the keys are of two vaults")
    if not replaying and not meta.keys().isdisjoint(("backup", "restoring")):
        raise NeedsReplay("this is a backup: use restore")
