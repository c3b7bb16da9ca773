"""Whence a request comes, for whoever shares out room that nobody has signed in to use yet."""

from ipaddress import IPv4Address, ip_address, ip_network

from starlette.requests import Request


def whence(request: Request) -> str:
    """The client's address; of IPv6 the network (/64), which is what one house has."""
    host = "" if request.client is None else request.client.host
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if isinstance(address, IPv4Address):
        return str(address)
    plain = address.ipv4_mapped
    return str(ip_network((address, 64), strict=False)) if plain is None else str(plain)
