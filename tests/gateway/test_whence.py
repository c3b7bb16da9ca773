"""Which addresses share room: one house in IPv6, one machine in IPv4 however it is written."""

import pytest
from starlette.requests import Request

from careledger.gateway.whence import whence


def asked_from(host: str | None) -> str:
    client = None if host is None else (host, 4_711)
    return whence(Request({"type": "http", "headers": [], "client": client}))


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("a.socket", "a.socket"),
        (None, ""),
    ],
)
def test_whence(host: str | None, expected: str) -> None:
    assert asked_from(host) == expected
