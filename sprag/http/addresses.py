"""Addresses: those of this machine, and the host names that requests are made to."""

from __future__ import annotations

import ipaddress


def is_loopback(host: str) -> bool:
    """True if an address is in 127.0.0.0/8, or ::1, or the former written as IPv6."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address.is_loopback


def host_name(host: str) -> str:
    """The name in a Host header, in lower case, without the port."""
    name, colon, port = host.rpartition(":")
    return (name if colon and port.isdigit() else host).lower()
