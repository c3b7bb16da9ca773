from careledger.consensus.verified import VerifiedOnce
from tests.ledger.world import ANA, SetNote, verified

NOTES = [verified(ANA, SetNote(at=f"n{number}", text="x"), nonce=number) for number in range(5)]


def test_what_was_checked_is_known_by_its_bytes() -> None:
    once = VerifiedOnce()
    once.add(NOTES[0])
    assert once.get(NOTES[0].raw) is NOTES[0]
    assert once.get(NOTES[1].raw) is None
    assert once.missing([one.raw for one in NOTES[:2]] * 2) == [NOTES[1].raw]


def test_what_nobody_asked_for_longest_is_forgotten_first() -> None:
    for bounds in ({"most_transactions": 3}, {"most_bytes": sum(len(n.raw) for n in NOTES[:3])}):
        once = VerifiedOnce(**bounds)
        for one in NOTES[:3]:
            once.add(one)
        once.get(NOTES[0].raw)
        once.add(NOTES[3])
        once.add(NOTES[3])
        assert [one.raw in once for one in NOTES[:4]] == [True, False, True, True]
        assert len(once) == 3
