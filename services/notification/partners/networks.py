"""Which network addresses a webhook may be sent to (against server-side request forgery, SSRF).

Whoever registers an address could have this service call machines that only it can reach. So a name is
resolved first, every address it has must be a public one, and the connection goes to exactly the address that
was looked at: a name that changes its answer between the look and the call (DNS rebinding) gains nothing.
"""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final
from urllib.parse import SplitResult, urlsplit

URL_MAX: Final = 2_000
ADDRESSES_MAX: Final = 4
"""Addresses of one name that are tried, one after the other."""

_FORBIDDEN: Final = tuple(
    ip_network(each)
    for each in (
        "0.0.0.0/8",  # this network (RFC 1122)
        "10.0.0.0/8",  # private (RFC 1918)
        "100.64.0.0/10",  # shared by a carrier's customers (RFC 6598)
        "127.0.0.0/8",  # this machine
        "169.254.0.0/16",  # link-local, where clouds keep their machines' credentials
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments (RFC 6890)
        "192.0.2.0/24",  # documentation (RFC 5737)
        "192.88.99.0/24",  # 6to4 relays (RFC 7526)
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarks (RFC 2544)
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
        "::/127",  # unspecified, and this machine
        "::/96",  # IPv4-compatible (RFC 4291, given up)
        "64:ff9b:1::/48",  # translation within one network (RFC 8215)
        "100::/64",  # discarded (RFC 6666)
        "2001::/23",  # protocol assignments, Teredo among them
        "2001:db8::/32",  # documentation
        "3fff::/20",  # documentation (RFC 9637)
        "5f00::/16",  # segment routing (RFC 9602)
        "fc00::/7",  # unique local
        "fe80::/10",  # link-local
        "fec0::/10",  # site-local, given up
        "ff00::/8",  # multicast
    )
)
_GLOBAL_UNICAST: Final = ip_network("2000::/3")
_MAPPED: Final = ip_network("::ffff:0:0/96")
_TRANSLATED: Final = ip_network("64:ff9b::/96")
"""NAT64 (RFC 6052): the last 32 bits are the IPv4 address that is reached."""
_6TO4: Final = ip_network("2002::/16")

Address = IPv4Address | IPv6Address


class ForbiddenAddress(ValueError):
    """An address that no webhook may be sent to."""


class BadUrl(ValueError):
    """A URL that no webhook can be sent to; its text says why."""


def is_public(address: Address) -> bool:
    """Whether an address belongs to a machine on the public internet, also when it wraps another one."""
    if isinstance(address, IPv6Address):
        inner = _wrapped(address)
        if inner is not None:
            return is_public(inner)
        if address.scope_id is not None or address not in _GLOBAL_UNICAST:
            return False
    return not any(_lies_in(address, network) for network in _FORBIDDEN)


def _lies_in(address: Address, network: IPv4Network | IPv6Network) -> bool:
    return address.version == network.version and address in network


def _wrapped(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that a packet to this one ends at, where it names one."""
    if address in _MAPPED or address in _TRANSLATED:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    if address in _6TO4:
        return IPv4Address((int(address) >> 80) & 0xFFFF_FFFF)
    return None


def admitted(found: Sequence[str], *, private_allowed: bool) -> list[str]:
    """The addresses of a name that may be called, in their order, four at most.

    A name with one forbidden address is refused whole: nobody honest publishes such a mixture. Raises
    ForbiddenAddress.
    """
    addresses = [ip_address(each) for each in found]
    if not addresses:
        raise ForbiddenAddress("the name has no address")
    if not private_allowed and not all(map(is_public, addresses)):
        raise ForbiddenAddress("the name leads to an address that is not public")
    return [str(each) for each in dict.fromkeys(addresses)][:ADDRESSES_MAX]


def checked_url(url: str, *, http_allowed: bool, private_allowed: bool) -> SplitResult:
    """Read the URL of an endpoint, its host in ASCII.

    https only (http where a setting allows it), no user or password, no fragment, a port that exists,
    printable ASCII. A host that is a forbidden address in digits is refused here already; names are looked
    at with each call. Raises BadUrl.
    """
    if len(url) > URL_MAX or not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise BadUrl(f"at most {URL_MAX} printable ASCII characters without spaces")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise BadUrl("not a URL") from error
    if parts.scheme != "https" and not (parts.scheme == "http" and http_allowed):
        raise BadUrl("https only")
    if not host or port == 0:
        raise BadUrl("a host is missing, or the port is 0")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise BadUrl("no user, no password, no fragment: the signature proves who calls")
    _require_usable_host(host, private_allowed=private_allowed)
    return parts


def _require_usable_host(host: str, *, private_allowed: bool) -> None:
    literal = in_digits(host)
    if literal is not None:
        if not private_allowed and not is_public(literal):
            raise BadUrl("the address is not a public one")
        return
    labels = host.removesuffix(".").split(".")
    if not private_allowed and (len(labels) < 2 or labels[-1].isdigit()):
        raise BadUrl("the host is not a public name")


def in_digits(host: str) -> Address | None:
    """The address that a host is, when it is one and not a name."""
    try:
        return ip_address(host)
    except ValueError:
        return None
