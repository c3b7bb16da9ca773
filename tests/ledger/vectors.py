"""The core's vectors: a transaction, the state keys, a block; see `tests/proof_vectors.py`."""

from careledger.ledger.checkpoint import app_hash
from careledger.ledger.entry import (
    BlockEntry,
    EventRecord,
    Evidence,
    GenesisEntry,
    encode_entry,
    events_digest,
)
from careledger.ledger.membership import (
    ACTIVATIONS,
    CONSENSUS_KEYS,
    VALIDATORS,
    ActivationRow,
    ConsensusKeyRow,
    ValidatorRow,
    consensus_address,
)
from careledger.ledger.merkle import Frontier, leaf_hash
from careledger.ledger.record import Digest, digest, encode
from careledger.ledger.signature import key_id
from careledger.ledger.state import Table, View
from careledger.ledger.transaction import parse_transaction
from careledger.ledger.transition import Block, Header, Receipt, apply_block, close_block
from tests.ledger.world import (
    ANA,
    APPLICATIONS,
    CHAIN,
    NOTES,
    NOW,
    NoteRow,
    SetNote,
    first_state,
    key,
    signed,
    verified,
)

HELLO = SetNote(at="door", text="hello")
UNWELCOME = SetNote(at="door", text="unwelcome")
SAMPLE = Table("t", NoteRow, (str, bytes, int))


def transaction() -> dict[str, object]:
    raw = signed(ANA, HELLO)
    statement = parse_transaction(raw).statement
    return {
        "seed of the key": key(ANA).seed.hex(),
        "public key": key(ANA).public.public.hex(),
        "key id": key_id(key(ANA).public).hex(),
        "command": encode(HELLO).hex(),
        "payload": statement.payload.hex(),
        "signed structure": statement.signed.hex(),
        "id": statement.id.hex(),
        "transaction": raw.hex(),
    }


def state() -> dict[str, object]:
    return {
        'key of ("a\\0b", 00, 258) in table t': SAMPLE.at("a\0b", b"\0", 258).hex(),
        'prefix of ("a") in table t': SAMPLE.prefix("a").hex(),
        "a row": encode(NoteRow(text="hello")).hex(),
        'key of (account, "door") in table toy.notes': NOTES.at(ANA, "door").hex(),
    }


def validators() -> dict[str, object]:
    public = key("riverside's engine").public.public
    evidence = Evidence(
        kind="duplicate-vote", address=consensus_address(public), height=7, time=NOW
    )
    happened = (EventRecord(application="toy", event=encode(HELLO)),)
    entry = BlockEntry(
        height=9,
        time=NOW + 9,
        state_root=digest(b"after"),
        version=1,
        evidence=(encode(evidence),),
        witnessed=events_digest(happened),
    )
    return {
        "consensus key": public.hex(),
        "address": consensus_address(public).hex(),
        "key of its row in ledger.consensus-keys": CONSENSUS_KEYS.at(
            consensus_address(public)
        ).hex(),
        "that row": encode(ConsensusKeyRow(member="riverside")).hex(),
        "key of the row in ledger.validators": VALIDATORS.at("riverside").hex(),
        "the row in ledger.validators": encode(ValidatorRow(power=10, public=public)).hex(),
        "key of a row in ledger.activations": ACTIVATIONS.at("consent", 1_000).hex(),
        "the row in ledger.activations": encode(ActivationRow(version=2)).hex(),
        "evidence": encode(evidence).hex(),
        "events that followed": encode(happened).hex(),
        "block entry": encode_entry(entry).hex(),
        "receipt at its position": encode(
            Receipt(id=digest(encode_entry(entry)), events=happened)
        ).hex(),
    }


def block() -> dict[str, object]:
    genesis = leaf_hash(encode_entry(GenesisEntry(chain=CHAIN)))
    frontier = Frontier().extend([genesis])
    first = Header(
        height=0,
        time=NOW,
        first=0,
        size=1,
        version=1,
        state_root=digest(b"before"),
        log_root=frontier.root(),
        app_hash=app_hash(1, frontier.root(), 1),
    )
    following = Block(
        height=1,
        time=NOW + 5,
        transactions=(verified(ANA, HELLO), verified(ANA, UNWELCOME, nonce=1)),
    )
    applied = apply_block(View(first_state()), first, following, CHAIN, APPLICATIONS)
    closed = close_block(applied, following, first, Digest(digest(b"after")), frontier)
    return {
        "header before": encode(first).hex(),
        "receipts": [encode(receipt).hex() for receipt in applied.receipts],
        "entries": [entry.hex() for entry in closed.entries],
        "log root": closed.header.log_root.hex(),
        "app hash": closed.header.app_hash.hex(),
        "header": encode(closed.header).hex(),
    }
