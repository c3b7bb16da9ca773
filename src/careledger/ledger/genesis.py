"""Genesis: what everyone must agree on before the first block; its digest is the chain id."""

from collections.abc import Mapping
from typing import Any

import msgspec

from careledger.ledger.application import Application
from careledger.ledger.checkpoint import app_hash
from careledger.ledger.entry import GenesisEntry, encode_entry
from careledger.ledger.errors import LedgerError
from careledger.ledger.membership import PARAMETERS, NetworkParameters
from careledger.ledger.merkle import Frontier, leaf_hash
from careledger.ledger.record import Count, Digest, Instant, Name, Record, digest
from careledger.ledger.state import Changes, View
from careledger.ledger.transition import (
    STATE_MACHINE_VERSION,
    Applications,
    Closed,
    Header,
)


class BadGenesis(LedgerError):
    """The genesis file is not one that this program can run."""


class GenesisEvent(Record):
    """Something that is so from the start: an event of one application, folded by its `evolve`."""

    application: Name
    event: msgspec.Raw


class Activation(Record):
    """From `height` on, `application` runs in `version`."""

    application: Name
    version: Count
    height: Count = 0


class Genesis(Record):
    """The genesis file: JSON; bytes in base64. Members and their keys are governance events."""

    name: Name
    time: Instant
    activations: tuple[Activation, ...]
    parameters: NetworkParameters
    events: tuple[GenesisEvent, ...]


def load_genesis(data: bytes) -> tuple[Digest, Genesis]:
    """The chain id, SHA-256 of the file's bytes, and what the file says.

    Raises:
        BadGenesis: not a genesis file; the message names the first field that is wrong.
    """
    try:
        genesis = msgspec.json.decode(data, type=Genesis)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        message = f"genesis file: {error}"
        raise BadGenesis(message) from error
    limits = genesis.parameters
    if limits.transactions_per_block * (100 - limits.protective_percent) < 100:  # noqa: PLR2004 - %
        raise BadGenesis("genesis file: transactions_per_block leaves no room for any command")
    starts = {(one.application, one.height) for one in genesis.activations}
    if len(starts) != len(genesis.activations):
        raise BadGenesis("genesis file: an application is activated twice at one height")
    return digest(data), genesis


def active_applications(
    genesis: Genesis, installed: Mapping[tuple[str, int], Application[Any, Any]], height: int
) -> Applications:
    """The applications of `genesis` at `height`, by name.

    Raises:
        BadGenesis: this program lacks one of them in that version.
    """
    active: dict[str, Application[Any, Any]] = {}  # Any: each has its own commands
    for activation in sorted(genesis.activations, key=lambda one: one.height):
        if activation.height > height:
            break
        application = installed.get((activation.application, activation.version))
        if application is None:
            message = f"not installed: {activation.application} version {activation.version}"
            raise BadGenesis(message)
        active[activation.application] = application
    return active


def genesis_changes(genesis: Genesis, applications: Applications) -> Changes:
    """The rows that genesis puts there.

    Raises:
        BadGenesis: an event of an unknown application, not one of its events, or one that cannot
            have happened first.
    """
    changes = dict(PARAMETERS.put(genesis.parameters, "network"))
    for event in genesis.events:
        application = applications.get(event.application)
        if application is None:
            message = f"genesis event of an application that is not active: {event.application}"
            raise BadGenesis(message)
        try:
            happened = msgspec.json.decode(event.event, type=application.event_type)
        except msgspec.DecodeError as error:
            message = f"genesis event of {event.application}: {error}"
            raise BadGenesis(message) from error
        try:
            changes.update(application.evolve(happened, View(None, changes)))
        except (LedgerError, KeyError, ValueError) as error:
            message = f"genesis event of {event.application}: {type(happened).__name__}: {error!r}"
            raise BadGenesis(message) from error
    return changes


def genesis_block(chain: Digest, genesis: Genesis, state_root: Digest) -> Closed:
    """Height 0: the log's first leaf, so that no inclusion path is ever empty."""
    entry = encode_entry(GenesisEntry(chain=chain))
    leaf = leaf_hash(entry)
    frontier = Frontier().extend([leaf])
    log_root = frontier.root()
    header = Header(
        height=0,
        time=genesis.time,
        first=0,
        size=1,
        version=STATE_MACHINE_VERSION,
        state_root=state_root,
        log_root=log_root,
        app_hash=app_hash(1, log_root, STATE_MACHINE_VERSION),
    )
    return Closed(header=header, entries=(entry,), leaves=(leaf,), frontier=frontier)
