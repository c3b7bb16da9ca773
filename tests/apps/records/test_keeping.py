"""Keeping: batches of commitments, reads, acknowledgements, legal hold and shredding."""

from careledger.apps.records.commands import (
    AcknowledgeDisclosure,
    AnchorLocalReads,
    AnchorReads,
    CommitRecords,
    DiscloseRecords,
    LocalReadsAnchored,
    PlaceLegalHold,
    ReadsAnchored,
    RecordsCommitted,
    RecordsShredded,
    ReleaseLegalHold,
    ShredRecords,
)
from careledger.apps.records.queries import (
    Shred,
    batch,
    disclosure,
    is_held,
    log,
    overdue,
    shreds,
    stream,
    unacknowledged,
)
from careledger.apps.records.refusals import (
    AlreadyAcknowledged,
    AlreadyShredded,
    HoldTaken,
    ManifestDiffers,
    NoSuchDisclosure,
    NoSuchHold,
    NoSuchSession,
    NotACustodian,
    NotYourPatient,
    OutOfSequence,
    SessionOver,
    UnderLegalHold,
)
from careledger.apps.records.rules import GRACE_S
from careledger.ledger.errors import Malformed
from careledger.ledger.record import digest
from careledger.mechanisms.anchored import Stream
from careledger.verify.event import committed_batches
from tests.apps.network import ANA, BEN, DR_CHO, HILLTOP, LAKEVIEW, NOW, RIVERSIDE
from tests.apps.records.stories import MANIFEST, Story

ROOT = digest(b"root of a batch")
CERTIFICATE = digest(b"salted erasure certificate")
HOLD = b"hold of a court."


def disclosed() -> tuple[Story, DiscloseRecords]:
    story = Story()
    story.grant()
    command = story.disclose()
    story.do(RIVERSIDE, command)
    return story, command


def reads(command: DiscloseRecords, sequence: int = 1, size: int = 7) -> AnchorReads:
    return AnchorReads(session=command.session, root=ROOT, size=size, sequence=sequence)


def acknowledgement(number: int = 1, manifest: bytes = MANIFEST) -> AcknowledgeDisclosure:
    return AcknowledgeDisclosure(custodian=RIVERSIDE, number=number, manifest=manifest)


def test_batches_show_how_many_and_are_numbered_by_the_rule() -> None:
    story = Story()
    first, second = story.do(
        RIVERSIDE, CommitRecords(root=ROOT, size=3), CommitRecords(root=MANIFEST, size=5)
    )
    assert first == RecordsCommitted(custodian=RIVERSIDE, batch=1, root=ROOT, size=3)
    assert second.batch == 2
    [other] = story.do(HILLTOP, CommitRecords(root=ROOT, size=1))
    assert other.batch == 1
    assert stream(story.view, RIVERSIDE, "records") == Stream(batches=2, items=8)
    found = batch(story.view, RIVERSIDE, 2)
    assert found is not None
    assert (found.root, found.size) == (MANIFEST, 5)
    assert batch(story.view, RIVERSIDE, 3) is None


def test_the_stand_alone_verifier_reads_the_batch_in_the_event() -> None:
    story = Story()
    receipt = story.attempt(RIVERSIDE, CommitRecords(root=ROOT, size=3))
    [found] = committed_batches(receipt.events)
    assert (found.custodian, found.batch, found.root, found.size) == (RIVERSIDE, 1, ROOT, 3)


def test_an_empty_batch_anchors_nothing() -> None:
    story = Story()
    assert story.attempt(RIVERSIDE, CommitRecords(root=ROOT, size=0)).code == Malformed.code


def test_only_members_commit_records() -> None:
    story = Story()
    story.refuse(ANA, NotACustodian, CommitRecords(root=ROOT, size=3))


def test_reads_in_a_session_are_anchored_in_order_and_in_anas_log() -> None:
    story, command = disclosed()
    [first] = story.do(RIVERSIDE, reads(command))
    assert isinstance(first, ReadsAnchored)
    assert (first.receiver, first.number, first.account) == (LAKEVIEW, 1, ANA)
    story.refuse(RIVERSIDE, OutOfSequence, reads(command))
    story.refuse(RIVERSIDE, OutOfSequence, reads(command, 3))
    story.time += 10
    story.do(RIVERSIDE, reads(command, 2, size=2))
    assert [(line.at - NOW, line.reads) for line in log(story.view, ANA)] == [
        (0, None),
        (0, 7),
        (10, 2),
    ]
    assert {line.answer for line in log(story.view, ANA)} == {
        disclosure(story.view, RIVERSIDE, LAKEVIEW, 1)
    }


def test_reads_belong_to_ones_own_session() -> None:
    story, command = disclosed()
    story.refuse(HILLTOP, NoSuchSession, reads(command))
    story.refuse(LAKEVIEW, NoSuchSession, reads(command))


def test_reads_are_anchored_until_shortly_after_the_session() -> None:
    story, command = disclosed()
    story.time += 900 + GRACE_S
    story.do(RIVERSIDE, reads(command))
    story.time += 1
    story.refuse(RIVERSIDE, SessionOver, reads(command, 2))


