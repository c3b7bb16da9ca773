"""The time as this machine has it, and as people read it."""

import time
from datetime import UTC, datetime

from careledger.ledger.record import Instant


def wall_clock() -> Instant:
    """Whole UTC seconds since 1970."""
    return int(time.time())


def moment(at: Instant) -> str:
    """`2026-11-22 20:41 UTC`."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M} UTC"


def iso(at: Instant) -> str:
    """`2026-11-22T20:41:07Z`."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}"
