"""Checkpoints and their signatures: published ones, round trips, and policies."""

import base64
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careledger.ledger.checkpoint import (
    AllOf,
    Checkpoint,
    Quorum,
    SignedByOneOf,
    SignedCheckpoint,
    cosigner_key,
    log_key,
    member_keys,
    parse_checkpoint,
    sign_checkpoint,
    verify_checkpoint,
)
from careledger.ledger.errors import BadSignature, Malformed, ProofError
from careledger.ledger.merkle import EMPTY_ROOT
from careledger.ledger.note import (
    Kind,
    NoteKey,
    NoteSignature,
    cosign_note,
    parse_note,
    sign_note,
    verify_signature,
)
from careledger.ledger.record import Digest, MemberId
from careledger.ledger.signature import SigningKey, verify
from tests.example_log import CHECKPOINT_KEYS, MERCY, ORIGIN, PLAINS, TIME, example_log

PUBLIC = {member: key.public.public for member, key in CHECKPOINT_KEYS.items()}
BOTH = Quorum(2, {member: member_keys(ORIGIN, member, key) for member, key in PUBLIC.items()})
ANY = SignedByOneOf(tuple(log_key(ORIGIN, key) for key in PUBLIC.values()))

# The name and key with which Tessera's published test log was signed.
TESSERA_KEY = "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx"


def test_another_log_s_checkpoints_verify_under_its_published_key(shared_data: Path) -> None:
    name, _, material = TESSERA_KEY.split("+", 2)
    key = NoteKey(name=name, kind=Kind.SIGNATURE, public=base64.b64decode(material)[1:])
    assert key.format() == TESSERA_KEY
    for size in range(1, 16):
        file = shared_data / f"crypto/tessera-log/testdata/log/checkpoint.{size}"
        signed = parse_checkpoint(file.read_text())
        assert verify_checkpoint(signed, name, SignedByOneOf((key,))).size == size
        assert signed.format() == file.read_text()


def test_a_cosignature_signs_what_c2sp_s_example_says() -> None:
    body = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    key = CHECKPOINT_KEYS[MERCY]
    line = cosign_note(body, "witness.example.com/w1", key, 1679315147)
    assert line.signature[:8] == (1679315147).to_bytes(8)
    verify(key.public, f"cosignature/v1\ntime 1679315147\n{body}".encode(), line.signature[8:])


def test_the_published_example_parses_and_formats_to_itself() -> None:
    text = (
        "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"
        "— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5"
        "/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
        "— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrD"
        "JsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n"
    )
    signed = parse_checkpoint(text)
    assert signed.format() == text
    assert signed.checkpoint.size == 20852163
    assert int.from_bytes(signed.signatures[1].signature[:8]) == 1679315147


def test_both_members_sign_and_the_policies_are_satisfied() -> None:
    signed = parse_checkpoint(example_log().checkpoint().format())
    verified = verify_checkpoint(signed, ORIGIN, AllOf((ANY, BOTH)))
    assert verified.size == example_log().size
    assert verified.root == example_log().root()
    assert verified.times == {f"{ORIGIN}/mercy": TIME + 10, f"{ORIGIN}/plains": TIME + 11}
    assert len(verified.signed_by) == 4


def test_one_member_s_two_signatures_are_one_voice() -> None:
    checkpoint = example_log().checkpoint().checkpoint
    alone = sign_checkpoint(checkpoint, MERCY, CHECKPOINT_KEYS[MERCY], TIME)
    verify_checkpoint(alone, ORIGIN, ANY)
    verify_checkpoint(alone, ORIGIN, Quorum(1, BOTH.members))
    with pytest.raises(ProofError, match="too few members"):
        verify_checkpoint(alone, ORIGIN, BOTH)


def test_nobody_is_trusted_without_a_policy() -> None:
    signed = example_log().checkpoint()
    for policy in (AllOf(()), SignedByOneOf(()), Quorum(1, {}), Quorum(0, {})):
        with pytest.raises(ProofError):
            verify_checkpoint(signed, ORIGIN, policy)


def test_strangers_signatures_neither_help_nor_hurt() -> None:
    signed = example_log().checkpoint()
    stranger = SigningKey("EdDSA", bytes(32))
    line = sign_note("something else\n", ORIGIN, stranger)
    verify_checkpoint(signed.with_signatures([line]), ORIGIN, BOTH)
    alone = SignedCheckpoint(checkpoint=signed.checkpoint, signatures=(line,))
    with pytest.raises(ProofError):
        verify_checkpoint(alone, ORIGIN, ANY)


