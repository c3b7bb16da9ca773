"""What the search index says of one resource, and how facts lie sealed beside their object."""

from collections.abc import Callable
from typing import Final

import msgspec

from careledger.fhir import index as fhir
from careledger.fhir.search.values import Values, decode_values
from careledger.ledger.errors import CorruptStore
from careledger.ledger.record import Instant
from careledger.mechanisms import terms

ResourceKey = tuple[str, str]
"""Type and id."""


class Entry(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The newest version of one resource; the facts of a deletion are those before it."""

    type: str
    id: str
    version: int
    deleted: bool
    facts: fhir.Facts
    stored: Instant
    """When this version was stored."""
    seq: int
    """Its number in the order of storing, over all patients."""
    elsewhere: bool = False
    """Whether its bytes are kept outside the vault."""

    @property
    def values(self) -> Values:
        """The values behind its search parameters, as far as they are indexed."""
        return decode_values(self.facts.values)


Predicate = Callable[[Entry], bool]
"""What a search asks of an entry. Called before the permit is: it must be pure."""

_ENCODER: Final = msgspec.msgpack.Encoder()
_FACTS: Final = msgspec.msgpack.Decoder(fhir.Facts)


def encode_facts(facts: fhir.Facts) -> bytes:
    """Facts as they are sealed with their object (MessagePack)."""
    return _ENCODER.encode(facts)


def decode_facts(data: bytes) -> fhir.Facts:
    """Inverse of `encode_facts`."""
    try:
        return _FACTS.decode(data)
    except msgspec.MsgspecError as error:
        raise CorruptStore("the facts of a resource") from error


def consent_facts(facts: fhir.Facts) -> terms.Facts:
    """What a permit looks at. The consent's periods exclude their end, FHIR's include it."""
    return terms.Facts(
        type=facts.type,
        id=facts.id or "",
        categories=tuple(map("|".join, facts.categories)),
        codes=tuple(map("|".join, facts.codes)),
        labels=tuple(map("|".join, facts.labels)),
        start=facts.start,
        end=None if facts.end is None else facts.end + 1,
        authors=tuple(map(_relative, facts.authors)),
        related=_related(facts),
    )


def _related(facts: fhir.Facts) -> tuple[str, ...]:
    """The encounter it belongs to; an encounter, episode or care plan belongs to itself."""
    related = () if facts.encounter is None else (_relative(facts.encounter),)
    if facts.type in ("Encounter", "EpisodeOfCare", "CarePlan"):
        return (*related, f"{facts.type}/{facts.id}")
    return related


def _relative(reference: str) -> str:
    """`Type/id`, however the reference was written: absolute, or to a version."""
    return "/".join(reference.split("/_history/", maxsplit=1)[0].split("/")[-2:])
