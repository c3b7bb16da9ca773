"""Checks that come together are answered as if each came alone."""

from pathlib import Path
from random import Random
from typing import Any

from careledger.consensus.cometbft import messages as m
from careledger.consensus.cometbft.calls import answer, answer_each
from careledger.ledger.transaction import Expired, MalformedTransaction, Replayed, SignatureInvalid
from tests.consensus.cometbft.world import Driver, open_chain
from tests.consensus.world import sign
from tests.ledger.world import ANA, LAKEVIEW, NOW, RIVERSIDE, SetNote

POWERS = {RIVERSIDE: 10}


def note(driver: Driver, number: int, signer: str = ANA, **changed: Any) -> bytes:
    return sign(driver.chain.id, signer, SetNote(at=f"n{number}", text="x"), number, **changed)


def test_checks_side_by_side_are_answered_in_their_order(tmp_path: Path) -> None:
    with open_chain(tmp_path / "chain", POWERS) as chain:
        driver = Driver(chain)
        good, ordered = note(driver, 1), note(driver, 2)
        driver.check(ordered)
        driver.block(ordered)
        forged = bytearray(note(driver, 3))
        forged[-1] ^= 1
        old = note(driver, 4, not_before=NOW - 90, expires=NOW - 1)
        requests = [
            m.RequestCheckTx(tx=good),
            m.RequestCheckTx(tx=good, type=1),
            m.RequestFlush(),
            m.RequestCheckTx(tx=bytes(forged)),
            m.RequestCheckTx(tx=b"garbage"),
            m.RequestCheckTx(tx=old),
            m.RequestCheckTx(tx=ordered, type=1),
            m.RequestCheckTx(tx=ordered),
            m.RequestEcho(message="hi"),
        ]
        found = list(answer_each(driver.application, requests))
        assert found[2] == m.ResponseFlush()
        assert found[8] == m.ResponseEcho(message="hi")
        codes = [one.code for one in found if isinstance(one, m.ResponseCheckTx)]
        refusals = SignatureInvalid, MalformedTransaction, Expired, Replayed, Replayed
        assert codes == [0, 0, *(error.code for error in refusals)]


def test_together_is_as_one_by_one(tmp_path: Path) -> None:
    chance = Random(7)
    with open_chain(tmp_path / "a", POWERS) as first, open_chain(tmp_path / "b", POWERS) as second:
        alone, together = Driver(first), Driver(second)
        raws = [
            note(alone, number, chance.choice((ANA, LAKEVIEW, RIVERSIDE)), expires=NOW + number)
            for number in range(1, 40)
        ]
        for _ in range(6):
            requests = [
                m.RequestCheckTx(tx=chance.choice(raws), type=chance.choice((0, 0, 1)))
                for _ in range(60)
            ]
            found = list(answer_each(together.application, requests))
            assert found == [answer(alone.application, one) for one in requests]
            block = alone.prepare()[:5]
            for driver in (alone, together):
                driver.time += 5
                driver.block(*block)
