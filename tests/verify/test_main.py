"""`careledger-verify` from outside: sentences, verdicts and exit statuses."""

import dataclasses
import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from careledger.ledger.checkpoint import Checkpoint, sign_checkpoint
from careledger.ledger.errors import Malformed
from careledger.ledger.record import Digest
from careledger.ledger.signature import SigningKey
from careledger.ledger.span import span_proof
from careledger.ledger.tlog_proof import TlogProof
from careledger.verify.export import write_export
from careledger.verify.format import EvidenceFile, encode_file, receipt_from_tlog_proof
from careledger.verify.main import command, main
from careledger.verify.slice import slice_lines
from careledger.verify.trust import Trust, format_trust
from tests.example_log import (
    ANA,
    CHAIN,
    COMMITTED,
    GRANTED,
    MERCY,
    ORIGIN,
    REFUSED,
    RESOURCES,
    STATE_ROWS,
    TIME,
    opening,
)
from tests.verify.network import LOG, receipt_file, record_file, row_file, trust

Verify = Callable[..., Result]
KEY = next(iter(STATE_ROWS))


@pytest.fixture
def verify(tmp_path: Path) -> Verify:
    """Run the command on a file of these bytes."""

    def run(data: bytes, *trusts: Trust, arguments: tuple[str, ...] = ()) -> Result:
        file = tmp_path / "evidence"
        file.write_bytes(data)
        options = list(arguments)
        for number, each in enumerate(trusts):
            path = tmp_path / f"trust-{number}"
            path.write_text(format_trust(each))
            options += ["--trust", str(path)]
        result = CliRunner().invoke(command, [str(file), *options], standalone_mode=False)
        if result.exception:
            raise result.exception
        return result

    return run


GOOD: dict[str, tuple[bytes, str]] = {
    "receipt": (encode_file(receipt_file(COMMITTED, b"commit")), "took effect with 1 event"),
    "refusal": (encode_file(receipt_file(REFUSED, b"refused")), "was refused with number 301"),
    "record": (encode_file(record_file()), "Observation/glucose-2 version 1 from mercy is as"),
    "row": (encode_file(row_file(KEY, STATE_ROWS[KEY])), "the row had the value given here"),
    "absence": (encode_file(row_file(b"consent\0other", None)), "there was no such row"),
    "tlog-proof": (
        TlogProof(
            extra=LOG.entries[GRANTED],
            index=GRANTED,
            path=LOG.path(GRANTED),
            checkpoint=LOG.checkpoint(),
        )
        .format()
        .encode(),
        "That is entry 2 of the log",
    ),
    "checkpoint": (LOG.checkpoint().format().encode(), f"It is a checkpoint of {ORIGIN}"),
}


@pytest.mark.parametrize("name", GOOD)
def test_good_evidence_is_verified_by_whom_the_reader_trusts(verify: Verify, name: str) -> None:
    data, sentence = GOOD[name]
    result = verify(data, trust())
    assert result.return_value == 0, result.output
    assert sentence in result.output
    assert "signed by mercy, plains; your trust file asks for 2 of 2" in result.output
    assert result.output.endswith("Verified.\n")


@pytest.mark.parametrize("name", GOOD)
def test_without_trust_nothing_is_called_verified(verify: Verify, name: str) -> None:
    result = verify(GOOD[name][0])
    assert result.return_value == 2
    assert "erified." not in result.output
    assert LOG.checkpoint().signatures[0].key_id.hex() in result.output
    assert "Undecided" in result.output


def test_trust_in_another_chain_is_no_trust_in_this_one(verify: Verify) -> None:
    assert verify(GOOD["receipt"][0], trust(chain="00" * 32)).return_value == 2
    assert verify(GOOD["receipt"][0], trust(chain="00" * 32), trust()).return_value == 0


def claims(result: Result) -> list[str]:
    """What it says was found, without what was not counted."""
    return [line for line in result.output.splitlines() if "COSE" not in line]


