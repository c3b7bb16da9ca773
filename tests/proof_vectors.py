"""The proofs' vectors, computed from the example log: `python -m tests.proof_vectors` writes them.

Each becomes `tests/vectors/NAME.json` for other implementations, and the worked example of a page
in `spec/`, between the fences of its block `text example`.
"""

import io
import json
import re
from pathlib import Path

from careledger.ledger.commitment import commit, commit_digest
from careledger.ledger.entry import events_digest
from careledger.ledger.merkle import consistency_proof, leaf_hash
from careledger.ledger.receipt import issue_consistency, issue_inclusion
from careledger.ledger.record import digest, encode
from careledger.ledger.signature import key_id
from careledger.ledger.span import span_proof
from careledger.ledger.tendermint import header_hash, validators_hash, vote_bytes
from careledger.ledger.tile import ENTRIES, Place, encode_bundle, place_at
from careledger.ledger.tlog_proof import TlogProof
from careledger.verify.export import write_export
from careledger.verify.slice import slice_lines
from careledger.verify.trust import format_trust
from tests.apps.vectors import disclosure, identity
from tests.example_log import (
    CHAIN,
    CHECKPOINT_KEYS,
    COMMITTED,
    MERCY,
    NAMES,
    ORIGIN,
    RECEIPT_KEYS,
    RESOURCES,
    SALTS,
    batch,
    example_log,
    opening,
)
from tests.ledger import vectors as core
from tests.store import vectors as store

ROOT = Path(__file__).resolve().parent.parent
VECTORS = ROOT / "tests" / "vectors"
SPEC = ROOT / "spec"
LOG = example_log()

Vector = dict[str, object]


def hexes(values: object) -> list[str]:
    assert isinstance(values, list | tuple)
    return [value.hex() for value in values]


def log() -> Vector:
    return {
        "chain": CHAIN.hex(),
        "entries": hexes(LOG.entries),
        "leaves": hexes(LOG.leaves),
        "roots": [LOG.root(size).hex() for size in range(LOG.size + 1)],
        "events of entry 1": encode(LOG.events[COMMITTED]).hex(),
        "digest of those events": events_digest(LOG.events[COMMITTED]).hex(),
        "inclusion of entry 1": hexes(LOG.path(COMMITTED)),
        "consistency of 3 with 7": hexes(consistency_proof(3, LOG.size, LOG.subtree)),
        "span of entries 2 to 4": encode(span_proof(2, 5, LOG.size, LOG.subtree)).hex(),
    }


def tiles() -> Vector:
    hashes, entries = place_at(0, 0, LOG.size), place_at(ENTRIES, 0, LOG.size)
    assert hashes is not None
    assert entries is not None
    return {
        "size of the log": LOG.size,
        "path of its hashes": hashes.path(),
        "tile there": b"".join(LOG.leaves).hex(),
        "path of its entries": entries.path(),
        "bundle there": encode_bundle(LOG.entries).hex(),
        "paths of the last tiles of a log of 70,000": [
            place.path()
            for level, number in ((ENTRIES, 273), (0, 273), (1, 1), (2, 0))
            if (place := place_at(level, number, 70_000))
        ],
        "path of tile 1234067 of level 0": Place(0, 1234067).path(),
    }


def checkpoint() -> Vector:
    key = CHECKPOINT_KEYS[MERCY]
    return {
        "seed of mercy": key.seed.hex(),
        "public key of mercy": key.public.public.hex(),
        "time": 1_790_000_010,
        "note": LOG.checkpoint().format(),
    }


def receipt() -> Vector:
    result: Vector = {"root": LOG.root().hex(), "entry": LOG.entries[COMMITTED].hex()}
    path = LOG.path(COMMITTED)
    steps = consistency_proof(3, LOG.size, LOG.subtree)
    for member, key in RECEIPT_KEYS.items():
        issuer = f"{ORIGIN}/{member}"
        name = key.algorithm
        result |= {
            f"{name} seed": key.seed.hex(),
            f"{name} public key": key.public.public.hex(),
            f"{name} key id": key_id(key.public).hex(),
            f"{name} inclusion": issue_inclusion(
                key, issuer, LOG.root(), COMMITTED, LOG.size, path
            ).hex(),
            f"{name} consistency": issue_consistency(
                key, issuer, LOG.root(), 3, LOG.size, steps
            ).hex(),
        }
    proof = TlogProof(
        extra=LOG.entries[COMMITTED], index=COMMITTED, path=path, checkpoint=LOG.checkpoint()
    )
    return result | {"tlog-proof": proof.format()}


