"""Consent decisions: 40,000 a second in one process against a million grants is the goal.

The ledger's rows lie in LMDB as the store keeps them. Every decision is a new read transaction, for
another patient each time, with the terms of the grant, and ends with a verdict on a resource. Terms
are in memory, as a gateway's mailbox keeps those of a hundred thousand patients; the second line
reads them from disk as well. The ratio is decisions a second over the goal: 1 meets it. The
signature library's verify rate, measured in the same run, lets machines be compared.
"""

import hashlib
import random
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import lmdb

from careledger.apps.consent.queries import decide_resource
from careledger.apps.consent.state import CONSENTS
from careledger.ledger.membership import SIGNERS, SignerRow
from careledger.ledger.record import digest, encode
from careledger.ledger.signature import SigningKey, verify
from careledger.ledger.state import View
from careledger.mechanisms.envelope import Envelope
from careledger.mechanisms.policy import Permit, Use
from careledger.mechanisms.purpose import Purpose
from careledger.mechanisms.terms import (
    SENSITIVITY,
    Facts,
    OpenedTerms,
    Provision,
    Terms,
    commit_encoded,
    stored_terms,
)
from careledger.store.layout import create_databases
from careledger.store.reader import StoreReader
from careledger.store.snapshot import Snapshot

GRANTS = 1_000_000
DECISIONS = 100_000
GOAL = 40_000
DISTINCT_TERMS = 1_000
NOW = 1_790_000_000
ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"

LAB = Facts(type="Observation", codes=("http://loinc.org|2339-0",))
EXCEPTION = Provision(effect="deny", labels=(SENSITIVITY + "ETH",))


def account(number: int) -> str:
    """Another patient for each number."""
    name = hashlib.sha256(number.to_bytes(8)).digest()[:26]
    return "@" + "".join(ALPHABET[byte % 32] for byte in name)


def consent_id(number: int) -> bytes:
    return hashlib.md5(number.to_bytes(8)).digest()


def some_terms() -> list[bytes]:
    """Two resource types, a code that tells them apart, and an exception for every other."""
    return [
        encode(
            Terms(
                base=Provision(effect="permit", types=("Observation", "Condition")),
                exceptions=(EXCEPTION, Provision(effect="deny", codes=(f"local|{number}",)))[
                    : number % 3
                ],
            )
        )
        for number in range(DISTINCT_TERMS)
    ]


def fill(ledger: Path, cabinet: Path) -> None:
    """A million patients of Riverside's, each with one grant to Lakeview and its terms."""
    salt, terms = bytes(32), some_terms()
    with opened(ledger) as environment, opened(cabinet) as kept:
        create_databases(environment, lambda transaction: transaction.commit())
        rows = environment.open_db(b"rows")
        with environment.begin(write=True) as state, kept.begin(write=True) as store:
            for member in ("riverside", "lakeview"):
                row = encode(SignerRow(kind="member", payer=member))
                state.put(SIGNERS.at(member), row, db=rows)
            for number in range(GRANTS):
                encoded = terms[number % DISTINCT_TERMS]
                commitment = commit_encoded(salt, encoded)
                at = CONSENTS.at(account(number), consent_id(number))
                state.put(at, encode(grant(commitment)), db=rows)
                store.put(consent_id(number), commitment + encoded)


def opened(folder: Path) -> lmdb.Environment:
    folder.mkdir(exist_ok=True)
    return lmdb.open(str(folder), map_size=1 << 40, max_dbs=16, sync=False)


def grant(commitment: bytes) -> Envelope:
    return Envelope(
        kind="grant",
        form="electronic",
        custodian="riverside",
        grantee="lakeview",
        practitioner=None,
        role=None,
        purposes=("TREAT",),
        actions=("read", "search"),
        valid_from=20_000,
        valid_until=21_000,
        terms=commitment,
        given=NOW - 1_000,
    )


def asked(number: int, purpose: Purpose) -> Use:
    return Use(
        custodian="riverside",
        account=account(number),
        requester="lakeview",
        purpose=purpose,
        action="read",
        time=NOW,
    )


def run(
    uses: list[Use],
    snapshot: Callable[[], AbstractContextManager[Snapshot]],
    terms_of: Callable[[bytes], OpenedTerms | None],
) -> tuple[int, float]:
    """How many were permitted, and decisions a second."""
    permitted, started = 0, time.perf_counter()
    for use in uses:
        with snapshot() as committed:
            answer = decide_resource(View(committed), use, terms_of, LAB)
        permitted += isinstance(answer, Permit)
    return permitted, len(uses) / (time.perf_counter() - started)


def verify_rate() -> float:
    """Signatures that the signature library checks in a second."""
    key = SigningKey("EdDSA", digest(b"bench"))
    signature = key.sign(b"message")
    started = time.perf_counter()
    for _ in range(10_000):
        verify(key.public, b"message", signature)
    return 10_000 / (time.perf_counter() - started)


def main() -> None:
    chosen = random.Random(1).sample(range(GRANTS), DECISIONS)
    with tempfile.TemporaryDirectory() as folder:
        ledger, cabinet = Path(folder, "ledger"), Path(folder, "cabinet")
        fill(ledger, cabinet)
        with StoreReader(ledger) as reader, opened(cabinet) as kept:

            def terms_of(key: bytes) -> OpenedTerms | None:
                with kept.begin() as transaction:
                    stored = transaction.get(key)
                return None if stored is None else stored_terms(stored[:32], stored[32:])

            held = {consent_id(number): terms_of(consent_id(number)) for number in chosen}
            treat = [asked(number, "TREAT") for number in chosen]
            research = [asked(number, "HRESCH") for number in chosen]
            for name, uses, terms, permitted in (
                ("permitted", treat, held.get, DECISIONS),
                ("permitted, terms on disk", treat, terms_of, DECISIONS),
                ("refused", research, held.get, 0),
            ):
                count, rate = run(uses, reader.snapshot, terms)
                assert count == permitted
                print(f"consent_decision, {name}: {rate:,.0f} a second, ratio {rate / GOAL:.2f}")
    print(f"for comparison, Ed25519 signatures verified: {verify_rate():,.0f} a second")


if __name__ == "__main__":
    main()
