"""Addresses to listen on."""

from __future__ import annotations

import pytest

from veneurpy.config.address import (
    HostPort,
    ListenUrl,
    parse_http_address,
    parse_listen_url,
    parse_stats_address,
)
from veneurpy.config.wrong import Wrong

URLS = {
    "udp://127.0.0.1:8125": ListenUrl("udp", "127.0.0.1", 8125),
    "udp://:8125": ListenUrl("udp", "", 8125),
    "UDP://localhost:0": ListenUrl("udp", "localhost", 0),
    "udp4://0.0.0.0:8125": ListenUrl("udp4", "0.0.0.0", 8125),
    "udp6://[::1]:8125": ListenUrl("udp6", "::1", 8125),
}
WRONG_URLS = {
    "127.0.0.1:8125": ("expected a URL", "udp://127.0.0.1:8125"),
    "localhost:8125": ("expected a URL", "udp://localhost:8125"),
    ":8125": ("expected a URL", "udp://:8125"),
    "::1:8125": ("expected a URL", "udp://[::1]:8125"),
    "8125": ("expected a URL", ""),
    "udp://::1:8125": ("needs brackets", "udp://[::1]:8125"),
    "udp://127.0.0.1": ('expected "host:port"', ""),
    "udp://127.0.0.1:8125/": ('expected "host:port"', ""),
    "udp://127.0.0.1:99999": ("at most 65535", ""),
    "udp://[::g]:8125": ("expected an IPv6 address", ""),
    "udp://a b:8125": ("expected a host name", ""),
    "udp4://[::1]:8125": ("needs an IPv4 address", "udp://[::1]:8125"),
    "udp6://127.0.0.1:8125": ("needs an IPv6 address", "udp://127.0.0.1:8125"),
    "upd://127.0.0.1:8125": ('unknown scheme "upd"', "udp://127.0.0.1:8125"),
    "http://127.0.0.1:8125": ('unknown scheme "http"', ""),
    "tcp://127.0.0.1:8125": ("tcp:// listeners are not supported by this version", ""),
    "tls://:8125": ("tls:// listeners are not supported by this version", ""),
    "unix:///tmp/s": ("unix:// listeners are not supported by this version", ""),
    "unixgram:@abstract": ("unixgram:// listeners are not supported by this version", ""),
    "": ("expected a URL", ""),
}
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


@pytest.mark.parametrize(("text", "url"), URLS.items(), ids=URLS)
def test_reads_listen_urls(text: str, url: ListenUrl) -> None:
    """A UDP URL is taken apart, and written as it was."""
    assert url == parse_listen_url(text)
    assert text.lower() == str(url)


@pytest.mark.parametrize(("text", "says", "suggestion"), [(k, *v) for k, v in WRONG_URLS.items()])
def test_refuses_other_listen_urls(text: str, says: str, suggestion: str) -> None:
    """What cannot be listened on is refused, with the URL that was meant where it can be told."""
    with pytest.raises(Wrong) as raised:
        parse_listen_url(text)
    assert says in str(raised.value)
    assert suggestion == raised.value.suggestion


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
