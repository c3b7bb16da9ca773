"""One network for all behaviours, started once: four organisations, three patients, their staff."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.e2e.network import Network, Patient, careledger, in_parallel
from tests.e2e.node import Node
from tests.e2e.staff import Practitioner, load_practitioner


@dataclass(frozen=True, kw_only=True)
class World:
    """The network and everybody in it."""

    network: Network
    node: Node
    ana: Patient
    olga: Patient
    oscar: Patient
    cho: Practitioner
    """Clinician and researcher at Lakeview."""
    diaz: Practitioner
    """Clinician at Lakeview."""
    wren: Practitioner
    """Clinician at Lakeview, whose key is retired by the one test that she is in."""
    mori: Practitioner
    """Clinician at Riverside."""


_STAFF = {
    "Dr Grace Cho": ("lakeview", ("clinician", "researcher")),
    "Dr Iker Diaz": ("lakeview", ("clinician",)),
    "Dr Ada Wren": ("lakeview", ("clinician",)),
    "Dr Yuki Mori": ("riverside", ("clinician",)),
}


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The running network, with its records in it and everybody admitted."""
    with Network(tmp_path_factory.mktemp("e2e")) as network:
        network.ingest()
        with Node(network) as node:
            both = "riverside", "lakeview"
            ana, olga, oscar = in_parallel(lambda number: network.admit(number, *both), (1, 2, 3))
            cho, diaz, wren, mori = in_parallel(lambda name: _enrol(network, name), _STAFF)
            yield World(
                network=network,
                node=node,
                ana=ana,
                olga=olga,
                oscar=oscar,
                cho=cho,
                diaz=diaz,
                wren=wren,
                mori=mori,
            )


def _enrol(network: Network, name: str) -> Practitioner:
    member, roles = _STAFF[name]
    out = network.folder.parent / f"{name.rsplit(maxsplit=1)[-1].lower()}.json"
    said = [part for role in roles for part in ("--role", role)]
    home = "--home", network.home(member)
    careledger("gateway", "enrol-practitioner", *home, "--name", name, *said, "--out", out)
    assert json.loads(out.read_bytes())["name"] == name
    return load_practitioner(out)
