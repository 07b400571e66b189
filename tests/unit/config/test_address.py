"""Addresses to listen on."""

from __future__ import annotations

import pytest

from veneurpy.config.address import (
    HostPort,
    parse_http_address,
    parse_stats_address,
)
from veneurpy.config.wrong import Wrong

HTTP = {
    "127.0.0.1:8127": HostPort("127.0.0.1", 8127),
    ":8127": HostPort("", 8127),
    "[::1]:8127": HostPort("::1", 8127),
    "localhost:0": HostPort("localhost", 0),
    "": None,
}
WRONG_HTTP = {
    8127: "127.0.0.1:8127",
    "8127": "127.0.0.1:8127",
    "http://127.0.0.1:8127/": "127.0.0.1:8127",
    "::1:8127": "[::1]:8127",
    "einhorn@0": "",
    "fd@3": "",
    "/tmp/http.sock": "",
    "localhost": "",
    True: "",
}
STATS = {
    "127.0.0.1:8125": HostPort("127.0.0.1", 8125),
    "localhost:8126": HostPort("localhost", 8126),
    "udp://localhost:8126": HostPort("localhost", 8126),
    "UDP://[::1]:8125": HostPort("::1", 8125),
    ":8125": HostPort("127.0.0.1", 8125),
    "": None,
}
WRONG_STATS = {
    "unix:///run/dsd.socket": ("sending to unix:// is not supported by this version", ""),
    "unix:/run/dsd.socket": ("sending to unix:// is not supported by this version", ""),
    "tcp://localhost:8125": ("sending to tcp:// is not supported by this version", ""),
    "http://localhost:8125": ("sending to http:// is not supported by this version", ""),
    "localhost": ('expected "host:port"', ""),
    "localhost:0": ("expected a port from 1 to 65535", ""),
    "::1:8125": ("needs brackets", "[::1]:8125"),
    8125: ('expected "host:port", found the number 8125', "127.0.0.1:8125"),
    True: ('expected "host:port"', ""),
}


@pytest.mark.parametrize(("text", "address"), HTTP.items(), ids=repr)
def test_reads_http_addresses(text: str, address: HostPort | None) -> None:
    """The HTTP address is host and port; the empty text is none."""
    assert address == parse_http_address(text)
    assert text == str(address or "")


@pytest.mark.parametrize(("value", "suggestion"), WRONG_HTTP.items(), ids=repr)
def test_refuses_other_http_addresses(value: object, suggestion: str) -> None:
    """Other forms are refused, with what was meant where it can be told."""
    with pytest.raises(Wrong) as raised:
        parse_http_address(value)
    assert suggestion == raised.value.suggestion


@pytest.mark.parametrize(("text", "address"), STATS.items(), ids=repr)
def test_reads_stats_addresses(text: str, address: HostPort | None) -> None:
    """Where to send is host and port, with or without udp://; no host is this machine."""
    assert address == parse_stats_address(text)


@pytest.mark.parametrize(("value", "says", "suggestion"), [(k, *v) for k, v in WRONG_STATS.items()])
def test_refuses_other_stats_addresses(value: object, says: str, suggestion: str) -> None:
    """What cannot be sent to is refused when the file is read, not when it is due."""
    with pytest.raises(Wrong) as raised:
        parse_stats_address(value)
    assert says in str(raised.value)
    assert suggestion == raised.value.suggestion
