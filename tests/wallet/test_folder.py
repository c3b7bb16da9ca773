from pathlib import Path

import pytest

from careledger.vault.errors import Tampered
from careledger.wallet.contents import Contents, HeldAccount
from careledger.wallet.errors import NoWallet, WalletExists, WalletInUse, WrongPassphrase
from careledger.wallet.folder import CONTENTS, WalletFolder, needs_passphrase

ACCOUNT = "@" + "a" * 26
CONTENT = Contents(
    chain=bytes(32),
    node="http://n.test",
    accounts=(HeldAccount(member="riverside", account=ACCOUNT),),
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "w"
    with WalletFolder.create(path, "correct horse") as made:
        made.save(CONTENTS, CONTENT)
    return path


def test_what_was_saved_is_there_again(folder: Path) -> None:
    with WalletFolder.open(folder, "correct horse") as opened:
        assert opened.load(CONTENTS, Contents) == CONTENT
        assert opened.load("nothing.sealed", Contents) is None


def test_another_passphrase_opens_nothing(folder: Path) -> None:
    with pytest.raises(WrongPassphrase):
        WalletFolder.open(folder, "correct house")
    with pytest.raises(WrongPassphrase):
        WalletFolder.open(folder, None)
    WalletFolder.open(folder, "correct horse").close()


def test_one_program_at_a_time(folder: Path) -> None:
    with WalletFolder.open(folder, "correct horse"), pytest.raises(WalletInUse):
        WalletFolder.open(folder, "correct horse")
    WalletFolder.open(folder, "correct horse").close()


def test_a_seed_is_never_replaced(folder: Path) -> None:
    with pytest.raises(WalletExists):
        WalletFolder.create(folder, None)


def test_there_is_no_wallet(tmp_path: Path) -> None:
    with pytest.raises(NoWallet):
        WalletFolder.open(tmp_path, None)


def test_nothing_private_is_readable(folder: Path) -> None:
    seed = WalletFolder.open(folder, "correct horse").seed
    for path in folder.iterdir():
        assert path.stat().st_mode & 0o077 == 0
        data = path.read_bytes()
        for private in (ACCOUNT.encode(), b"riverside", seed, seed.hex().encode()):
            assert private not in data
    assert needs_passphrase(folder)


def test_any_flipped_bit_is_noticed(folder: Path) -> None:
    path = folder / CONTENTS
    whole = path.read_bytes()
    with WalletFolder.open(folder, "correct horse") as opened:
        for at in range(0, len(whole), 7):
            path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
            with pytest.raises(Tampered):
                opened.load(CONTENTS, Contents)


def test_one_file_does_not_pass_for_another(folder: Path) -> None:
    (folder / "ledger.sealed").write_bytes((folder / CONTENTS).read_bytes())
    with WalletFolder.open(folder, "correct horse") as opened, pytest.raises(Tampered):
        opened.load("ledger.sealed", Contents)


def test_a_damaged_plain_seed(tmp_path: Path) -> None:
    WalletFolder.create(tmp_path / "w", None).close()
    (tmp_path / "w" / "seed.json").write_text("{}")
    with pytest.raises(NoWallet, match="damaged"):
        WalletFolder.open(tmp_path / "w", None)
