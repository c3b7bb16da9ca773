"""Backups, restores that shred again first, and one process at a time."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from careledger.ledger.errors import CorruptStore
from careledger.ledger.record import MemberId
from careledger.vault.errors import NeedsReplay, UnknownKey, VaultInUse, WrongVault
from careledger.vault.files import VaultFiles, open_vault, restore

from . import world
from .world import ALPINE, ANA, ANA_MRN, BEN, BEN_MRN, NOW, arrival, evidence, observation, own


@pytest.fixture
def files(tmp_path: Path) -> VaultFiles:
    """Ana and Ben in a vault, and backups of it in `backup`."""
    files = VaultFiles.under(tmp_path)
    (tmp_path / "backup").mkdir()
    (tmp_path / "restored").mkdir()
    with open_vault(files, world.store(tmp_path), ALPINE) as vault:
        ana, ben = vault.register(ANA_MRN, ANA), vault.register(BEN_MRN, BEN)
        vault.put([arrival(ana, observation("a1c")), arrival(ben, observation("b1c"))], NOW)
        backup = VaultFiles.under(tmp_path / "backup")
        vault.backup_data(backup.data)
        vault.backup_keys(backup.keys)
    return files


def test_a_vault_is_its_owners_alone(files: VaultFiles) -> None:
    directory = files.data.parent
    for path in (*directory.glob("*.sqlite*"), *(directory / "backup").iterdir()):
        assert path.stat().st_mode & 0o077 == 0, path.name


def test_old_backups_of_data_and_keys_do_not_bring_back_what_was_shredded(
    files: VaultFiles, tmp_path: Path
) -> None:
    backup, restored = (
        VaultFiles.under(tmp_path / "backup"),
        VaultFiles.under(tmp_path / "restored"),
    )
    store = world.store(tmp_path)
    with open_vault(files, store, ALPINE) as vault:
        vault.shred(evidence(ANA))
    restore(restored, backup, store, ALPINE, [evidence(ANA), evidence(world.account(9))])
    assert sorted(path.name for path in (tmp_path / "restored").iterdir()) == [
        "keys.sqlite",
        "vault.sqlite",
        "vault.sqlite.lock",
    ]
    with open_vault(restored, store, ALPINE) as vault:
        assert vault.open(own(ANA), "Observation", "a1c", at=NOW) is None
        assert vault.is_shredded(ANA)
        opened = vault.open(own(BEN), "Observation", "b1c", at=NOW)
        assert opened is not None
        assert opened.data == observation("b1c")
        assert len(vault.unbatched()) == 2
        assert vault.check() == []


def test_new_keys_do_not_open_what_an_old_data_backup_holds(
    files: VaultFiles, tmp_path: Path
) -> None:
    """The keys were backed up after the shredding, so only the data is of before."""
    store, backup = world.store(tmp_path), VaultFiles.under(tmp_path / "backup")
    later = VaultFiles(backup.data, tmp_path / "backup" / "later.sqlite")
    with open_vault(files, store, ALPINE) as vault:
        vault.shred(evidence(ANA))
        vault.backup_keys(later.keys)
    restored = VaultFiles.under(tmp_path / "restored")
    restore(restored, later, store, ALPINE, [evidence(ANA)])
    with open_vault(restored, store, ALPINE) as vault:
        assert vault.owner("Observation", "a1c") is None
        assert vault.check() == []


def test_a_backup_does_not_open_before_the_replay(files: VaultFiles, tmp_path: Path) -> None:
    store, backup = world.store(tmp_path), VaultFiles.under(tmp_path / "backup")
    for mixed in (backup, VaultFiles(backup.data, files.keys), VaultFiles(files.data, backup.keys)):
        with pytest.raises(NeedsReplay), open_vault(mixed, store, ALPINE):
            pass


def test_restore_overwrites_no_vault(files: VaultFiles, tmp_path: Path) -> None:
    store, backup = world.store(tmp_path), VaultFiles.under(tmp_path / "backup")
    before = files.data.read_bytes()
    with pytest.raises(FileExistsError):
        restore(files, backup, store, ALPINE, [])
    files.keys.unlink()
    shutil.copy(backup.keys, files.keys)  # by hand: the data is still the live one
    with pytest.raises(FileExistsError):
        restore(files, backup, store, ALPINE, [])
    assert files.data.read_bytes() == before


def test_a_backup_never_replaces_a_file(files: VaultFiles, tmp_path: Path) -> None:
    backup = VaultFiles.under(tmp_path / "backup")
    with open_vault(files, world.store(tmp_path), ALPINE) as vault:
        for take, path in ((vault.backup_data, backup.data), (vault.backup_keys, backup.keys)):
            with pytest.raises(FileExistsError):
                take(path)


def test_files_that_do_not_belong_together_are_refused(files: VaultFiles, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    elsewhere = VaultFiles.under(other)
    store = world.store(tmp_path)
    with open_vault(elsewhere, store, ALPINE) as vault:
        vault.register("MRN-5", world.account(5))
    wrong = (
        VaultFiles(files.data, elsewhere.keys),
        VaultFiles(elsewhere.data, files.keys),
        VaultFiles(files.data, tmp_path / "no-keys.sqlite"),
        VaultFiles(tmp_path / "no-data.sqlite", files.keys),
    )
    for mixed in wrong:
        with pytest.raises(WrongVault), open_vault(mixed, store, ALPINE):
            pass
    with pytest.raises(WrongVault), open_vault(files, store, MemberId("bayview-clinic")):
        pass


def test_keys_older_than_the_data_are_reported(files: VaultFiles, tmp_path: Path) -> None:
    store, backup = world.store(tmp_path), VaultFiles.under(tmp_path / "backup")
    with open_vault(files, store, ALPINE) as vault:
        carl = vault.register("MRN-3", world.account(3))
        vault.put([arrival(carl, observation("c1c"))], NOW)
        vault.backup_data(tmp_path / "backup" / "later.sqlite")
    restored = VaultFiles.under(tmp_path / "restored")
    late = VaultFiles(tmp_path / "backup" / "later.sqlite", backup.keys)
    restore(restored, late, store, ALPINE, [])
    with open_vault(restored, store, ALPINE) as vault:
        assert [one.what for one in vault.check()] == ["records of a patient without a key"]
        assert vault.owner("Observation", "c1c") is None


def test_another_key_store_opens_nothing(files: VaultFiles, tmp_path: Path) -> None:
    other = tmp_path / "stranger"
    other.mkdir()
    with pytest.raises(UnknownKey), open_vault(files, world.store(other), ALPINE):
        pass


def test_one_process_at_a_time(files: VaultFiles, tmp_path: Path) -> None:
    program = f"""
from pathlib import Path
from careledger.vault.errors import VaultInUse
from careledger.vault.files import VaultFiles, open_vault
from careledger.vault.keystore import FileKeyStore
store = FileKeyStore(Path({str(tmp_path)!r}) / "alpine.keys")
try:
    with open_vault(VaultFiles.under(Path({str(tmp_path)!r})), store, "alpine-hospital"):
        print("opened")
except VaultInUse:
    print("in use")
"""
    command = [sys.executable, "-c", program]
    with open_vault(files, world.store(tmp_path), ALPINE):
        held = subprocess.run(command, capture_output=True, text=True, check=True)
        with (
            pytest.raises(VaultInUse),
            open_vault(files, world.store(tmp_path), ALPINE),
        ):
            pass
    free = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (held.stdout, free.stdout) == ("in use\n", "opened\n")


def test_a_file_that_is_no_database_is_named_so(tmp_path: Path) -> None:
    (tmp_path / "vault.sqlite").write_bytes(b"not a database" * 100)
    with pytest.raises(CorruptStore), world.vault(tmp_path):
        pass
