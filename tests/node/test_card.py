"""A member's card: nobody else's keys are on it, and nothing on it was changed on its way."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from careledger.ledger.possession import check_possession
from careledger.ledger.record import MemberId, digest
from careledger.node.card import (
    CARD_FILE,
    BadCard,
    Card,
    admission,
    format_card,
    load_card,
    make_card,
)
from careledger.vault.keyfile import load_signing_key

FIELDS: dict[str, Any] = {
    "member": "hospital",
    "name": "City Hospital",
    "roles": ("provider",),
    "gateway": "https://gateway.hospital.example",
    "node": "https://node.hospital.example",
    "engine": "node.hospital.example:7420",
}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    make_card(tmp_path / "hospital", **FIELDS)
    return tmp_path / "hospital"


def rewritten(home: Path, card: Card) -> Path:
    path = home / "other.json"
    path.write_bytes(format_card(card))
    return path


def test_a_card_says_what_the_others_need_and_no_secret(home: Path) -> None:
    card = load_card(home / CARD_FILE)
    assert [key.use for key in card.face.keys] == [
        *("transaction", "client", "sealing", "checkpoint", "receipt", "receipt", "consensus"),
    ]
    voting = load_signing_key(home / "node" / "keys" / "consensus.key")
    assert card.validator_key() == voting.public.public
    assert card.peer.endswith("@node.hospital.example:7420")
    text = (home / CARD_FILE).read_text()
    for path in home.rglob("*.key"):
        assert path.stat().st_mode & 0o077 == 0
        if path.name != "organisation.key":  # a key store, not a key
            assert msgspec.json.decode(path.read_bytes())["secret"] not in text


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "City Clinic"),
        ("gateway", "https://gateway.evil.example"),
        ("engine", "evil.example:7420"),
        ("engine_key", bytes(32)),
        ("roles", ("payer",)),
    ],
)
def test_what_was_changed_on_its_way_is_refused(home: Path, field: str, value: object) -> None:
    card = load_card(home / CARD_FILE)
    face = msgspec.structs.replace(card.face, **{field: value})
    with pytest.raises(BadCard, match="not every key has signed"):
        load_card(rewritten(home, msgspec.structs.replace(card, face=face)))


def test_nobody_s_key_gets_on_another_s_card(home: Path, tmp_path: Path) -> None:
    """The clinic shows the hospital's consensus key as its own, with what proofs there are."""
    theirs = load_card(home / CARD_FILE)
    mine = make_card(tmp_path / "clinic", **{**FIELDS, "member": "clinic"})
    keys = (*mine.face.keys[:-1], theirs.face.keys[-1])
    face = msgspec.structs.replace(mine.face, keys=keys)
    for proof in (mine.proofs[-2], theirs.proofs[-2], b""):
        proofs = (*mine.proofs[:-2], proof, mine.proofs[-1])
        with pytest.raises(BadCard):
            load_card(rewritten(home, msgspec.structs.replace(mine, face=face, proofs=proofs)))


@pytest.mark.parametrize("data", [b"", b"{}", b"[" * 50_000, b"\xff", b'{"face": 1}'])
def test_what_is_no_card_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "card.json").write_bytes(data)
    with pytest.raises(BadCard, match="is no card"):
        load_card(tmp_path / "card.json")


def test_a_missing_card_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(BadCard, match="careledger network card"):
        load_card(tmp_path / "card.json")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("member", "No Id"),
        ("name", ""),
        ("roles", ("Not a role",)),
        ("gateway", "gateway.hospital.example"),
        ("node", "ftp://node"),
        ("engine", "node.hospital.example"),
    ],
)
def test_no_keys_are_made_for_what_no_card_may_say(
    tmp_path: Path, field: str, value: object
) -> None:
    with pytest.raises(BadCard, match=field):
        make_card(tmp_path / "hospital", **{**FIELDS, field: value})
    assert not (tmp_path / "hospital").exists()


def test_keys_are_never_replaced(home: Path) -> None:
    before = (home / CARD_FILE).read_bytes()
    with pytest.raises(FileExistsError):
        make_card(home, **FIELDS)
    assert (home / CARD_FILE).read_bytes() == before


def test_the_motion_that_lets_it_in_proves_every_key_to_that_chain(home: Path) -> None:
    chain = digest(b"chain")
    motion = admission(home, load_card(home / CARD_FILE), chain)
    assert (motion.member, motion.gateway) == ("hospital", FIELDS["gateway"])
    for key in motion.keys:
        check_possession(key, MemberId("hospital"), chain)
