"""Keeps one engine running beside the application, for as long as the node runs.

The engine and the application are a pair: neither does anything alone. The application lives in
this process, so it is the engine that is started again, and the application meets it afresh at the
new connection. When this process ends, however it ends, the engine ends with it.
"""

import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from careledger.consensus.cometbft.home import EngineHome
from careledger.consensus.cometbft.log_file import BoundedLog
from careledger.ledger.errors import LedgerError, Unavailable

FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 30.0
"""Between two starts: doubled each time, until the engine has run for a while."""

STEADY_S = 60.0
"""An engine that has run for so long was started well."""

STOP_S = 10.0
"""How long it may take to end when it is asked to."""

MAX_LINE = 64 * 1024

_LAUNCH = Path(__file__).with_name("launch.py")
_FAILURE = "CONSENSUS FAILURE"
_PANIC = "panic: "
_VOTED_LATELY = "signature from the same key"
_VOTES_ELSEWHERE = "conflicting vote from ourselves"
_STRANGER = "different network"
_SETTINGS = ("CMT", "TM")
"""How the engine's variables begin; one of them in a shell would stand above what the home says."""

_log = logging.getLogger(__name__)


_LATELY = (
    "its validator's key voted in the last blocks, and not from this home. If another home has the "
    "key, stop one of the two; if this home was begun anew, it goes on by itself in a minute"
)


def _surroundings() -> dict[str, str]:
    """This process's environment without the variables that change the engine's settings."""
    return {name: value for name, value in os.environ.items() if not name.startswith(_SETTINGS)}


class KeyInTwoHomes(LedgerError):
    """The validator's key votes from another home as well; this one has stopped."""


class EngineProcess:
    """The engine's process; it owns it until `close`."""

    def __init__(self, program: Path, home: EngineHome, prepare: Callable[[], None]) -> None:
        """Run `program` on `home`, which `prepare` writes before each start."""
        self.arguments: tuple[str, ...] = (str(program), "start", "--home", str(home.folder))
        self._prepare = prepare
        self._home = home
        self._log = BoundedLog(home.log)
        self._process: asyncio.subprocess.Process | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._said: deque[str] = deque(maxlen=3)
        self._failure: str = ""
        self.failed: asyncio.Future[None]
        """Fails with what must not be tried again."""
        self.starts = 0
        self.ended: str | None = None
        """How it ended last, for the health page; None while it has not, or runs well again."""
        self.strangers = 0
        """How often a peer turned out to be of another chain."""

    @property
    def pid(self) -> int | None:
        """Its process id; None while it does not run."""
        running = self._process is not None and self._process.returncode is None
        return self._process.pid if running and self._process else None

    def start(self) -> None:
        """Begin to keep it running.

        Raises:
            LedgerError: its home cannot be written as it should be.
        """
        self._prepare()
        self.failed = asyncio.get_running_loop().create_future()
        self.failed.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._keeping = asyncio.create_task(self._keep())
        self._keeping.add_done_callback(self._tell_of_failure)

    def runs_well(self) -> None:
        """Whoever sees it commit says so: then its last end is history."""
        self.ended = None

    def restart(self, why: str) -> None:
        """End it, so that it is started again: what it does is of no use."""
        self._failure = why
        self._signal(signal.SIGTERM)

    def give_up(self, error: LedgerError) -> None:
        """End it for good: to go on would do harm."""
        if not self.failed.done():
            self.failed.set_exception(error)
        self._signal(signal.SIGKILL)

    async def close(self) -> None:
        """End it, and wait until it has ended."""
        if self._keeping:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)
        await self._stop()
        self._log.close()

    def _tell_of_failure(self, keeping: "asyncio.Task[None]") -> None:
        """A bug in the keeping must end the node: nobody would start the engine again."""
        if not keeping.cancelled() and (error := keeping.exception()) and not self.failed.done():
            self.failed.set_exception(error)

    async def _keep(self) -> None:
        wait = FIRST_WAIT_S
        while True:
            started = time.monotonic()
            try:
                how = await self._run()
            except LedgerError as error:
                self.give_up(error)
                return
            if time.monotonic() - started > STEADY_S:
                wait = FIRST_WAIT_S
            self.ended = how
            if self.failed.done():
                return
            _log.error("the engine ended and is started again", extra={"how": how, "in_s": wait})
            await asyncio.sleep(wait)
            wait = min(2 * wait, LONGEST_WAIT_S)

    async def _run(self) -> str:
        """One life of it; how it ended. None of its ends is a good one, status 0 neither."""
        self._said.clear()
        self._failure = ""
        try:
            self._prepare()
            self._home.rpc_socket.unlink(missing_ok=True)  # it would not open over an old one
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", str(_LAUNCH), str(os.getpid())),
                *self.arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                limit=MAX_LINE,
                env=_surroundings(),
                start_new_session=True,  # Ctrl-C reaches this process, which ends it in order
            )
        except OSError as error:
            return f"could not be started: {error.strerror}"
        self.starts += 1
        _log.info("the engine runs", extra={"pid": self._process.pid})
        await self._listen(self._process)
        status = await self._process.wait()
        reason = self._failure or (self._said[-1] if self._said and status >= 0 else "")
        return f"{_status(status)}: {reason}" if reason else _status(status)

    async def _listen(self, process: asyncio.subprocess.Process) -> None:
        """Keep what it says in its log, and understand some of it, until it says no more."""
        if process.stdout is None:
            raise Unavailable("the engine has no output")
        while True:
            try:
                line = await process.stdout.readuntil()
            except asyncio.IncompleteReadError as error:
                line = error.partial
            except asyncio.LimitOverrunError as error:
                line = await process.stdout.read(error.consumed)
            if not line:
                return
            self._log.write(line)
            self._understand(line)

    def _understand(self, line: bytes) -> None:
        message = _message(line)
        if _STRANGER in message:
            self.strangers += 1
            if self.strangers == 1:  # it tries again and again; the health page counts
                _log.warning("a peer is of another chain: %s", message)
        elif _VOTES_ELSEWHERE in message:
            self.give_up(
                KeyInTwoHomes(
                    "another home votes with this validator's key, so this node has stopped. Find "
                    "it: what it signs counts as this member's double vote"
                )
            )
        elif _VOTED_LATELY in message:
            self._failure = _LATELY
        elif _FAILURE in message and not self._failure:
            _log.critical("the engine stopped taking part: %s", message)
            self.restart(message)
        elif message.startswith(_PANIC):
            self._failure = self._failure or message
        elif message:
            self._said.append(message)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)

    async def _stop(self) -> None:
        if self._process is None:
            return
        self._signal(signal.SIGTERM)
        listening = asyncio.create_task(self._listen(self._process))
        try:
            await asyncio.wait_for(self._process.wait(), STOP_S)
        except TimeoutError:
            _log.warning("the engine did not end in time and is killed", extra={"in_s": STOP_S})
            self._signal(signal.SIGKILL)
            await self._process.wait()
        await listening


def _status(status: int) -> str:
    if status < 0:
        return f"was killed by {signal.Signals(-status).name}"
    return f"ended with status {status}"


def _message(line: bytes) -> str:
    """What a line of the log says, with its error; "" if nothing that matters."""
    try:
        found = json.loads(line)
    except ValueError:
        return line.decode(errors="replace").strip()[:500]
    if not isinstance(found, dict):
        return ""
    said = str(found.get("_msg", ""))
    error = found.get("err") or found.get("error")
    text = f"{said}: {error}" if error else said
    return text[:500] if found.get("level") == "error" or _STRANGER in text else ""
