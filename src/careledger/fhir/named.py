"""Whether bytes from elsewhere are one resource, of the name that they come under."""

import msgspec


class _Head(msgspec.Struct):
    resourceType: str  # noqa: N815 - the name FHIR gives it
    id: str


def is_named(data: bytes, type_: str, id_: str) -> bool:
    """Whether `data` is one JSON object and nothing else, in UTF-8, of this type and id.

    Whoever puts bytes into a bundle as they came must know that much, or they could close their
    entry and open others. The whole of it is read, not kept.
    """
    try:
        head = msgspec.json.decode(data, type=_Head)
        data.decode()
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
    return (head.resourceType, head.id) == (type_, id_)
