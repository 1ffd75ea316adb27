"""Which machines a load may ask: a name is resolved once, every address of it is judged, and the connection goes to one that was judged.

Before: fetch.py has a host, also at each redirect. After: it connects to the address, not to the name, so that a second answer of the
name's server (DNS rebinding) changes nothing.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Sequence

from varve.errors import Forbidden, Unavailable

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_TRANSLATED = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("64:ff9b:1::/48"), ipaddress.IPv6Network("::/96"))


async def resolved(host: str, port: int) -> Sequence[str]:
    """By the machine's resolver."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as reason:
        raise Unavailable("source-unknown", f"the source's host '{host}' has no address ({reason}): look at the spelling") from None
    return list(dict.fromkeys(str(one[4][0]) for one in found))


async def allowed(host: str, port: int, resolve: Resolve, allow_private: bool) -> Sequence[str]:
    """The addresses to connect to. One that is not allowed among them refuses all."""
    found = await resolve(host, port)
    for one in () if allow_private else found:
        if not is_public(one):
            words = f"the source's host '{host}' is at {one}, inside this network: loads ask public addresses alone"
            raise Forbidden("source-private", f"{words} (VARVE_LOADING__ALLOW_PRIVATE=1 allows others)")
    return found


def is_public(text: str) -> bool:
    """Not loopback, private, link-local, multicast, reserved; nor such an IPv4 address inside an IPv6 one."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return all(one.is_global and not one.is_multicast and not one.is_reserved for one in _meant(address))


def _meant(address: _Address) -> list[_Address]:
    if isinstance(address, ipaddress.IPv4Address):
        return [address]
    if address.ipv4_mapped:
        return [address.ipv4_mapped]
    if address.teredo:
        return [*address.teredo]
    if address.sixtofour:
        return [address.sixtofour]
    if any(address in network for network in _TRANSLATED):
        return [ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)]
    return [address]
