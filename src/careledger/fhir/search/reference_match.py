"""Whether a reference leads where a search asks (FHIR R4 3.1.1.4.12)."""

from collections.abc import Callable, Sequence

from careledger.fhir.search.query import ReferenceOperand
from careledger.fhir.search.values import ReferenceValue

Accepts = Callable[[ReferenceValue], bool]


def references_to(operands: Sequence[ReferenceOperand]) -> Accepts:
    """Return the function that says whether a reference is one of those asked for.

    However many they are, those to a resource of this server are looked up, not tried in turn.
    """
    plain = [one for one in operands if one.id and not one.version]
    names = frozenset((one.type, one.id) for one in plain if one.type)
    ids = frozenset(one.id for one in plain if not one.type)
    versions = frozenset((one.type, one.id, one.version) for one in operands if one.version)
    urls = frozenset((one.url, one.version) for one in operands if one.url)

    def test(value: ReferenceValue) -> bool:
        if value.url:
            return bool(urls) and _is_at(value, urls)
        if (value.type, value.id) in names or value.id in ids:
            return True
        return bool(versions) and any(
            (type_, value.id, value.version) in versions for type_ in ("", value.type)
        )

    return test


def _is_at(value: ReferenceValue, urls: frozenset[tuple[str, str]]) -> bool:
    """An absolute URL as written; of a canonical one, any version unless one was named."""
    url, _, version = value.url.partition("|")
    named = version or value.version
    return any(one in urls for one in ((value.url, ""), (url, ""), (url, named)))
