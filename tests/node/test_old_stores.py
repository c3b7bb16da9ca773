"""A store that was written before there were validators opens, replays to the byte, and goes on.

`old/before-validators.mdb.gz` is the store that the program of that day wrote: a genesis of three
members, votes on parameters, an admission and a removal, a rotated key, a patient; seven blocks.
"""

import gzip
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from careledger.apps import installed
from careledger.apps.governance.commands import (
    MemberSuspended,
    Motion,
    Propose,
    RegisterKey,
    SetPower,
    Suspend,
    Vote,
)
from careledger.consensus.chain import Chain
from careledger.ledger.genesis import load_genesis
from careledger.ledger.membership import (
    SIGNERS,
    VALIDATORS,
    NetworkParameters,
    SignerRow,
    parameters,
)
from careledger.ledger.possession import new_key
from careledger.ledger.record import MemberId, Record, decode, encode
from careledger.ledger.state import View
from careledger.ledger.statement import Claims
from careledger.ledger.transaction import (
    VerifiedTransaction,
    call,
    parse_transaction,
    sign_transaction,
    verify_transaction,
)
from careledger.node.fsck import check
from careledger.store.layout import data_file
from careledger.store.store import Store
from tests.apps.network import HILLTOP, LAKEVIEW, RIVERSIDE, key

# Newer Pythons warn of any fork while pytest-xdist's own threads run; those hold none of our locks.
pytestmark = pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")

OLD = Path(__file__).parent / "old" / "before-validators.mdb.gz"
BLOCKS = 8


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    data_file(tmp_path).write_bytes(gzip.decompress(OLD.read_bytes()))
    return tmp_path


@pytest.fixture
def store(folder: Path) -> Iterator[Store]:
    with Store(folder) as opened:
        yield opened


def test_it_replays_to_the_byte(folder: Path) -> None:
    report = check(folder, installed())
    assert report.findings == ()
    assert report.blocks == BLOCKS


def test_its_rows_are_read_and_nobody_validates(store: Store) -> None:
    with store.snapshot() as committed:
        view = View(committed)
        assert parameters(view) == NetworkParameters(vote_threshold_percent=60, paper_consent=True)
        assert parameters(view).suspend_on_evidence is msgspec.UNSET
        assert view.row(SIGNERS, "plains").status == "removed"
        assert list(view.scan(VALIDATORS)) == []


def test_it_goes_on_and_the_whole_is_still_sound(store: Store, folder: Path) -> None:
    with store.snapshot() as committed:
        file = committed.genesis()
    id_, genesis = load_genesis(file)
    chain = Chain(store, id_, genesis, installed())
    time = store.latest.time + 5
    keys = {RIVERSIDE: key(RIVERSIDE), HILLTOP: key(HILLTOP), LAKEVIEW: key(LAKEVIEW, 1)}

    def sign(member: MemberId, command: Record, nonce: int) -> VerifiedTransaction:
        claims = Claims(
            issuer=member,
            subject="test",
            audience=id_.hex(),
            not_before=time - 5,
            expires=time + 600,
            nonce=bytes([nonce]) * 16,
        )
        raw = sign_transaction(keys[member], claims, call("governance", command))
        return verify_transaction(parse_transaction(raw), keys[member].public)

    motions: tuple[Motion, ...] = (
        SetPower(member=RIVERSIDE, power=1),
        Suspend(member=HILLTOP),
    )
    consensus = new_key(key("engine"), "consensus", RIVERSIDE, id_)
    signed = [sign(RIVERSIDE, RegisterKey(key=consensus), 200)]
    for number, motion in enumerate(motions):
        proposal = bytes([number]) * 16
        proposed = Propose(proposal=proposal, motion=motion, until=time + 60)
        signed.append(sign(RIVERSIDE, proposed, 201 + 2 * number))
        signed.append(sign(LAKEVIEW, Vote(proposal=proposal, approve=True), 202 + 2 * number))
    prepared = chain.prepare(signed, time)
    assert [one.code for one in prepared.applied.receipts] == [0] * 5
    chain.begin(prepared)
    chain.commit(prepared)
    chain.settle()
    store.close()
    report = check(folder, installed())
    assert report.findings == ()
    assert report.blocks == BLOCKS + 1


def test_what_was_added_leaves_older_values_as_they_were() -> None:
    assert b"suspend" not in encode(NetworkParameters())
    assert encode(SignerRow(kind="member", payer="riverside")) == encode(
        {"kind": "member", "payer": "riverside", "status": "active"}
    )
    old = encode({"type": "member-suspended", "member": "riverside"})
    assert decode(old, MemberSuspended) == MemberSuspended(member="riverside")


@pytest.mark.parametrize("agreed", [True, False])
def test_what_is_said_about_evidence_is_kept_as_said(agreed: bool) -> None:  # noqa: FBT001 - one of two answers
    said = NetworkParameters(suspend_on_evidence=agreed)
    assert decode(encode(said), NetworkParameters) == said
