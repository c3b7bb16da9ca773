"""Storing blocks until there is no room, in a module that a child process can import."""

import resource
from collections.abc import Callable
from pathlib import Path

import pytest

from careledger.store.failure import StorageFull
from careledger.store.layout import data_file
from careledger.store.store import Store
from tests.store.workload import Workload, add, create, rows

Room = Callable[[], None]


def fill(store: Store, make_room: Room) -> None:
    """Store blocks until there is no room, then make some and go on from there."""
    workload = Workload("full", shelves=100_000, most=60)
    for _ in range(400):
        transactions = workload.transactions(store.latest.time + 5)
        before = store.latest, store.state_root, rows(store)
        try:
            add(store, transactions)
        except StorageFull:
            break
    else:
        raise AssertionError("never full")
    for _ in range(3):  # trying again does no harm
        with pytest.raises(StorageFull, match="space"):
            add(store, transactions)
        assert (store.latest, store.state_root, rows(store)) == before
    make_room()
    add(store, transactions)
    workload.run(store, 3)


def within_a_file_size(folder: Path) -> None:
    """In a child process: nobody may take its limit back but itself."""
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with create(folder) as store:
        soft = data_file(folder).stat().st_size + 400_000
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        fill(store, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard)))
