"""The network extension: IP addresses and CIDR ranges, on Python's `ipaddress`, which is imported on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.errors import ExpressionError
from engine.language.cel.functions import function, method

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface

    Address = IPv4Address | IPv6Address
    Interface = IPv4Interface | IPv6Interface


def _check_form(text: str, what: str) -> None:
    if "%" in text:
        raise ExpressionError(f"{what} with a zone is not allowed: {text!r}")
    if ":" in text and "." in text:
        raise ExpressionError(f"an IPv4 address written inside IPv6 is not allowed: {text!r}")


def _ip(text: str) -> Address:
    import ipaddress

    _check_form(text, "an IP address")
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise ExpressionError(f"no IP address: {text!r}") from None
    mapped = address.ipv4_mapped if address.version == 6 else None
    return mapped or address


def _is_ip(text: str) -> bool:
    try:
        _ip(text)
    except ExpressionError:
        return False
    return True


def _cidr(text: str) -> Interface:
    import ipaddress

    _check_form(text, "a CIDR range")
    _, _, prefix = text.partition("/")
    if prefix.isascii() and prefix.isdigit():
        try:
            return ipaddress.ip_interface(text)
        except ValueError:
            pass  # said below, for both reasons
    raise ExpressionError(f"no CIDR range: {text!r}", hint="write address/length, as 10.0.0.0/8")


def _is_cidr(text: str) -> bool:
    try:
        _cidr(text)
    except ExpressionError:
        return False
    return True


def _is_canonical(text: str) -> bool:
    return str(_ip(text)) == text


def _text(value: Any) -> str:
    return str(value)


def _family(address: Address) -> int:
    return address.version


def _is_unspecified(address: Address) -> bool:
    return address.is_unspecified


def _is_loopback(address: Address) -> bool:
    return address.is_loopback


def _is_link_local_unicast(address: Address) -> bool:
    return address.is_link_local


def _is_link_local_multicast(address: Address) -> bool:
    packed = address.packed
    if address.version == 4:
        return packed[:3] == bytes([224, 0, 0])
    return packed[0] == 0xFF and packed[1] & 0x0F == 2


def _is_global_unicast(address: Address) -> bool:
    broadcast = address.packed == b"\xff\xff\xff\xff"
    special = address.is_unspecified or address.is_loopback or address.is_multicast or address.is_link_local
    return not special and not broadcast


def _address(value: Interface) -> Address:
    return value.ip


def _masked(value: Interface) -> Interface:
    return _cidr(str(value.network))


def _prefix_length(value: Interface) -> int:
    return value.network.prefixlen


def _contains_ip(value: Interface, address: Address) -> bool:
    return address in value.network


def _contains_ip_text(value: Interface, text: str) -> bool:
    return _contains_ip(value, _ip(text))


def _contains_cidr(value: Interface, other: Interface) -> bool:
    return other.network[0] in value.network and other.network.prefixlen >= value.network.prefixlen


def _contains_cidr_text(value: Interface, text: str) -> bool:
    return _contains_cidr(value, _cidr(text))


OVERLOADS = (
    function("ip", "string -> ip", _ip),
    function("isIP", "string -> bool", _is_ip),
    function("ip.isCanonical", "string -> bool", _is_canonical),
    function("cidr", "string -> cidr", _cidr),
    function("isCIDR", "string -> bool", _is_cidr),
    function("string", "ip -> string", _text),
    function("string", "cidr -> string", _text),
    method("family", "ip -> int", _family),
    method("isUnspecified", "ip -> bool", _is_unspecified),
    method("isLoopback", "ip -> bool", _is_loopback),
    method("isGlobalUnicast", "ip -> bool", _is_global_unicast),
    method("isLinkLocalUnicast", "ip -> bool", _is_link_local_unicast),
    method("isLinkLocalMulticast", "ip -> bool", _is_link_local_multicast),
    method("ip", "cidr -> ip", _address),
    method("masked", "cidr -> cidr", _masked),
    method("prefixLength", "cidr -> int", _prefix_length),
    method("containsIP", "cidr ip -> bool", _contains_ip),
    method("containsIP", "cidr string -> bool", _contains_ip_text),
    method("containsCIDR", "cidr cidr -> bool", _contains_cidr),
    method("containsCIDR", "cidr string -> bool", _contains_cidr_text),
)
