"""Requests made up from the OpenAPI document: whatever comes, the answer is one it describes."""

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
import uvicorn
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from careledger.gateway.node_api import node_app
from careledger.gateway.openapi import document
from tests.consensus.world import engine, sign
from tests.faults.node_process import free_port
from tests.gateway.test_node_api import services
from tests.ledger.world import ANA, SetNote


@schemathesis.serializer("application/cose", "application/cbor")
def _as_it_is(ctx: schemathesis.SerializationContext, value: Any) -> Any:
    return value if isinstance(value, bytes) else str(value).encode()


schema = schemathesis.openapi.from_dict(document())


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A node that really answers HTTP, in a thread of its own."""
    port = free_port()
    folder = tmp_path_factory.mktemp("fuzz")
    opened, closing = threading.Event(), threading.Event()

    async def serve() -> None:
        async with engine(folder / "chain") as (solo, chain):
            await solo.submit(sign(chain.id, ANA, SetNote(at="x", text="y"), 1))
            app = node_app(services(solo, chain), solo)
            server = uvicorn.Server(
                uvicorn.Config(app, port=port, log_level="error", lifespan="off")
            )
            serving = asyncio.create_task(server.serve())
            while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
                await asyncio.sleep(0.01)
            opened.set()
            await asyncio.to_thread(closing.wait)
            server.should_exit = True
            await serving

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert opened.wait(30)
    yield f"http://127.0.0.1:{port}"
    closing.set()
    thread.join(30)


@schema.parametrize()
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_answer_is_one_that_the_document_describes(
    case: schemathesis.Case[Any], url: str
) -> None:
    # A schema cannot say "validly signed": what is made up from it may be refused.
    # Any: schemathesis does not export the type of a check.
    signed: list[Any] = [positive_data_acceptance] if case.method == "POST" else []
    case.call_and_validate(base_url=url, excluded_checks=signed)
