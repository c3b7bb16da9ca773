"""No name, record number, drug or birth date is in any file of the ledger, in any disguise.

Behaviour 1.2: raw, upper and lower case, hex, base64 at each alignment, and hashed without a salt.
"""

import base64
import hashlib
from collections.abc import Iterator
from pathlib import Path

from careledger.exchange.asker import Asker
from careledger.mechanisms.terms import Provision, Terms
from tests.exchange.reading import search
from tests.exchange.test_other_bases import BREAK_GLASS, emergency, own_ask
from tests.exchange.world import (
    ANA,
    ANA_LOCAL,
    ANA_MRN,
    DR_FINN,
    EVERYTHING,
    MEDICATIONS,
    RIVERSIDE,
    TREAT,
    World,
    bundle,
    medication,
    tell,
)

SEEDED = (
    "Rivera-Quill",
    "1984-03-07",
    "19840307",
    ANA_MRN,
    ANA_LOCAL,
    "Zolpidemex",
    "Zolpidemex 10 mg",
    "secret",
    "MedicationRequest",
    "Observation",
    "4548-4",
)
"""What Ana is called, has and takes; even which kinds of records there are."""


def disguises(token: str) -> Iterator[tuple[str, bytes]]:
    for text in {token, token.upper(), token.lower()}:
        raw = text.encode()
        yield "raw", raw
        yield "hex", raw.hex().encode()
        yield "HEX", raw.hex().upper().encode()
        yield "utf-16", text.encode("utf-16-le")
        for shift in range(3):
            padded = base64.b64encode(bytes(shift) + raw)
            yield "base64", padded[4 if shift else 0 : len(padded) // 4 * 4 - 4]
        for name in ("sha256", "sha1", "md5"):
            hashed = hashlib.new(name, raw).digest()
            yield name, hashed
            yield name, hashed.hex().encode()


def hits(folder: Path) -> list[tuple[str, str, str]]:
    """File, token and disguise of everything found."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    found = []
    for path in files:
        content = path.read_bytes()
        found += [
            (path.name, token, how)
            for token in SEEDED
            for how, needle in disguises(token)
            if len(needle) >= 4 and needle in content
        ]
    return found


def test_no_ledger_file_and_no_gateway_file_holds_a_seeded_identifier(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        terms = Terms(base=Provision(effect="permit", types=("MedicationRequest", "Observation")))
        package = await world.grant(terms)
        await world.lakeview.requester.read(ANA_LOCAL, RIVERSIDE, MEDICATIONS, TREAT)
        await world.lakeview.requester.read(ANA_LOCAL, RIVERSIDE, MEDICATIONS, TREAT)
        await world.lakeview.requester.read(
            ANA_LOCAL, RIVERSIDE, EVERYTHING, BREAK_GLASS, emergency=emergency(world)
        )
        await own_ask(world, ANA)
        search(world.riverside, Asker(purpose="TREAT", practitioner=DR_FINN), ANA_MRN, MEDICATIONS)
        await world.riverside.ingestion.bundle(bundle(medication("m9")))
        await world.riverside.ingestion.settled()
        await world.revoke(package)
        await world.riverside.journal.flush()
        await world.lakeview.acknowledgements.send()
        assert hits(world.folder) == []

    tell(tmp_path, story)


def test_the_search_would_find_them(tmp_path: Path) -> None:
    for number, (_, needle) in enumerate(disguises("Zolpidemex")):
        (tmp_path / f"{number}").write_bytes(b"...." + needle + b"....")
    assert {name for name, token, _ in hits(tmp_path) if token == "Zolpidemex"} == {
        path.name for path in tmp_path.iterdir()
    }
