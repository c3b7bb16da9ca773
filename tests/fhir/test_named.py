import pytest

from careledger.fhir.named import is_named

GOOD = b'{"resourceType": "Observation", "id": "o1", "valueQuantity": {"value": 7.10}}'


def test_a_resource_of_its_name() -> None:
    assert is_named(GOOD, "Observation", "o1")
    assert not is_named(GOOD, "Observation", "o2")
    assert not is_named(GOOD, "Condition", "o1")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b'"Observation"',
        GOOD + b"}, {",
        GOOD + GOOD,
        GOOD[:-1],
        GOOD.replace(b"7.10", b"07"),
        GOOD.replace(b"7.10", b'"\xff"'),
        GOOD.replace(b"7.10", b"[" * 5_000 + b"]" * 5_000),
        GOOD.replace(b'"o1"', b"1"),
        GOOD.decode().encode("utf-16"),
    ],
)
def test_what_could_close_its_entry_and_open_another_is_none(data: bytes) -> None:
    assert not is_named(data, "Observation", "o1")
