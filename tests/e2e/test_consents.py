"""Consents: the patient's own key gives and ends them, history stays, a receipt goes along."""

import json
import re
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from careledger.apps.consent.commands import (
    AttestPaperConsent,
    DenyConsent,
    EndPaperConsent,
    GrantConsent,
    RevokeConsent,
    SaidOnPaper,
)
from careledger.apps.identity.commands import (
    ClaimAccount,
    EnrolAccount,
    PatientHolder,
    ReissueClaim,
    RotateAccountKey,
)
from careledger.ledger.possession import new_key
from careledger.ledger.record import AccountId
from careledger.ledger.signature import SigningKey, key_id
from careledger.verify.format import ConsentFile, decode_file
from careledger.verify.scanned import PREFIX
from tests.e2e.conftest import World
from tests.e2e.network import Json, quickly, verify
from tests.e2e.qr import scan

NOT_THE_PATIENT, ID_USED = 300, 304
ENVELOPES = "consent.envelopes"


def grant(
    custodian: str, consent_id: bytes | None = None, **other: Any
) -> GrantConsent:  # Any: its fields
    """A grant of everything to Lakeview."""
    fields = {
        "consent_id": consent_id or secrets.token_bytes(16),
        "custodian": custodian,
        "grantee": "lakeview",
        "purposes": ("TREAT",),
        "actions": ("read", "search", "export"),
        "valid_from": 0,
        **other,
    }
    return GrantConsent(**fields)


def told_of(standings: list[Json], consent: str) -> Json:
    """One consent of a list."""
    [found] = [one for one in standings if one["consent"] == consent]
    return found


def flipped(data: bytes, count: int) -> Iterator[tuple[bytes, int]]:
    """A consent receipt with one byte turned over, at `count` places all over it.

    Left out is what names a signer, beside others who suffice, and the patient's own signature:
    the ledger checked it when it ordered the message, and no key of hers is in the file.
    """
    file = decode_file(data)
    assert isinstance(file, ConsentFile)
    message, receipts = file.receipt.transaction, file.receipt.receipts
    assert message is not None
    spared = [one.span() for one in re.finditer("— [^\n]*\n".encode(), data)]
    kept = [message[-64:], *(one[one.index(b"\x04X ") + 3 :][:32] for one in receipts)]
    spared += [(data.index(one), data.index(one) + len(one)) for one in kept]
    assert len(spared) == 7, "two checkpoints of two lines, two COSE Receipts, one message"
    for place in range(0, len(data), len(data) // count):
        if not any(start <= place < end for start, end in spared):
            yield data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 :], place


# --- 11.2 -----------------------------------------------------------------------------------------


def test_11_2_no_operator_member_or_practitioner_touches_a_patient_s_consent(world: World) -> None:
    node, olga = world.node, world.olga
    account = olga.account["riverside"]
    consent = olga.consents("grant", "riverside", "--to", "lakeview", "--for", "coc")
    id_, before = bytes.fromhex(consent), olga.knows("consent", "list")
    row = node.row(ENVELOPES, account, consent)["row_bytes"]

    # Riverside operates the node and keeps her records; Lakeview is who would like to see them.
    members = [(name, node.member_key(name)) for name in ("riverside", "lakeview")]
    people = [(one.account, one.transaction) for one in (world.mori, world.cho)]
    for signer, key in (*members, *people):
        for custodian in ("riverside", "lakeview"):
            new = grant(custodian)
            assert node.code(signer, key, "consent", new) == NOT_THE_PATIENT
        denial = DenyConsent(
            consent_id=secrets.token_bytes(16), custodian="riverside", valid_from=0
        )
        assert node.code(signer, key, "consent", denial) == NOT_THE_PATIENT
        widened = grant("riverside", id_)
        assert node.code(signer, key, "consent", widened) == NOT_THE_PATIENT
        end = RevokeConsent(consent_id=id_)
        assert node.code(signer, key, "consent", end) == NOT_THE_PATIENT

    # Nor by way of the desk: paper is attested by two, and ends nothing that she signed herself.
    end_paper = EndPaperConsent(account=account, consent_id=id_)
    mori = world.mori
    assert node.code(mori.account, mori.transaction, "consent", end_paper) == 314
    assert node.code("riverside", node.member_key("riverside"), "consent", end_paper) == 311
    paper = SaidOnPaper(
        consent_id=secrets.token_bytes(16),
        custodian="riverside",
        grantee="lakeview",
        purposes=("TREAT",),
        actions=("read",),
        valid_from=0,
        account=account,
        kind="grant",
        paper=secrets.token_bytes(32),
    )
    forged = AttestPaperConsent(consent=paper, witness=b"\x00")
    assert node.code(mori.account, mori.transaction, "consent", forged) != 0

    assert olga.knows("consent", "list") == before
    assert node.row(ENVELOPES, account, consent)["row_bytes"] == row


