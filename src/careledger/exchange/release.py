"""What is released under a permit: opened resources with what proves each of them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from careledger.exchange.asking import found_in
from careledger.exchange.errors import AccessRefused
from careledger.exchange.holdings import Holdings
from careledger.fhir.dates import EARLIEST
from careledger.fhir.index import Facts
from careledger.fhir.search.graph import Node
from careledger.fhir.search.table import ALL, IndexSet
from careledger.ledger.commitment import Opening, RecordName, commit
from careledger.ledger.record import AccountId, Digest, Instant, Record, encode
from careledger.mechanisms.messages import Query, ReleasedRecord, SpoiltRecord
from careledger.mechanisms.policy import Permit
from careledger.vault.commitments import CommittedBatch, Leaf
from careledger.vault.errors import Spoilt
from careledger.vault.index import consent_facts
from careledger.vault.objects import PatientRef
from careledger.vault.opening import Opened
from careledger.vault.patients import Owner
from careledger.vault.vault import Vault

Check = Callable[[Sequence[AccountId]], None]
"""Whether the record of somebody with these accounts may be opened; or `AccessRefused`."""


@dataclass(frozen=True, slots=True)
class Sourced:
    """A resource, its opening, and the batch on the ledger that holds its commitment."""

    opened: Opened
    opening: Opening
    batch: CommittedBatch

    @property
    def name(self) -> RecordName:
        """Which version of which resource it is."""
        return self.opening.name

    @property
    def commitment(self) -> Digest:
        """The commitment to this version of the resource."""
        return commit(self.opening.name, self.opened.salt, self.opened.committed)

    def parts(self) -> tuple[bytes, bytes]:
        """As they travel: the proof, and the bytes as received."""
        proof = ReleasedRecord(
            opening=self.opening, transaction=self.batch.transaction, batch=self.batch.number
        )
        return encode(proof), self.opened.committed


@dataclass(frozen=True, slots=True)
class Unopened:
    """A resource that the query finds and that does not open: its name, and its commitment."""

    name: RecordName
    leaf: Leaf
    start: int | None
    """First second of its clinical date, as the index has it."""

    @property
    def commitment(self) -> Digest:
        """The commitment to what it was."""
        return self.leaf.commitment

    def parts(self) -> tuple[bytes, bytes]:
        """As they travel: what shows that there was something, and no bytes."""
        leaf = self.leaf
        said = SpoiltRecord(
            name=self.name,
            commitment=leaf.commitment,
            root=leaf.batch.root,
            size=leaf.batch.size,
            index=leaf.index,
            path=leaf.path,
            transaction=leaf.batch.transaction,
            batch=leaf.batch.number,
            start=self.start,
        )
        return encode(said), b""


def gather(
    vault: Vault,
    permits: Sequence[Permit],
    query: Query,
    at: Instant,
    unopened: list[Unopened] | None = None,
    indexed: IndexSet = ALL,
    check: Check = lambda _: None,
) -> list[Opened]:
    """What the query finds and every one of the permits covers; deletions are not among it.

    `check` is asked of each record, by the accounts of whoever is in it.

    Raises:
        Tampered: one does not open, and there is no list `unopened` to note it in.
    """
    first, *others = permits
    found: list[Opened] = []
    for node in _nodes(vault, permits, query, at, indexed, check):
        try:
            one = vault.open(first, node.type, node.id, query.version, at=at)
        except Spoilt as error:
            if unopened is None:
                raise
            if error.leaf:
                unopened.append(_unopened(vault, first, node, error.leaf))
            continue
        found += [] if one is None else [one]
    return [one for one in found if not one.deleted and _covered(others, one.facts)]


def _nodes(
    vault: Vault,
    permits: Sequence[Permit],
    query: Query,
    at: Instant,
    indexed: IndexSet,
    check: Check,
) -> Iterator[Node]:
    """What the query finds of one person; the directory takes part in chains, and stays here."""
    ref = vault.patient_of(AccountId(permits[0].use.account))
    family = [] if ref is None else vault.family(ref)
    theirs = {owner.patient for owner in family}

    def decide(owner: Owner) -> tuple[Permit, ...]:
        if owner.patient not in theirs:
            raise AccessRefused(("person",))
        check(owner.accounts)
        return tuple(permits)

    graph = Holdings(vault, at, decide, lambda: [family], lambda _: True)
    return (
        node for node in found_in(graph, query, None, indexed) if PatientRef(node.owner) in theirs
    )


def _covered(permits: Sequence[Permit], facts: Facts) -> bool:
    return all(permit.covers(consent_facts(facts)).allowed for permit in permits)


def _unopened(vault: Vault, permit: Permit, entry: Node, leaf: Leaf) -> Unopened:
    start = entry.facts.start
    return Unopened(
        name=RecordName(
            custodian=vault.custodian,
            account=permit.use.account,
            type=entry.type,
            id=entry.id,
            version=entry.version,
        ),
        leaf=leaf,
        start=None if start == EARLIEST else start,
    )


def sourced(vault: Vault, found: Sequence[Opened]) -> list[Sourced]:
    """Those that the ledger has committed to; what is not in a batch yet waits for the next ask."""
    proofs = ((one, vault.opening(one)) for one in found)
    return [Sourced(one, proof[1], proof[0]) for one, proof in proofs if proof is not None]


def parts_of(head: Record, found: Sequence[Sourced | Unopened]) -> list[bytes]:
    """An answer as it travels: its head, then two parts for each resource."""
    return [encode(head), *(part for one in found for part in one.parts())]


def is_out_of_reach(permit: Permit, query: Query) -> bool:
    """Whether the terms, whatever the record holds, let nothing of the type asked for through.

    Judged by the query alone, so that the answer says nothing of what there is.
    """
    type_ = query.type
    if type_ is None:
        return False
    only = [one.provision for one in permit.obligations if one.duty == "only"]
    return bool(only) and all(one.types and type_ not in one.types for one in only)
