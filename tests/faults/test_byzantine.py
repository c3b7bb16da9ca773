"""One member of four breaks the rules: no fork, its name on the ledger, and everybody else goes on.

It votes twice for one height, proposes what may be in no block, and signs two histories; each with
the real engine, and with the supervision that would stop it taken out.
"""

import json
import random
import time
from pathlib import Path

import pytest

from careledger.cli.clock import iso
from careledger.ledger.membership import NetworkParameters, consensus_address
from careledger.node.config import load_node
from careledger.store.reader import StoreReader
from careledger.vault.keyfile import load_signing_key
from tests.cli.running import done
from tests.engine import engine_program
from tests.faults.byzantine import (
    BUDGET,
    Byzantine,
    Caught,
    Feed,
    offence_row,
    twins,
    two_faces,
    validators_at,
    voted_against,
)
from tests.faults.byzantine_node import FORGERIES
from tests.faults.story import check_story, people_in
from tests.faults.validators import MEMBERS, Validator, Validators, until

PARAMETERS = NetworkParameters(transactions_per_block=BUDGET, suspend_on_evidence=True)
WHY = {
    "garbage": "MalformedTransaction",
    "forged": "SignatureInvalid",
    "impersonating": "UnknownKey",
    "expired": "Expired",
    "foreign": "WrongChain",
    "replayed": "Replayed",
    "doubled": "Replayed",
    "greedy": "OverBudget",
}
"""What the others say to each."""


def _hand_over(network: Validators, kind: str) -> Byzantine:
    """Let the last member's node be run by somebody who breaks the rules."""
    node = network.nodes[-1]
    assert node.stop() == 0
    byzantine = Byzantine(node.home, node.url, kind)
    network.hand_over(byzantine)
    return byzantine


def _propose_what_may_be_in_no_block(network: Validators, seconds: float) -> set[str]:
    """For so long, and until every kind of it was voted down for its reason.

    The ids of what may be in no log.
    """
    end = time.monotonic() + seconds
    forger = _hand_over(network, "forger")
    honest = network.nodes[:-1]

    def refused() -> set[str]:
        """Kinds that somebody voted against for what they are."""
        reasons = [voted_against(node) for node in honest]
        return {
            one.kind
            for one in forger.forged
            if any(WHY[one.kind] in found.get(one.height, ()) for found in reasons)
        }

    while time.monotonic() < end:
        network.until_progress()
    until(lambda: refused() == set(WHY), lambda: f"not refused: {set(WHY) - refused()}")
    assert forger.stop() == 0
    assert {one.__name__ for one in FORGERIES} == set(WHY)
    return {id_ for one in forger.forged if one.kind != "replayed" for id_ in one.ids}


def _vote_twice(network: Validators, folder: Path) -> None:
    """The member is named at one place in every log, and has no power two blocks later."""
    with twins(network, folder):
        network.hand_over(Byzantine(network.nodes[-1].home, network.nodes[-1].url, "unguarded"))
        honest = network.nodes[:-1]
        found = _named(honest, "duplicate-vote")
        network.until_progress()
    assert (found.offence.member, found.suspended) == (MEMBERS[-1], True)
    _assert_listed(honest, found)
    for node in honest:
        assert offence_row(node, found.offence) is not None
    _assert_powerless(network, found.index)


def _assert_listed(nodes: list[Validator], caught: Caught) -> None:
    """The command that lists misbehaviour names it at every node, each line proved."""
    trust = nodes[0].home.parent / "trust.json"
    for node in nodes:
        listed = done(
            *("network", "misbehaviour", "--node", node.url, "--trust", trust),
            *("--member", caught.offence.member, "--json"),
        )
        assert {
            "member": caught.offence.member,
            "kind": caught.offence.kind,
            "size" if caught.offence.kind == "equivocation" else "height": caught.offence.number,
            "index": caught.index,
            "suspended": caught.suspended,
            "time": iso(caught.offence.at),
            "reporter": caught.offence.reporter,
        } in json.loads(listed)


def _named(nodes: list[Validator], kind: str) -> Caught:
    """The first offence of a kind, once each node tells of it; the same, at the same place."""
    feeds = [Feed(node) for node in nodes]
    until(lambda: all(feed.caught(kind) for feed in feeds), f"not everybody knows of {kind}")
    [first, *others] = [feed.caught(kind)[0] for feed in feeds]
    assert all(other == first for other in others)
    return first


def _assert_powerless(network: Validators, index: int) -> None:
    """From the second block on after the one that holds the evidence."""
    config = load_node(network.nodes[-1].home)
    assert config.consensus_key is not None
    key = load_signing_key(network.nodes[-1].home / config.consensus_key)
    address = consensus_address(key.public.public).hex()
    for node in network.nodes[:-1]:
        with StoreReader(node.ledger) as reader, reader.snapshot() as committed:
            height = committed.height_of(index)
        until(lambda: node.height >= height + 2, "no blocks")  # noqa: B023 - called at once
        assert address in validators_at(node, height + 1)
        assert address not in validators_at(node, height + 2)


def _show_two_histories(network: Validators) -> None:
    """A report by a neighbour names the member in every log."""
    first, second = two_faces(network.nodes[-1])
    done(
        *("governance", "report-checkpoints", "--member", MEMBERS[-1]),
        *("--first", first, "--second", second),
        *("--home", network.nodes[0].home.parent),
    )
    found = _named(network.nodes, "equivocation")
    assert (found.offence.member, found.offence.reporter) == (MEMBERS[-1], MEMBERS[0])
    _assert_listed(network.nodes[:-1], found)


def _inadmissible(ledgers: list[Path], ids: set[str]) -> set[str]:
    """Those of `ids` that a log has."""
    found: set[str] = set()
    for ledger in ledgers:
        with StoreReader(ledger) as reader, reader.snapshot() as committed:
            found |= {id_ for id_ in ids if committed.has(bytes.fromhex(id_))}
    return found


def _run(folder: Path, chance: random.Random, seconds: float) -> None:
    engine_program()
    with Validators(folder / "network", PARAMETERS) as network:
        with people_in(network, random.Random(chance.random())) as people:
            forged = _propose_what_may_be_in_no_block(network, seconds)
            _vote_twice(network, folder / "twin")
            _show_two_histories(network)
        network.until_well()
        with network.stopped() as ledgers:
            check_story(people, ledgers)
            assert _inadmissible(ledgers, forged) == set()


def test_n1_a_member_that_breaks_the_rules_is_named_and_harms_nobody(
    tmp_path: Path, chance: random.Random
) -> None:
    _run(tmp_path, chance, 0)


@pytest.mark.soak
def test_n1_a_member_that_breaks_the_rules_for_long(
    tmp_path: Path, chance: random.Random, soak_seconds: float
) -> None:
    _run(tmp_path, chance, soak_seconds)
