"""The loop that processes which answer HTTP run in."""

import asyncio
import sys

import pytest

from careledger.node.loop import run


async def _loop() -> str:
    return type(asyncio.get_running_loop()).__module__


@pytest.mark.skipif(sys.platform == "win32", reason="uvloop is not made for Windows")
def test_the_fast_loop_is_the_one_that_runs() -> None:
    assert run(_loop()).startswith("uvloop")


def test_without_it_asyncio_s_own_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvloop", None)
    assert run(_loop()).startswith("asyncio")


def test_what_fails_in_it_is_raised() -> None:
    async def fail() -> None:
        raise LookupError("inside")

    with pytest.raises(LookupError, match="inside"):
        run(fail())
