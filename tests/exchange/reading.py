"""Reading at one organisation, in one line each."""

from careledger.exchange.asker import Asker
from careledger.exchange.asking import found_in
from careledger.exchange.exchange import Exchange
from careledger.fhir.search.table import ALL
from careledger.mechanisms.messages import Query
from careledger.vault.opening import Opened


def read(exchange: Exchange, asker: Asker, type_: str, id_: str) -> Opened | None:
    """The newest version of a resource in the asker's reach."""
    with exchange.reach(asker) as reach:
        return reach.open_version(type_, id_)


def search(exchange: Exchange, asker: Asker, local: str, query: Query) -> list[Opened]:
    """What a query finds of one patient."""
    with exchange.reach(asker, action="search") as reach:
        found = found_in(reach, query, frozenset((local,)), ALL)
        opened = [reach.open(node) for node in found]
        reach.note([local])
        return [one for one in opened if one is not None]