def record_commitment() -> Vector:
    name = NAMES[2]
    message = (name.custodian, name.account, name.type, name.id, name.version)
    commitment = commit(name, SALTS[2], RESOURCES[2])
    assert commitment == commit_digest(name, SALTS[2], digest(RESOURCES[2]))
    return {
        "resource": RESOURCES[2].decode(),
        "salt": SALTS[2].hex(),
        "message": encode((*message, digest(RESOURCES[2]))).hex(),
        "commitment": commitment.hex(),
        "leaf": leaf_hash(commitment).hex(),
        "leaves of the batch": hexes(batch().leaves),
        "root of the batch": batch().root.hex(),
        "path of record 2": hexes(batch().path(2)),
        "opening": encode(opening(2)).hex(),
        "event": LOG.events[COMMITTED][0].event.hex(),
    }


def export_bundle() -> Vector:
    from tests.verify.network import receipt_file, record_file, row_file, trust

    out = io.BytesIO()
    records = [(opening(number), 0, RESOURCES[number]) for number in range(2)]
    write_export(out, CHAIN, LOG.checkpoint().format(), [LOG.proof(COMMITTED)], records)
    import zipfile

    archive = zipfile.ZipFile(out)
    rows = [(LOG.entries[at], LOG.events.get(at)) for at in range(2, 5)]
    span = span_proof(2, 5, LOG.size, LOG.subtree)
    lines = slice_lines(CHAIN, LOG.checkpoint().format(), span, rows)
    return {
        "manifest.json": archive.read("manifest.json").decode(),
        "bundle.json": archive.read("bundle.json").decode(),
        "transactions.cbor": archive.read("transactions.cbor").hex(),
        "proofs.cbor": archive.read("proofs.cbor").hex(),
        "log slice": b"".join(lines).decode(),
        "trust file": format_trust(trust()),
        "receipt file": encode(receipt_file(COMMITTED, b"commit")).hex(),
        "record file": encode(record_file()).hex(),
        "row file": encode(row_file(b"member\0mercy", b"active")).hex(),
    }


def light_proof() -> Vector:
    from tests.verify.engine import ENGINE_CHAIN, KEYS, engine, light_file, trust_from

    block = engine(voters=("hospital", "clinic", "payer")).block(1)
    vote = block.commit.votes[0]
    return {
        "engine chain": ENGINE_CHAIN,
        **{f"seed of {name}": key.seed.hex() for name, key in KEYS.items()},
        "trust file": format_trust(trust_from()),
        "hash of the validators": validators_hash(block.validators).hex(),
        "hash of the header": header_hash(block.header).hex(),
        "first vote, as signed": vote_bytes(ENGINE_CHAIN, 1, block.commit, vote.time).hex(),
        "app hash": block.header.app_hash.hex(),
        "light proof": encode(light_file(block)).hex(),
    }


ALL = {
    "transaction": core.transaction,
    "state": core.state,
    "block": core.block,
    "validators": core.validators,
    "log": log,
    "tiles": tiles,
    "snapshot": store.snapshot,
    "checkpoint": checkpoint,
    "receipt": receipt,
    "record-commitment": record_commitment,
    "export-bundle": export_bundle,
    "light-proof": light_proof,
    "identity": identity,
    "disclosure": disclosure,
}


def vector_text(name: str) -> str:
    """The vector file."""
    return json.dumps(ALL[name](), indent=1, ensure_ascii=False) + "\n"


def example(name: str) -> str:
    """The worked example of the page: names, and values in lines of 96 characters."""
    lines: list[str] = []
    for key, value in ALL[name]().items():
        lines.append(f"{key}:")
        for number, item in enumerate(value if isinstance(value, list) else [value]):
            mark = f"{number:2}  " if isinstance(value, list) else "    "
            for at, line in enumerate(_wrapped(str(item))):
                lines.append((mark if at == 0 else "    ") + line)
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _wrapped(text: str) -> list[str]:
    if re.fullmatch("[0-9a-f]*", text):
        return [text[at : at + 96] for at in range(0, len(text), 96)] or ["(empty)"]
    return text.rstrip("\n").split("\n")


def page_with_example(name: str) -> str:
    """The page of that name, its example computed anew."""
    page = (SPEC / f"{name}.md").read_text()
    block = f"```text example\n{example(name)}```\n"
    return re.sub(r"```text example\n.*?```\n", lambda _: block, page, flags=re.DOTALL)


if __name__ == "__main__":
    for each in ALL:
        (VECTORS / f"{each}.json").write_text(vector_text(each))
        (SPEC / f"{each}.md").write_text(page_with_example(each))