@pytest.mark.parametrize("name", GOOD)
def test_no_altered_byte_makes_it_say_something_else(verify: Verify, name: str) -> None:
    """Signatures of keys that nobody trusts are ignored, as C2SP asks; nothing else may differ."""
    data = GOOD[name][0]
    said = claims(verify(data, trust()))
    for place in range(0, len(data), max(1, len(data) // 100)):
        altered = data[:place] + bytes([data[place] ^ 0x04]) + data[place + 1 :]
        result = verify(altered, trust())
        assert result.return_value or claims(result) == said, place


def log_slice() -> bytes:
    rows = [(entry, LOG.events.get(at)) for at, entry in enumerate(LOG.entries)]
    span = span_proof(0, LOG.size, LOG.size, LOG.subtree)
    return b"".join(slice_lines(CHAIN, LOG.checkpoint().format(), span, rows))


def test_deleting_one_row_of_a_log_is_noticed(verify: Verify) -> None:
    lines = log_slice().splitlines(keepends=True)
    result = verify(b"".join(lines), trust(), arguments=("--about", ANA))
    assert result.return_value == 0, result.output
    assert "Row 2: consent granted (grantee plains)." in result.output
    result = verify(b"".join(lines[:4] + lines[5:]), trust())
    assert result.return_value == 1
    assert "Row 3: another row stands in its place" in result.output


def test_changing_one_byte_of_an_export_is_noticed(verify: Verify) -> None:
    out = io.BytesIO()
    records = [(opening(number), 0, RESOURCES[number]) for number in range(5)]
    write_export(out, CHAIN, LOG.checkpoint().format(), [LOG.proof(COMMITTED)], records)
    good = out.getvalue()
    assert verify(good, trust()).return_value == 0
    assert verify(good).return_value == 2
    place = good.index(b"bundle.json") + 200
    result = verify(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :], trust())
    assert result.return_value == 1
    assert "FAILED" in result.output


def test_another_log_under_the_same_name_fails(verify: Verify) -> None:
    """An operator who rewrites history needs the other members' signatures, and has them not."""
    plain = Checkpoint(origin=ORIGIN, size=LOG.size, root=LOG.root())
    forged = sign_checkpoint(plain, MERCY, SigningKey("EdDSA", bytes(32)), TIME)
    file = msgspec.structs.replace(record_file(), checkpoint=forged.format())
    result = verify(encode_file(file), trust())
    assert result.return_value == 1
    assert "Too few members signed the checkpoint (expected 2, actual 0)" in result.output


def test_a_checkpoint_that_its_receipts_contradict_fails(verify: Verify) -> None:
    file = receipt_file(COMMITTED, b"commit")
    other = Checkpoint(origin=ORIGIN, size=LOG.size, root=Digest(bytes(32)))
    signed = sign_checkpoint(other, MERCY, SigningKey("EdDSA", bytes(32)), TIME)
    result = verify(encode_file(msgspec.structs.replace(file, checkpoint=signed.format())), trust())
    assert result.return_value == 1


def test_a_receipt_file_is_made_from_what_a_node_serves() -> None:
    kept = receipt_file(COMMITTED, b"commit")
    served = TlogProof(
        extra=LOG.entries[COMMITTED],
        index=COMMITTED,
        path=LOG.path(COMMITTED),
        checkpoint=LOG.checkpoint(),
    )
    made = receipt_from_tlog_proof(served, LOG.events[COMMITTED], kept.transaction, kept.receipts)
    assert made == kept
    for extra in (None, LOG.entries[0], LOG.entries[4]):
        with pytest.raises(Malformed):
            receipt_from_tlog_proof(dataclasses.replace(served, extra=extra), ())


SPOILT: dict[str, tuple[EvidenceFile, str]] = {
    "content": (
        msgspec.structs.replace(record_file(), content=b"{}"),
        "These bytes are not what the custodian committed to",
    ),
    "refused batch": (
        msgspec.structs.replace(record_file(), transaction=LOG.proof(REFUSED)),
        "The transaction was refused",
    ),
    "other event": (
        msgspec.structs.replace(record_file(), transaction=LOG.proof(GRANTED)),
        "No event of the transaction commits this batch",
    ),
    "other message": (receipt_file(COMMITTED, b"another"), "The receipt is of another message"),
    "other chain": (
        msgspec.structs.replace(record_file(), chain=bytes(32)),
        "The checkpoint is of another chain",
    ),
    "other value": (
        msgspec.structs.replace(row_file(KEY, STATE_ROWS[KEY]), value=b"revoked"),
        "Another row",
    ),
    "denied presence": (row_file(KEY, None), "Another row"),
}


@pytest.mark.parametrize("name", SPOILT)
def test_a_failure_says_what_is_wrong(verify: Verify, name: str) -> None:
    file, sentence = SPOILT[name]
    result = verify(encode_file(file), trust())
    assert result.return_value == 1
    assert sentence in result.output
    assert result.output.endswith("FAILED: do not rely on this file.\n")


@pytest.mark.parametrize("noise", [b"", b"hello", b"\xa1", b"\xff" * 100, b"PK\x03\x04", b"{}"])
def test_what_is_no_evidence_fails(verify: Verify, noise: bytes) -> None:
    result = verify(noise, trust())
    assert result.return_value == 1
    assert "not a file that this program knows" in result.output


@pytest.mark.parametrize(
    "arguments", [[], ["missing"], ["--nonsense"], [__file__, "--trust", __file__]]
)
def test_wrong_usage_has_its_own_status(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 64


def test_it_runs_as_a_program_and_imports_no_node(tmp_path: Path) -> None:
    file = tmp_path / "receipt"
    file.write_bytes(GOOD["receipt"][0])
    code = (
        "import sys; from careledger.verify.main import main\n"
        "try: main()\n"
        "finally: print(sorted(name for name in sys.modules if name.startswith('careledger.')"
        " and name.split('.')[1] not in ('ledger', 'verify')), 'lmdb' in sys.modules)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, file], capture_output=True, text=True, check=False
    )
    assert run.returncode == 2, run.stderr
    assert run.stdout.endswith("[] False\n")
