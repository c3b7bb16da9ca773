"""Putting bundles of 300 resources into the vault: more than 10,000 resources a second is the goal.

Sealed, indexed, committed and durable, one SQLite transaction a bundle, on one core. The ratio is
to sealing the same bytes with AES-256-GCM and doing nothing else with them. Facts are read
beforehand, as they are the FHIR room's part of an ingest.
"""

import json
import secrets
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from careledger.fhir.index import extract
from careledger.fhir.resource import parse_resource
from careledger.ledger.commitment import Batch
from careledger.ledger.record import AccountId, MemberId, TransactionId
from careledger.mechanisms.policy import Permit, Use, own_access
from careledger.vault.commitments import CommittedBatch
from careledger.vault.deposit import Arrival
from careledger.vault.files import VaultFiles, open_vault
from careledger.vault.keystore import FileKeyStore
from careledger.vault.vault import Vault

CUSTODIAN = MemberId("alpine-hospital")
NOW = 1_790_000_000
BUNDLES, PER_BUNDLE = 100, 300
PADDING = "Result of a synthetic laboratory, for the length that such resources have. " * 9
GOAL_PER_S = 10_000


def account(number: int) -> AccountId:
    letters = "abcdefghijklmnopqrstuvwxyz234567"
    return AccountId("@" + "".join(letters[number >> 5 * i & 31] for i in range(26)))


def resource(bundle: int, number: int) -> bytes:
    """An Observation of about 1.1 KB."""
    return json.dumps(
        {
            "resourceType": "Observation",
            "id": f"o-{bundle}-{number}",
            "status": "final",
            "category": [
                {"coding": [{"system": "http://hl7.org/fhir/category", "code": "laboratory"}]}
            ],
            "code": {"coding": [{"system": "http://loinc.org", "code": f"{number}-4"}]},
            "subject": {"reference": f"Patient/p{bundle}"},
            "encounter": {"reference": f"Encounter/e{bundle}"},
            "effectiveDateTime": "2026-03-04T10:00:00Z",
            "valueQuantity": {"value": number, "unit": "%"},
            "note": [{"text": PADDING}],
        }
    ).encode()


def arrivals(vault: Vault, bundle: int) -> list[Arrival]:
    """One patient's bundle."""
    patient = vault.register(f"p{bundle}", account(bundle))
    found = []
    for number in range(PER_BUNDLE):
        data = resource(bundle, number)
        facts = extract(parse_resource(data))
        found.append(Arrival(patient, facts.type, facts.id or "", data, facts))
    return found


def raw_seconds(bundles: list[list[Arrival]]) -> float:
    """AES-256-GCM under random nonces, and nothing else."""
    key = AESGCM(secrets.token_bytes(32))
    started = time.perf_counter()
    for bundle in bundles:
        for one in bundle:
            key.encrypt(secrets.token_bytes(12), one.data, b"")
    return time.perf_counter() - started


def each(work: Callable[[int], object], items: Iterable[int]) -> list[float]:
    """Seconds of each, sorted."""
    times = []
    for item in items:
        started = time.perf_counter()
        work(item)
        times.append(time.perf_counter() - started)
    return sorted(times)


def show(what: str, times: list[float]) -> None:
    p50, p95, p99 = (times[int(len(times) * part)] * 1e3 for part in (0.5, 0.95, 0.99))
    print(f"{what:<42} p50 {p50:8.3f} ms   p95 {p95:8.3f} ms   p99 {p99:8.3f} ms")


def permit(number: int) -> Permit:
    use = Use(
        custodian=CUSTODIAN,
        account=account(number),
        requester=CUSTODIAN,
        purpose="PATRQT",
        action="read",
        time=NOW,
    )
    found = own_access(use, account(number))
    if not isinstance(found, Permit):
        raise TypeError
    return found


def commit_all(vault: Vault) -> int:
    """Record everything pending in batches of 10,000."""
    done = number = 0
    while pending := vault.unbatched(10_000):
        number += 1
        commitments = [one.commitment for one in pending]
        tree = Batch.of(commitments)
        vault.batch_committed(
            CommittedBatch(number, tree.root, tree.size, TransactionId(bytes(32))), commitments
        )
        done += len(pending)
    return done


def measure(vault: Vault) -> None:
    bundles = [arrivals(vault, number) for number in range(BUNDLES)]
    total, size = BUNDLES * PER_BUNDLE, sum(len(one.data) for each in bundles for one in each)
    print(f"{total} resources, {size / total:.0f} bytes each, {PER_BUNDLE} to a bundle")
    raw = raw_seconds(bundles)
    put = each(lambda number: vault.put(bundles[number], NOW), range(BUNDLES))
    rate = total / sum(put)
    print(f"ratio to AES-256-GCM alone                 {raw / sum(put):8.3f}")
    print(f"ratio to the goal of {GOAL_PER_S} a second        {rate / GOAL_PER_S:8.2f}")
    show("put of a bundle, durable", put)
    permits = [permit(number) for number in range(BUNDLES)]
    show(
        "open, index not in memory",
        each(lambda n: vault.open(permits[n], "Observation", f"o-{n}-7", at=NOW), range(BUNDLES)),
    )
    show(
        "open, index in memory",
        each(
            lambda n: vault.open(permits[n % 100], "Observation", f"o-{n % 100}-9", at=NOW),
            range(10 * BUNDLES),
        ),
    )
    show(
        "search of a patient by code, in memory",
        each(
            lambda n: vault.search(
                permits[n], lambda entry: ("http://loinc.org", "7-4") in entry.facts.codes, NOW
            ),
            range(BUNDLES),
        ),
    )
    started = time.perf_counter()
    done = commit_all(vault)
    rate = done / (time.perf_counter() - started)
    print(f"commitments into batches, to 100,000 a second {rate / 100_000:5.2f}")


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        store = FileKeyStore.create(Path(directory) / "alpine.keys")
        with open_vault(VaultFiles.under(Path(directory)), store, CUSTODIAN) as vault:
            measure(vault)


if __name__ == "__main__":
    main()
