"""What Prometheus scrapes of a node: `GET /metrics`, to this machine or at a door of its own.

Figures only: nothing is labelled but with the operating member, an outcome or a refusal's number.
They are gathered when asked for, into a registry of this node's own.
"""

import importlib.metadata
from collections.abc import Awaitable, Callable, Iterable, Iterator
from ipaddress import ip_address
from math import isinf
from typing import Final, Protocol

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from careledger.consensus.measures import Distribution, Load, Measures, Presence
from careledger.gateway.node_services import NodeServices
from careledger.gateway.problem import problem
from careledger.ledger.errors import Unavailable

PREFIX: Final = "careledger_"
PATH: Final = "/metrics"

_FORWARDED: Final = ("forwarded", "x-forwarded-for", "x-real-ip", "via")


class Measured(Protocol):
    """An engine, as far as it is watched."""

    @property
    def measures(self) -> Measures:
        """What was counted since the start."""
        ...

    def load(self) -> Load:
        """What waits for a block."""
        ...

    def presence(self) -> Presence:
        """Who takes part in ordering."""
        ...


def metrics(
    services: NodeServices, engine: Measured, *, anyone: bool
) -> Callable[[Request], Awaitable[Response]]:
    """`GET /metrics`; unless `anyone` may ask, programs on this machine alone."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    registry.register(_NodeCollector(services, engine))

    async def answer(request: Request) -> Response:
        if not (anyone or _is_from_here(request)):
            detail = "asked from this machine only; `metrics_port` in node.toml opens another door"
            return problem(403, "Forbidden", detail)
        return Response(generate_latest(registry), headers={"content-type": CONTENT_TYPE_LATEST})

    return answer


def metrics_app(services: NodeServices, engine: Measured) -> Starlette:
    """A door for nothing else, to whoever reaches it."""
    return Starlette(routes=[Route(PATH, metrics(services, engine, anyone=True), methods=["GET"])])


def _is_from_here(request: Request) -> bool:
    """Whether a program on this machine asks for itself, not for somebody behind it."""
    if request.client is None or any(name in request.headers for name in _FORWARDED):
        return False
    try:
        return ip_address(request.client.host).is_loopback
    except ValueError:
        return False


class _NodeCollector(Collector):
    """Gathers everything anew each time it is asked."""

    def __init__(self, services: NodeServices, engine: Measured) -> None:
        self._services, self._engine = services, engine

    def collect(self) -> Iterable[Metric]:
        """All families; those alone that need no disk when it does not answer."""
        counted = [*_outcomes(self._engine.measures), *_engine(self._engine)]
        try:
            return [
                *counted,
                *_chain(self._services),
                *_voices(self._services),
                *_store(self._services),
            ]
        except Unavailable:
            return [*counted, _healthy(None)]


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(PREFIX + name, text, value=value)


def _count(name: str, text: str, values: dict[str, int], label: str) -> Metric:
    family = CounterMetricFamily(PREFIX + name, text, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family


def _distribution(name: str, text: str, found: Distribution) -> Metric:
    buckets = [("+Inf" if isinf(bound) else str(bound), count) for bound, count in found.below()]
    return HistogramMetricFamily(PREFIX + name, text, buckets=buckets, sum_value=found.total)


def _healthy(services: NodeServices | None) -> Metric:
    trouble = services is None or services.trouble() or services.checkpoints.voices().fault
    return _gauge("healthy", "1 if the node can commit and vouch, else 0", 0 if trouble else 1)


def _chain(services: NodeServices) -> Iterator[Metric]:
    with services.reader.snapshot() as committed:
        header = committed.latest()
    about = {
        "member": services.member,
        "chain": services.chain.hex(),
        "version": importlib.metadata.version("careledger"),
    }
    info = GaugeMetricFamily(PREFIX + "node_info", "Which node this is", labels=list(about))
    info.add_metric(list(about.values()), 1)
    yield info
    yield _healthy(services)
    yield _gauge("height", "Height of the newest block", header.height)
    yield _gauge("log_size", "Entries in the log", header.size)
    age = max(0, services.clock() - header.time)
    yield _gauge("block_age_seconds", "Since the time of the newest block", age)
    missing = len(services.missing_versions())
    yield _gauge("missing_versions", "Versions that this node lacks and soon needs", missing)
    followers = services.followers
    yield _gauge("followers", "Open event streams", followers.count)
    yield _gauge("followers_limit", "Event streams that may be open", followers.most)


def _outcomes(measures: Measures) -> Iterator[Metric]:
    refused = {str(code): count for code, count in sorted(measures.outcomes.items()) if code}
    kept_out = {str(code): count for code, count in sorted(measures.inadmissible.items())}
    outcomes = {
        "accepted": measures.outcomes[0],
        "refused": sum(refused.values()),
        "inadmissible": sum(kept_out.values()),
        "busy": measures.busy,
    }
    yield _count("transactions", "Transactions since the start", outcomes, "outcome")
    yield _count("refused", "Receipts that refuse, by number", refused, "code")
    yield _count("inadmissible", "Transactions in no block, by number", kept_out, "code")
    yield CounterMetricFamily(
        PREFIX + "rule_alarms", "Rules that failed unexpectedly", value=measures.alarms
    )
    yield CounterMetricFamily(PREFIX + "blocks", "Blocks since the start", value=measures.blocks)
    yield _distribution("commit_seconds", "A block's durable step", measures.commit_s)
    yield _distribution("block_interval_seconds", "From block to block", measures.interval_s)


def _engine(engine: Measured) -> Iterator[Metric]:
    load, presence = engine.load(), engine.presence()
    yield _gauge("waiting_transactions", "Wait for a block", load.transactions)
    yield _gauge("waiting_transactions_limit", "May wait", load.most_transactions)
    yield _gauge("waiting_bytes", "Wait for a block", load.bytes)
    yield _gauge("waiting_bytes_limit", "May wait", load.most_bytes)
    yield _gauge("engine_peers", "Connected engines of other validators", presence.peers)
    yield _gauge("engine_power_present", "Voting power that signed last", presence.power)
    yield _gauge("engine_power", "Voting power of all validators", presence.total_power)


def _voices(services: NodeServices) -> Iterator[Metric]:
    voices = services.checkpoints.voices()
    behind = max(0, voices.signed_size - voices.cosigned_size)
    troubled = sum(1 for one in voices.peers if one.trouble)
    yield _gauge("signed_size", "Largest log that this node signed", voices.signed_size)
    yield _gauge("cosigned_size", "Largest log that enough members signed", voices.cosigned_size)
    yield _gauge("cosigned_behind", "Signed entries without enough cosignatures", behind)
    yield _gauge("cosigners", "Other nodes that are asked for signatures", len(voices.peers))
    yield _gauge("cosigners_in_trouble", "Those that do not answer or disagree", troubled)
    yield _gauge("split_views", "Other histories that were met", voices.split_views)


def _store(services: NodeServices) -> Iterator[Metric]:
    if services.usage is not None:
        used = services.usage()
        yield _gauge("store_bytes", "Size of the ledger's file", used.bytes)
        yield _gauge("store_limit_bytes", "Largest that it may become", used.most_bytes)
        yield _gauge("disk_free_bytes", "Room on its disk", used.free_bytes)
        yield _gauge("store_readers", "Who reads it just now", used.readers)
        yield _gauge("store_oldest_reader", "Commits since the oldest began", used.oldest_reader)
    taken = services.snapshot_taken()
    if taken is not None:
        age = max(0, services.clock() - taken)
        yield _gauge("snapshot_age_seconds", "Since the newest snapshot for others", age)
