"""The addresses on which processes listen, as Linux tells them."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

_LISTENING = "0A"


def listening(processes: Iterable[int]) -> set[str]:
    """Return the addresses, without ports, on which any of these processes listens."""
    sockets = {inode for process in processes for inode in _sockets(process)}
    lines = [line.split() for table in ("tcp", "tcp6") for line in _rows(table)]
    return {_address(line[1]) for line in lines if line[3] == _LISTENING and line[9] in sockets}


def _rows(table: str) -> list[str]:
    path = Path("/proc/net") / table
    return path.read_text().splitlines()[1:] if path.exists() else []  # tcp6: not on every machine


def _sockets(process: int) -> list[str]:
    """Return the inodes of a process's sockets."""
    found = []
    for descriptor in Path(f"/proc/{process}/fd").iterdir():
        try:
            kind, _, inode = str(descriptor.readlink()).partition(":")
        except FileNotFoundError:
            continue  # closed in the meantime
        if kind == "socket":
            found.append(inode.strip("[]"))
    return found


def _address(place: str) -> str:
    """Return the address of `HEX:PORT`, whose words of four bytes are in the machine's order."""
    digits = place.partition(":")[0]
    words = [bytes.fromhex(digits[at : at + 8])[::-1] for at in range(0, len(digits), 8)]
    address: IPv4Address | IPv6Address = ip_address(b"".join(words))
    return str(getattr(address, "ipv4_mapped", None) or address)
