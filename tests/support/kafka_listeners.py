"""Listeners of the tests' broker that require a login, beside its plain one."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Listener:
    """A listener with SASL_SSL; `settings` are Kafka's, without the prefix `listener.name.NAME.`."""

    name: str
    settings: Mapping[str, str]


def secured(plain: Mapping[str, object], listeners: Mapping[int, Listener]) -> dict[str, object]:
    """Return what a broker with the settings `plain` needs for these listeners, by port."""
    if not listeners:
        return {}
    names = "".join(f",{one.name}:SASL_SSL" for one in listeners.values())
    there = "".join(f",{one.name}://127.0.0.1:{port}" for port, one in listeners.items())
    return {
        "listener.security.protocol.map": f"PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT{names}",
        **{key: f"{plain[key]}{there}" for key in ("listeners", "advertised.listeners")},
        **{
            f"listener.name.{one.name.lower()}.{key}": value
            for one in listeners.values()
            for key, value in one.settings.items()
        },
    }