def test_local_reads_are_anchored_without_saying_whose() -> None:
    story = Story()
    [happened] = story.do(RIVERSIDE, AnchorLocalReads(root=ROOT, size=40, sequence=1))
    assert isinstance(happened, LocalReadsAnchored)
    again = AnchorLocalReads(root=ROOT, size=40, sequence=1)
    story.refuse(RIVERSIDE, OutOfSequence, again)
    assert stream(story.view, RIVERSIDE, "local") == Stream(batches=1, items=40)
    assert stream(story.view, RIVERSIDE, "records") == Stream()


def test_the_receiver_acknowledges_what_it_received_once() -> None:
    story, _ = disclosed()
    [owed] = unacknowledged(story.view, LAKEVIEW)
    assert (owed.custodian, owed.number) == (RIVERSIDE, 1)
    story.refuse(LAKEVIEW, ManifestDiffers, acknowledgement(manifest=ROOT))
    story.refuse(LAKEVIEW, NoSuchDisclosure, acknowledgement(number=2))
    [happened] = story.do(LAKEVIEW, acknowledgement())
    assert happened.account == ANA
    assert not list(unacknowledged(story.view, LAKEVIEW))
    story.refuse(LAKEVIEW, AlreadyAcknowledged, acknowledgement())


def test_nobody_else_acknowledges() -> None:
    story, _ = disclosed()
    for other in (RIVERSIDE, HILLTOP, ANA, BEN, DR_CHO):
        story.refuse(other, NoSuchDisclosure, acknowledgement())


def test_ana_acknowledges_what_she_got_herself() -> None:
    story = Story()
    story.do(RIVERSIDE, story.own_access())
    story.refuse(RIVERSIDE, NoSuchDisclosure, acknowledgement())
    story.do(ANA, acknowledgement())


def test_a_refusal_is_not_acknowledged() -> None:
    story = Story()
    story.do(RIVERSIDE, story.refusal())
    story.refuse(LAKEVIEW, NoSuchDisclosure, acknowledgement())
    assert not list(unacknowledged(story.view, LAKEVIEW))


def test_an_unacknowledged_disclosure_is_overdue_after_a_day() -> None:
    story, _ = disclosed()
    assert not list(overdue(story.view, LAKEVIEW, NOW + 86_399))
    [late] = overdue(story.view, LAKEVIEW, NOW + 86_400)
    assert late.number == 1
    story.do(LAKEVIEW, acknowledgement())
    assert not list(overdue(story.view, LAKEVIEW, NOW + 86_400))


def test_records_under_legal_hold_are_not_shredded() -> None:
    story = Story()
    shred = ShredRecords(account=ANA, certificate=CERTIFICATE)
    other = b"hold of another."
    story.do(RIVERSIDE, PlaceLegalHold(account=ANA, hold=HOLD))
    story.do(RIVERSIDE, PlaceLegalHold(account=ANA, hold=other))
    story.refuse(RIVERSIDE, HoldTaken, PlaceLegalHold(account=ANA, hold=HOLD))
    story.do(RIVERSIDE, ReleaseLegalHold(account=ANA, hold=other))
    assert is_held(story.view, RIVERSIDE, ANA)
    story.refuse(RIVERSIDE, UnderLegalHold, shred)
    story.do(RIVERSIDE, ShredRecords(account=BEN, certificate=CERTIFICATE))
    story.do(RIVERSIDE, ReleaseLegalHold(account=ANA, hold=HOLD))
    story.refuse(RIVERSIDE, NoSuchHold, ReleaseLegalHold(account=ANA, hold=HOLD))
    assert not is_held(story.view, RIVERSIDE, ANA)
    story.do(RIVERSIDE, shred)


def test_shredding_is_an_event_that_a_restore_can_replay() -> None:
    story = Story()
    shred = ShredRecords(account=ANA, certificate=CERTIFICATE)
    [happened] = story.do(RIVERSIDE, shred)
    assert happened == RecordsShredded(
        custodian=RIVERSIDE, account=ANA, certificate=CERTIFICATE, at=NOW
    )
    story.refuse(RIVERSIDE, AlreadyShredded, shred)
    assert list(shreds(story.view, RIVERSIDE)) == [
        Shred(account=ANA, certificate=CERTIFICATE, at=NOW)
    ]
    assert not list(shreds(story.view, HILLTOP))


def test_only_the_custodian_holds_and_shreds() -> None:
    story = Story()
    for command in (
        ShredRecords(account=ANA, certificate=CERTIFICATE),
        PlaceLegalHold(account=ANA, hold=HOLD),
        ReleaseLegalHold(account=ANA, hold=HOLD),
    ):
        story.refuse(LAKEVIEW, NotYourPatient, command)
        story.refuse(ANA, NotACustodian, command)
    practitioner = ShredRecords(account=DR_CHO, certificate=CERTIFICATE)
    story.refuse(LAKEVIEW, NotYourPatient, practitioner)
