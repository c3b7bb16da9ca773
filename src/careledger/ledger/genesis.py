"""Genesis: what everyone must agree on before the first block; its digest is the chain id."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from careledger.ledger.application import Application
from careledger.ledger.checkpoint import app_hash
from careledger.ledger.entry import GenesisEntry, encode_entry
from careledger.ledger.errors import LedgerError
from careledger.ledger.membership import (
    ACTIVATIONS,
    HYBRID,
    KEYS,
    PARAMETERS,
    NetworkParameters,
)
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


class MissingVersion(BadGenesis):
    """The network runs, or is about to run, a version of an application that this program lacks."""


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


Installed = Mapping[tuple[str, int], Application[Any, Any]]  # Any: each has its own commands
"""What this program can run, by name and version."""


def schedule(genesis: Genesis, view: View | None = None) -> tuple[Activation, ...]:
    """What genesis activates and what `view` says was voted for since, by height."""
    voted = (
        Activation(application=str(name), version=row.version, height=int(height))
        for (name, height), row in (view.scan(ACTIVATIONS) if view else ())
    )
    return tuple(
        sorted((*genesis.activations, *voted), key=lambda one: (one.height, one.application))
    )


def versions_at(activations: Iterable[Activation], height: int) -> dict[str, Activation]:
    """Which activation of each application is in force at `height`; none goes back."""
    found: dict[str, Activation] = {}
    for one in activations:
        before = found.get(one.application)
        if one.height <= height and (before is None or before.version < one.version):
            found[one.application] = one
    return found


def run_versions(
    activations: Iterable[Activation], installed: Installed, height: int
) -> Applications:
    """The applications that `activations` have run at `height`, by name.

    Raises:
        MissingVersion: this program lacks one of them in that version.
    """
    active: dict[str, Application[Any, Any]] = {}  # Any: each has its own commands
    for name, one in versions_at(activations, height).items():
        application = installed.get((name, one.version))
        if application is None:
            message = f"not installed: {name} version {one.version}"
            if one.height:
                message += f", which this network runs from height {one.height} on; upgrade first"
            raise MissingVersion(message)
        active[name] = application
    return active


def active_applications(
    genesis: Genesis, installed: Installed, height: int, view: View | None = None
) -> Applications:
    """The applications that run at `height`, by name; `view` is the state before that block.

    Raises:
        MissingVersion: this program lacks one of them in that version.
    """
    return run_versions(schedule(genesis, view), installed, height)


def missing_versions(
    genesis: Genesis, installed: Installed, height: int, view: View | None = None
) -> tuple[Activation, ...]:
    """What runs at `height` or later and is not installed, by height.

    This program stops before the first of them takes effect.
    """
    activations = schedule(genesis, view)
    now = versions_at(activations, height).values()
    wanted = [one for one in activations if one in now or one.height > height]
    return tuple(one for one in wanted if (one.application, one.version) not in installed)


def genesis_changes(genesis: Genesis, applications: Applications) -> Changes:
    """The rows that genesis puts there.

    Raises:
        BadGenesis: an event of an unknown application, not one of its events, or one that cannot
            have happened first; or a hybrid key that no member could have.
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
    _check_hybrid_keys(genesis.parameters, View(None, changes))
    return changes


def _check_hybrid_keys(agreed: NetworkParameters, view: View) -> None:
    """The rules for a key that is registered later hold for the first ones as well.

    Raises:
        BadGenesis: a hybrid key that was not agreed on, or that is for more than transactions.
    """
    for (signer, _), row in view.scan(KEYS):
        if row.algorithm != HYBRID:
            continue
        if agreed.hybrid_keys is not True:
            raise BadGenesis(
                f"genesis file: {signer!s} has a key of {HYBRID}, and the parameter hybrid_keys is "
                f"not true: begin with it, or with other keys, and vote for hybrid_keys later"
            )
        if row.use != "transaction":
            raise BadGenesis(f"genesis file: {signer!s} has a key of {HYBRID} for use {row.use}")


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
