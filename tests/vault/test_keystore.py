"""The organisation's keys: wrapped under one, rotated, destroyed, and kept from other eyes."""

from pathlib import Path

import pytest

from careledger.ledger.errors import Malformed
from careledger.vault.errors import KeyFileExposed, Tampered, UnknownKey, VaultError
from careledger.vault.keystore import FileKeyStore, KeyId, WrappedKey

from . import world
from .world import ANA, ANA_MRN, NOW, arrival, observation, own

KEY, CONTEXT = b"k" * 32, b"alpine-hospital / ana"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "alpine.keys"


@pytest.fixture
def store(path: Path) -> FileKeyStore:
    return FileKeyStore.create(path)


def test_a_wrapped_key_comes_back_in_its_own_context_only(store: FileKeyStore) -> None:
    wrapped = store.wrap(KEY, CONTEXT)
    assert KEY not in wrapped.wrapped
    assert store.unwrap(wrapped, CONTEXT) == KEY
    with pytest.raises(Tampered):
        store.unwrap(wrapped, b"alpine-hospital / ben")
    for place in range(len(wrapped.wrapped)):
        altered = bytearray(wrapped.wrapped)
        altered[place] ^= 1
        with pytest.raises(Tampered):
            store.unwrap(WrappedKey(wrapped.key_id, bytes(altered)), CONTEXT)
    with pytest.raises(Tampered):
        store.unwrap(WrappedKey(wrapped.key_id, b""), CONTEXT)


def test_only_keys_of_32_bytes_are_wrapped(store: FileKeyStore) -> None:
    with pytest.raises(ValueError, match="31"):
        store.wrap(KEY[:31], CONTEXT)


def test_after_a_rotation_the_old_key_still_unwraps_until_it_is_destroyed(
    store: FileKeyStore, path: Path
) -> None:
    old = store.wrap(KEY, CONTEXT)
    store.rotate()
    new = store.wrap(KEY, CONTEXT)
    assert new.key_id == store.current != old.key_id
    again = FileKeyStore(path)
    assert again.key_ids == (old.key_id, new.key_id)
    assert again.unwrap(old, CONTEXT) == again.unwrap(new, CONTEXT) == KEY
    again.destroy(old.key_id)
    for holder in (again, FileKeyStore(path)):
        with pytest.raises(UnknownKey):
            holder.unwrap(old, CONTEXT)
        assert holder.unwrap(new, CONTEXT) == KEY


def test_the_current_key_cannot_be_destroyed(store: FileKeyStore) -> None:
    with pytest.raises(VaultError):
        store.destroy(store.current)
    with pytest.raises(UnknownKey):
        store.destroy(KeyId("0" * 16))


def test_the_key_file_is_its_owners_alone(store: FileKeyStore, path: Path) -> None:
    assert path.stat().st_mode & 0o777 == 0o600
    store.rotate()
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o640)
    with pytest.raises(KeyFileExposed) as raised:
        FileKeyStore(path)
    assert raised.value.actual == "0640"


def test_a_key_file_is_never_overwritten_and_must_be_one(store: FileKeyStore, path: Path) -> None:
    with pytest.raises(FileExistsError):
        FileKeyStore.create(path)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(Malformed):
        FileKeyStore(path)


def test_an_interrupted_rotation_leaves_the_old_file(store: FileKeyStore, path: Path) -> None:
    wrapped = store.wrap(KEY, CONTEXT)
    path.with_name(path.name + ".new").write_bytes(b"half of a file")
    assert FileKeyStore(path).unwrap(wrapped, CONTEXT) == KEY
    store.rotate()
    assert FileKeyStore(path).current == store.current


def test_the_vault_wraps_its_keys_again_after_a_rotation(tmp_path: Path) -> None:
    keys = world.store(tmp_path)
    with world.vault(tmp_path) as vault:
        ana = vault.register(ANA_MRN, ANA)
        vault.put([arrival(ana, observation("a1c"))], NOW)
    keys.rotate()
    with world.vault(tmp_path) as vault:
        assert vault.rewrap() == 3  # Ana's, the directory's, and the one that blinds names
        assert vault.rewrap() == 0
    rotated = world.store(tmp_path)
    rotated.destroy(rotated.key_ids[0])
    with world.vault(tmp_path) as vault:
        assert vault.open(own(ANA), "Observation", "a1c", at=NOW) is not None