def test_a_known_key_s_bad_signature_spoils_the_whole_note() -> None:
    signed = example_log().checkpoint()
    first = signed.signatures[0]
    broken = NoteSignature(name=first.name, key_id=first.key_id, signature=bytes(64))
    with pytest.raises(ProofError, match="signature is bad"):
        verify_checkpoint(signed.with_signatures([broken]), ORIGIN, ANY)


def test_a_cosignature_does_not_pass_for_the_log_s_signature() -> None:
    text = example_log().checkpoint().checkpoint.text()
    key, public = CHECKPOINT_KEYS[MERCY], PUBLIC[MERCY]
    cosigned = cosign_note(text, ORIGIN, key, TIME)
    plain = log_key(ORIGIN, public)
    forged = NoteSignature(name=ORIGIN, key_id=plain.id, signature=cosigned.signature[8:])
    with pytest.raises(BadSignature):
        verify_signature(text, forged, plain)
    with pytest.raises(BadSignature):
        verify_signature(text, cosigned, plain)


def test_another_time_or_log_is_noticed() -> None:
    signed = example_log().checkpoint()
    with pytest.raises(ProofError, match="another log"):
        verify_checkpoint(signed, "careledger/other", ANY)
    line = signed.signatures[1]
    later = NoteSignature(
        name=line.name,
        key_id=line.key_id,
        signature=(TIME + 99).to_bytes(8) + line.signature[8:],
    )
    with pytest.raises(ProofError):
        verify_checkpoint(signed.with_signatures([later]), ORIGIN, BOTH)


@given(st.integers(0, 2**40), st.binary(min_size=32, max_size=32), st.integers(0, 700))
def test_every_altered_character_is_noticed(size: int, root: bytes, place: int) -> None:
    checkpoint = Checkpoint(origin=ORIGIN, size=size, root=Digest(root))
    signed = sign_checkpoint(checkpoint, MERCY, CHECKPOINT_KEYS[MERCY], TIME)
    text = signed.format()
    assert parse_checkpoint(text) == signed
    place %= len(text)
    altered = text[:place] + ("A" if text[place] != "A" else "B") + text[place + 1 :]
    policy = AllOf((ANY, Quorum(1, {"mercy": (cosigner_key(ORIGIN, MERCY, PUBLIC[MERCY]),)})))
    with pytest.raises((Malformed, ProofError)):
        verify_checkpoint(parse_checkpoint(altered), ORIGIN, policy)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text[:-1],
        lambda text: text + "\n",
        lambda text: text.replace("\n\n", "\n"),
        lambda text: text.replace("\n\n", "\nextension\n\n"),
        lambda text: text.replace("\n7\n", "\n07\n"),
        lambda text: text.replace("\n7\n", "\n-7\n"),
        lambda text: text.replace("\n7\n", "\n\uff17\n"),
        lambda text: text.replace("\n7\n", "\n7 \n"),
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("— ", "- "),
        lambda text: text.replace("— ", "—  "),
        lambda text: text.replace("=\n\n", "\n\n"),
        lambda text: text.replace("careledger", "care ledger"),
        lambda text: text.split("\n\n")[0] + "\n\n",
        lambda text: "",
    ],
)
def test_other_spellings_of_a_checkpoint_are_malformed(spoil: Callable[[str], str]) -> None:
    text = example_log().checkpoint().format()
    with pytest.raises(Malformed):
        parse_checkpoint(spoil(text))


def test_names_that_a_note_cannot_hold_are_malformed() -> None:
    for name in ("", "two words", "a+b", "line\nbreak", "no\u00a0break"):
        with pytest.raises(Malformed):
            NoteKey(name=name, kind=Kind.SIGNATURE, public=bytes(32))
    with pytest.raises(Malformed):
        sign_note("text\n", "name", SigningKey("ES256", bytes(31) + b"\1"))
    with pytest.raises(Malformed):
        parse_note("bell\x07\n\n— a AAAAAAA=\n")


def test_the_empty_log_has_a_checkpoint_too() -> None:
    empty = Checkpoint(origin=ORIGIN, size=0, root=EMPTY_ROOT)
    key = CHECKPOINT_KEYS[PLAINS]
    signed = sign_checkpoint(empty, MemberId("plains"), key, TIME)
    assert verify_checkpoint(parse_checkpoint(signed.format()), ORIGIN, ANY).size == 0
