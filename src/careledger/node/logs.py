"""What a process says on standard error while it runs: a line for people, or a JSON object a line.

Never personal data. Our own messages hold none; of a failure that is not ours, only its type and
where it happened are told, because other people's messages quote what they were given.
"""

import json
import logging
import sys
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime
from re import compile as regex
from typing import Any, Final, Literal

from careledger.ledger.errors import LedgerError

LogFormat = Literal["text", "json"]

OURS: Final = "careledger"

_KNOWN: Final = {*logging.makeLogRecord({}).__dict__, "message", "asctime", "color_message"}
_PLACEHOLDER: Final = regex(r"[:,;]|%[-\d.]*[a-z]")
_BETWEEN_WORDS: Final = regex(r"[^a-z0-9]+")


def set_up(form: LogFormat) -> None:
    """Log to standard error from here on: our own from info on, other libraries' warnings."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if form == "json" else _Text())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger(OURS).setLevel(logging.INFO)


class _Text(logging.Formatter):
    """`time LEVEL message`, and the failure's steps, indented."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, or one and the steps of a failure."""
        fields = "".join(f" {name}={value}" for name, value in _fields(record))
        lines = [f"{_time(record)} {record.levelname} {_message(record)}{fields}"]
        if record.exc_info and record.exc_info[1]:
            lines += [f"    {line}" for line in _failure(record.exc_info[1])]
        return "\n".join(lines)


class _Json(logging.Formatter):
    """`time`, `level`, `event`, `message`, `from`, then the event's own fields."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, whatever is in it."""
        said: dict[str, Any] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "event": _event(record),
            "message": _message(record),
            "from": record.name,
            **dict(_fields(record)),
        }
        if record.exc_info and record.exc_info[1]:
            said["failure"] = list(_failure(record.exc_info[1]))
        return json.dumps(said, default=str)


def _time(record: logging.LogRecord) -> str:
    """RFC 3339, UTC, in milliseconds."""
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _is_ours(record: logging.LogRecord) -> bool:
    return record.name.partition(".")[0] == OURS


def _message(record: logging.LogRecord) -> str:
    """Ours whole; of others the first line, since what follows may quote a request."""
    lines = record.getMessage().splitlines()
    return " ".join(lines) if _is_ours(record) else (lines or [""])[0]


def _event(record: logging.LogRecord) -> str:
    """What happened, as a word to filter by: the fixed beginning of the message."""
    beginning = _PLACEHOLDER.split(str(record.msg), maxsplit=1)[0] if _is_ours(record) else ""
    return _BETWEEN_WORDS.sub("_", beginning.lower()).strip("_") or record.name.rpartition(".")[2]


def _fields(record: logging.LogRecord) -> Iterator[tuple[str, object]]:
    """What our call gave as `extra`."""
    if _is_ours(record):
        yield from ((name, value) for name, value in vars(record).items() if name not in _KNOWN)


def _failure(error: BaseException) -> Iterator[str]:
    """The failure and what caused it: what kind, and through which lines it came."""
    seen: set[int] = set()
    found: BaseException | None = error
    while found is not None and id(found) not in seen:
        seen.add(id(found))
        said = f": {found}" if isinstance(found, LedgerError) and str(found) else ""
        yield f"{type(found).__module__}.{type(found).__qualname__}{said}"
        for step in traceback.extract_tb(found.__traceback__):
            _, ours, rest = step.filename.rpartition(f"/{OURS}/")
            yield (
                f"at {ours.strip('/')}/{rest}:{step.lineno} in {step.name}"
                if ours
                else (f"at {step.filename}:{step.lineno} in {step.name}")
            )
        found = found.__cause__ or found.__context__
