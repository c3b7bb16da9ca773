"""The demo's processes: one node and four gateways, started, waited for and ended together."""

import asyncio
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx2

from careledger.ledger.errors import Unavailable

START_S = 120.0
STOP_S = 15.0


class Processes:
    """Child processes; whatever happens, none of them outlives the `with` block."""

    def __init__(self, logs: Path) -> None:
        """Keep each process's output in a file in `logs`."""
        self._logs = logs
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        self._logs.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self, name: str, *arguments: str) -> None:
        """Start `careledger` with `arguments`."""
        with (self._logs / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, "-m", "careledger.cli", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C reaches us, and we end them in order
            )

    def id_of(self, name: str) -> int:
        """The process id of a named process."""
        return self._running[name].pid

    async def wait_until_up(self, addresses: Mapping[str, str], chain: bytes) -> None:
        """Wait until each named process of `chain` answers at its health address.

        Raises:
            Unavailable: one ended, took over two minutes, or somebody else answers there.
        """
        async with httpx2.AsyncClient(timeout=2.0, trust_env=False) as client:
            for name, address in addresses.items():
                answer = await self._wait(client, name, address)
                if answer.get("chain") != chain.hex():
                    raise Unavailable(f"{address} is in use already: choose another --port")

    async def _wait(self, client: httpx2.AsyncClient, name: str, address: str) -> dict[str, object]:
        log = self._logs / f"{name}.log"
        for _ in range(int(START_S / 0.1)):
            if self._running[name].poll() is not None:
                raise Unavailable(f"{name} ended at once: see {log}")
            try:
                answer = await client.get(address)
                if answer.is_success:
                    found: dict[str, object] = answer.json()
                    return found
            except (httpx2.HTTPError, ValueError):
                pass
            await asyncio.sleep(0.1)
        raise Unavailable(f"{name} did not answer within {START_S:.0f} s: see {log}")

    def stop(self) -> None:
        """End all, gateways before the node; the unwilling are killed."""
        for process in reversed(self._running.values()):
            process.terminate()
        for process in self._running.values():
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._running.clear()
