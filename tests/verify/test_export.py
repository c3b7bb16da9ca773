"""Exports: the whole record as a Bundle, every byte of it accounted for."""

import io
import json
import zipfile
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from careledger.ledger.commitment import Opening
from careledger.ledger.errors import LedgerError, ProofError
from careledger.ledger.record import Digest
from careledger.verify.export import BUNDLE, CHECKPOINT, MANIFEST, PROOFS, write_export
from careledger.verify.exported import check_export
from careledger.verify.step import Step
from tests.example_log import CHAIN, COMMITTED, GRANTED, REFUSED, RESOURCES, opening
from tests.verify.network import LOG, trust

RECORDS = [(opening(number), 0, RESOURCES[number]) for number in range(5)]


def export(
    records: list[tuple[Opening, int, bytes]] | None = None, transaction: int = COMMITTED
) -> bytes:
    out = io.BytesIO()
    write_export(
        out,
        Digest(CHAIN),
        LOG.checkpoint().format(),
        [LOG.proof(transaction)],
        RECORDS if records is None else records,
    )
    return out.getvalue()


def check(data: bytes) -> list[Step]:
    return list(check_export(io.BytesIO(data), [trust()]))


def test_the_whole_record_verifies() -> None:
    steps = check(export())
    assert all(step.decided for step in steps)
    assert "5 resources are byte for byte what the custodians committed to" in steps[1].sentence


def test_the_bundle_is_plain_fhir_with_the_bytes_as_received() -> None:
    bundle = zipfile.ZipFile(io.BytesIO(export())).read(BUNDLE)
    assert all(content in bundle for content in RESOURCES)
    parsed = json.loads(bundle)
    assert (parsed["resourceType"], parsed["type"]) == ("Bundle", "collection")
    assert [entry["resource"]["id"] for entry in parsed["entry"]] == [
        f"glucose-{number}" for number in range(5)
    ]
    assert parsed["entry"][0]["fullUrl"] == "https://mercy.invalid/fhir/Observation/glucose-0"


def test_the_same_records_give_the_same_file() -> None:
    assert export() == export()


def test_an_export_of_nothing_is_true() -> None:
    assert "0 resources" in check(export([]))[1].sentence


def test_it_is_written_without_seeking() -> None:
    class Pipe(io.RawIOBase):
        def __init__(self) -> None:
            self.written = bytearray()

        def writable(self) -> bool:
            return True

        def seekable(self) -> bool:
            return False

        def write(self, data: object) -> int:
            self.written += memoryview(data)  # type: ignore[arg-type]  # a buffer
            return memoryview(data).nbytes  # type: ignore[arg-type]  # a buffer

    pipe = Pipe()
    write_export(
        pipe,  # type: ignore[arg-type]  # all that is asked of it is `write`
        Digest(CHAIN),
        LOG.checkpoint().format(),
        [LOG.proof(COMMITTED)],
        iter(RECORDS),
    )
    assert len(check(bytes(pipe.written))) == 3


Tamper = Callable[[dict[str, bytes]], None]


def repacked(data: bytes, tamper: Tamper) -> bytes:
    """The export with its members changed, in a sound zip file."""
    old = zipfile.ZipFile(io.BytesIO(data))
    members = {name: old.read(name) for name in old.namelist()}
    tamper(members)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as new:
        for name, content in members.items():
            new.writestr(name, content)
    return out.getvalue()


def edit(name: str, old: bytes, new: bytes) -> Tamper:
    def tamper(members: dict[str, bytes]) -> None:
        assert old in members[name]
        members[name] = members[name].replace(old, new, 1)

    return tamper


TAMPERINGS: dict[str, tuple[Tamper, str]] = {
    "a value": (
        edit(BUNDLE, b'"value":92.00', b'"value":98.00'),
        r"entry 3 \(Observation/glucose-2 version 1 from mercy\): these bytes are not what",
    ),
    "a name": (
        edit(BUNDLE, b"mercy.invalid/fhir/Observation/glucose-1", b"mercy.invalid/fhir/A/b"),
        "entry 2, or what follows entry 1: the bundle holds something that no proof speaks of",
    ),
    "one more resource": (
        edit(BUNDLE, b"\n]}", b',\n{"resource":{}}\n]}'),
        "the bundle holds something that no proof speaks of",
    ),
    "something after": (edit(BUNDLE, b"]}\n", b"]}\n "), "the file is damaged"),
    "a resource cut out": (edit(BUNDLE, RESOURCES[1], b""), "entry 2"),
    "a proof cut out": (
        lambda members: members.update({PROOFS: members[PROOFS][: len(members[PROOFS]) // 2]}),
        "the file is damaged",
    ),
    "the count": (edit(MANIFEST, b'"records":5', b'"records":6'), "what its manifest says"),
    "the chain": (edit(MANIFEST, CHAIN.hex().encode(), b"00" * 32), "another chain"),
}


@pytest.mark.parametrize("name", TAMPERINGS)
def test_tampering_is_named_by_its_entry(name: str) -> None:
    tamper, sentence = TAMPERINGS[name]
    with pytest.raises(ProofError, match=sentence):
        check(repacked(export(), tamper))


@pytest.mark.parametrize(
    "tamper",
    [
        lambda members: members.pop(MANIFEST),
        lambda members: members.update({"more.txt": b""}),
        lambda members: members.update({CHECKPOINT: b"\xff"}),
        lambda members: members.update({MANIFEST: b"{}"}),
        lambda members: members.update({MANIFEST: members[MANIFEST] + b" "}),
        lambda members: members.update({PROOFS: b"\x5b" + b"\xff" * 8}),
        lambda members: members.update({PROOFS: b"\x58\x01\x00"}),
    ],
)
def test_other_shapes_are_refused(tamper: Tamper) -> None:
    with pytest.raises(LedgerError):
        check(repacked(export(), tamper))


def test_two_members_of_one_name_are_refused() -> None:
    out = io.BytesIO(export())
    with zipfile.ZipFile(out, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr(BUNDLE, b"another")
    with pytest.raises(LedgerError):
        check(out.getvalue())


@pytest.mark.parametrize("transaction", [GRANTED, REFUSED])
def test_a_transaction_that_did_not_commit_the_batch_proves_nothing(transaction: int) -> None:
    with pytest.raises(ProofError, match="entry 1"):
        check(export(transaction=transaction))


def test_a_record_of_a_transaction_that_is_not_there_fails() -> None:
    with pytest.raises(ProofError, match="its transaction is missing"):
        check(export([(opening(0), 1, RESOURCES[0])]))


def test_one_custodian_s_proof_is_not_another_s() -> None:
    mercy = opening(0)
    other = msgspec.structs.replace(
        mercy, name=msgspec.structs.replace(mercy.name, custodian="plains")
    )
    with pytest.raises(ProofError, match="from plains"):
        check(export([(other, 0, RESOURCES[0])]))


@given(st.data())
def test_no_flipped_bit_changes_what_is_shown(data: st.DataObject) -> None:
    good = export()
    altered = bytearray(good)
    bit = data.draw(st.integers(0, len(good) * 8 - 1))
    altered[bit // 8] ^= 1 << bit % 8
    try:
        steps = check(bytes(altered))
    except LedgerError:
        return
    # What a zip file says twice, and names of keys that are not counted, may differ.
    assert [step.sentence for step in steps] == [step.sentence for step in check(good)]
