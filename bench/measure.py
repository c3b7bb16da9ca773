"""What every benchmark needs: percentiles, a table row, and a network to run against."""

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from careledger.apps.records.commands import CommitRecords
from careledger.ledger.record import Digest
from careledger.ledger.signature import SigningKey, verify
from careledger.ledger.statement import Claims
from careledger.ledger.transaction import call, parse_transaction, sign_transaction
from careledger.node.founding import Founder, Network, found
from careledger.vault.keyfile import load_signing_key

MEMBERS = ("riverside", "lakeview", "unity-health", "corner-pharmacy")


def percentiles(seconds: Sequence[float]) -> str:
    """p50, p95 and p99 in milliseconds."""
    picked = [percentile(seconds, share) for share in (0.50, 0.95, 0.99)]
    return "p50/p95/p99 " + "/".join(f"{value * 1e3:.2f}" for value in picked) + " ms"


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest of `values` that no more than `share` of them lie below."""
    return sorted(values)[min(len(values) - 1, math.ceil(len(values) * share) - 1)]


def per_second(work: Callable[[], object], for_s: float = 1.0) -> float:
    """How often `work` runs in a second, on this core, now."""
    count, started = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - started) < for_s:
        work()
        count += 1
    return count / elapsed


def trial_network(folder: Path, port: int) -> tuple[Network, dict[str, SigningKey]]:
    """Four members on this machine, and their signing keys."""
    founders = [Founder(id=member, name=member, roles=("provider",)) for member in MEMBERS]
    network = found(folder, founders, name="bench", time=int(time.time()) - 10, first_port=port)
    keys = {
        member: load_signing_key(network.home(member) / "keys" / "transaction.key")
        for member in MEMBERS
    }
    return network, keys


class Signer:
    """Signs batch commitments, a different one each time, for the members in turn."""

    def __init__(self, network: Network, keys: dict[str, SigningKey]) -> None:
        self._network, self._keys = network, keys
        self._number = 0

    def sign(self, size: int = 1) -> bytes:
        """One transaction that commits a batch of `size` records."""
        self._number += 1
        member = MEMBERS[self._number % len(MEMBERS)]
        now = int(time.time())
        claims = Claims(
            issuer=member,
            subject="records",
            audience=self._network.chain.hex(),
            not_before=now - 5,
            expires=now + 3_000,
            nonce=self._number.to_bytes(16),
        )
        command = CommitRecords(root=Digest(self._number.to_bytes(32)), size=size)
        return sign_transaction(self._keys[member], claims, call("records", command))

    def verify_rate(self) -> float:
        """Signatures that the signature library checks in a second, on one core."""
        statement = parse_transaction(self.sign()).statement
        public = self._keys[statement.claims.issuer].public
        return per_second(lambda: verify(public, statement.signed, statement.signature))