def test_11_2_no_one_else_comes_by_a_key_of_hers(world: World) -> None:
    node, olga = world.node, world.olga
    account = AccountId(olga.account["riverside"])
    operator, theirs = node.member_key("riverside"), SigningKey("EdDSA", secrets.token_bytes(32))
    hers = node.patient_key(olga, "riverside")
    new = new_key(theirs, "transaction", account, node.chain)
    claim = new_key(theirs, "claim", account, node.chain)
    rotate = RotateAccountKey(old=key_id(hers.public), key=new)
    until = int(time.time()) + 3_600
    enrol = EnrolAccount(account=account, holder=PatientHolder(), ial=2, key=new)
    reissue = ReissueClaim(account=account, key=claim, claim_until=until)

    assert node.code("riverside", operator, "identity", rotate) == 207
    assert node.code("riverside", operator, "identity", enrol) == 201
    assert node.code("riverside", operator, "identity", reissue) == 205
    # Signed in her name by keys that are not hers, it enters no block at all.
    for key in (operator, theirs):
        assert node.code(account, key, "identity", rotate) == 56
        assert node.code(account, key, "consent", grant("riverside")) == 56
    assert node.code(account, theirs, "identity", ClaimAccount(key=new)) == 56


# --- 11.5 -----------------------------------------------------------------------------------------


def test_11_5_what_was_consented_stays_and_consenting_again_is_another_record(world: World) -> None:
    node, olga = world.node, world.olga
    account, key = olga.account["riverside"], node.patient_key(olga, "riverside")
    said = "grant", "riverside", "--to", "lakeview", "--for", "operations"
    first = olga.consents(*said, "--label", "the first")
    given = told_of(olga.knows("consent", "list"), first)
    olga.revokes(first)
    second = olga.consents(*said, "--label", "the second")
    assert second != first

    standings = olga.knows("consent", "list")
    ended, again = told_of(standings, first), told_of(standings, second)
    assert ended.pop("ended") >= given["given"]
    assert given.pop("ended") is None
    assert ended == given, "nothing but its end has changed"
    assert again["ended"] is None
    assert ended["label"] == "the first"

    # Her own key does not overwrite it either: an id is used once, and what ended stays ended.
    row = node.row(ENVELOPES, account, first)["row_bytes"]
    over = grant("riverside", bytes.fromhex(first), purposes=("HRESCH",))
    assert node.code(account, key, "consent", over) == ID_USED
    assert node.code(account, key, "consent", RevokeConsent(consent_id=bytes.fromhex(first))) == 0
    assert node.row(ENVELOPES, account, first)["row_bytes"] == row

    lines = [one["event"] for one in olga.knows("log", "--all") if one["kind"] == "consent"]
    history = [
        (one["consent_id"], "ended" if "ended" in one else "given")
        for one in lines
        if one["consent_id"] in {first, second}
    ]
    assert history == [(first, "given"), (first, "ended"), (second, "given")]


# --- 11.6 -----------------------------------------------------------------------------------------


def test_11_6_a_consent_receipt_is_checked_offline_from_a_file_or_a_qr_code(
    world: World, tmp_path: Path
) -> None:
    trust, olga = world.network.trust, world.olga
    consent = olga.consents(
        *("grant", "riverside", "--to", "lakeview", "--for", "coc", "--what", "results"),
        *("--except-label", "psychiatry"),
    )
    file, code = tmp_path / "consent.receipt", tmp_path / "consent.png"
    olga.says("receipt", consent, "--out", file, "--qr", code)
    said = verify(file, "--trust", trust)
    assert said.returncode == 0, said.stdout
    assert f"{olga.account['riverside']} allows lakeview: read, search" in said.stdout
    assert "for COC" in said.stdout
    assert "The terms given here are those that it commits to." in said.stdout
    assert "It had not been ended." in said.stdout
    assert verify(file).returncode == 2, "without a trust file nothing says whom to believe"
    others, doubt = json.loads(trust.read_bytes()), tmp_path / "trust.json"
    others["members"][0]["checkpoint"] = ["A" * 43 + "="]
    doubt.write_text(json.dumps(others))
    assert quickly(file, doubt) == 1, "nobody whom this reader believes has signed it"

    scanned = tmp_path / "scanned.txt"
    text = scan(code.read_bytes())
    assert text.startswith(PREFIX)
    scanned.write_text(text)
    assert quickly(scanned, trust) == 0
    at = len(text) // 2
    scanned.write_text(text[:at] + ("0" if text[at] != "0" else "1") + text[at + 1 :])
    assert quickly(scanned, trust) == 1
    changed = tmp_path / file.name.replace("consent", "changed")
    for data, place in flipped(file.read_bytes(), 60):
        changed.write_bytes(data)
        assert quickly(changed, trust) == 1, place

    olga.revokes(consent)
    later = tmp_path / "later.receipt"
    olga.says("receipt", consent, "--out", later)
    after = verify(later, "--trust", trust)
    assert after.returncode == 0
    assert re.search(r"It had been ended, at \d{4}-", after.stdout)
    assert quickly(file, trust) == 0, "it shows what stood at its time"
