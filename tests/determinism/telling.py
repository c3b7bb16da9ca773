"""Everything that must come out alike on every machine, told as JSON by whichever Python runs this.

    python -m tests.determinism.telling CHAIN NEW

CHAIN is a stored chain to replay, NEW a folder to write the same one into. Needs no test library.
"""

import json
import sys
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

from careledger.ledger.errors import LedgerError
from careledger.ledger.record import encode
from careledger.mechanisms.policy import Permit
from careledger.node.fsck import check
from careledger.store.layout import DATABASES
from careledger.store.reader import StoreReader
from tests.apps.consent.cases import CASES, Said
from tests.apps.consent.story import ANA, NURSE_EMO, ConsentNetwork
from tests.store.workload import INSTALLED, Workload, create

SEED, BLOCKS = "determinism", 25


def write(folder: Path) -> None:
    """The chain of the seed."""
    with create(folder) as store:
        Workload(SEED, shelves=120, most=20).run(store, BLOCKS)


def content(folder: Path) -> dict[str, str]:
    """A digest of each database, and what consensus agrees on."""
    with StoreReader(folder) as reader, reader.snapshot() as committed:
        told = {database: _digest(committed.pairs(database)) for database in DATABASES}
        latest = committed.latest()
    return told | {"app hash": latest.app_hash.hex(), "state root": latest.state_root.hex()}


def replay(folder: Path) -> str:
    """The chain in `folder`, computed again by this Python and compared byte for byte."""
    report = check(folder, INSTALLED)
    return f"sound, {report.blocks} blocks" if report.is_sound else str(report.first)


def consents() -> str:
    """Real applications: every conflicting consent, its rows and what was decided."""
    told: list[tuple[bytes, bytes]] = []
    for case in CASES:
        network = ConsentNetwork()
        for number, said in enumerate(case.given, start=1):
            network.time += 60
            _say(network, said, number)
        answer = network.decide(case.what, **case.asks)
        said_no = b"" if isinstance(answer, Permit) else encode(answer.dimensions)
        told.append((case.name.encode(), said_no))
        told += sorted(network.state.rows().items())
    return _digest(told)


def _say(network: ConsentNetwork, said: Said, number: int) -> None:
    match said.how:
        case "grant":
            network.do(ANA, network.grant(number, said.terms, **said.fields))
        case "denial":
            network.do(ANA, network.denial(number, said.terms, **said.fields))
        case "paper":
            network.do(NURSE_EMO, network.attest(network.paper(number, said.terms, **said.fields)))
        case "revoke":
            network.revoke(said.fields["number"])


def _digest(pairs: Iterable[tuple[bytes, bytes]]) -> str:
    total = sha256()
    for key, value in pairs:
        for part in (key, value):
            total.update(len(part).to_bytes(8) + part)
    return total.hexdigest()


def main() -> int:
    chain, new = map(Path, sys.argv[1:])
    try:
        write(new)
        told = content(new) | {"replay": replay(chain), "consents": consents()}
    except LedgerError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    print(json.dumps(told))
    return 0


if __name__ == "__main__":
    sys.exit(main())
