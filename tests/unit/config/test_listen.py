"""URLs of listeners."""

from __future__ import annotations

import pytest

from veneurpy.config.listen import ListenUrl, parse_listen_url
from veneurpy.config.listen_options import ListenOptions
from veneurpy.config.wrong import Wrong

URLS = {
    "udp://127.0.0.1:8125": ListenUrl("udp", "127.0.0.1", 8125),
    "udp://:8125": ListenUrl("udp", "", 8125),
    "UDP://localhost:0": ListenUrl("udp", "localhost", 0),
    "udp4://0.0.0.0:8125": ListenUrl("udp4", "0.0.0.0", 8125),
    "udp6://[::1]:8125": ListenUrl("udp6", "::1", 8125),
    "tcp://127.0.0.1:8125": ListenUrl("tcp", "127.0.0.1", 8125),
    "tcp6://[::1]:8125": ListenUrl("tcp6", "::1", 8125),
    "tls://:8126": ListenUrl("tls", "", 8126),
    "unix:///run/dsd.socket": ListenUrl("unix", path="/run/dsd.socket"),
    "unixgram:///tmp/x": ListenUrl("unixgram", path="/tmp/x"),
    "unixgram:@abstract": ListenUrl("unixgram", path="@abstract"),
    "unixpacket:///tmp/x": ListenUrl("unixpacket", path="/tmp/x"),
    "systemd://veneurpy.tcp": ListenUrl("systemd", path="veneurpy.tcp"),
    "stdin:": ListenUrl("stdin"),
    "http:": ListenUrl("http"),
}
OTHER_SPELLINGS = {
    "unix:/run/dsd.socket": "unix:///run/dsd.socket",
    "unix://@abstract": "unix:@abstract",
    "stdin://": "stdin:",
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
    "http://127.0.0.1:8125": ("taken at http_address", "http:"),
    "https://127.0.0.1:8125": ("taken at /api/v1/statsd of http_address", "http:"),
    "http": ("expected a URL", "http:"),
    "tcp4://[::1]:8125": ("needs an IPv4 address", "tcp://[::1]:8125"),
    "/run/dsd.socket": ("expected a URL", "unixgram:///run/dsd.socket"),
    "unix://run/dsd.socket": ("expected an absolute path", "unix:///run/dsd.socket"),
    "unix:///run/": ("expected an absolute path", "unix:///run"),
    "unixgram:@": ("expected an absolute path", ""),
    "unix:///" + "x" * 107: ("at most 107 bytes", ""),
    "systemd://": ("expected the name of a socket", ""),
    "stdin:5": ("nothing follows stdin:", "stdin:"),
    "stdin": ("expected a URL", "stdin:"),
    "": ("expected a URL", ""),
}


@pytest.mark.parametrize(("text", "url"), URLS.items(), ids=URLS)
def test_reads_listen_urls(text: str, url: ListenUrl) -> None:
    """A URL is taken apart, and written as it was."""
    assert url == parse_listen_url(text)
    assert text.lower() == str(url)


@pytest.mark.parametrize(("text", "says", "suggestion"), [(k, *v) for k, v in WRONG_URLS.items()])
def test_refuses_other_listen_urls(text: str, says: str, suggestion: str) -> None:
    """What cannot be listened on is refused, with the URL that was meant where it can be told."""
    with pytest.raises(Wrong) as raised:
        parse_listen_url(text)
    assert says in str(raised.value)
    assert suggestion == raised.value.suggestion


@pytest.mark.parametrize(("text", "written"), OTHER_SPELLINGS.items(), ids=OTHER_SPELLINGS)
def test_one_way_to_write_it(text: str, written: str) -> None:
    """Other spellings of the same place become the usual one."""
    assert written == str(parse_listen_url(text))


OPTIONS = {
    "udp://:8125": ListenOptions(),
    "udp://:8125?name_tags=none": ListenOptions(()),
    "udp://:8125?name_tags=influxdb": ListenOptions(("influxdb",)),
    "udp://:8125?name_tags=influxdb&name_tags=graphite": ListenOptions(("influxdb", "graphite")),
    "unix:///run/dsd.socket?name_tags=librato": ListenOptions(("librato",)),
    "unix:@abstract?name_tags=librato": ListenOptions(("librato",)),
    "systemd://veneurpy.tcp?name_tags=signalfx": ListenOptions(("signalfx",)),
    "stdin:?name_tags=graphite": ListenOptions(("graphite",)),
    "http:?dialect=statsd": ListenOptions(dialect="statsd"),
    "udp://:8125?dialect=statsd": ListenOptions(dialect="statsd"),
    "tcp://:8125?dialect=dogstatsd&name_tags=none": ListenOptions((), "dogstatsd"),
}
WRONG_OPTIONS = {
    "name_tags=influx": "expected influxdb",
    "name_tags=": "expected influxdb",
    "name_tags=none,influxdb": "expected influxdb",
    "name_tags=influxdb,influxdb": "influxdb is listed twice",
    "tags=influxdb": 'no option "tags"',
    "name_tags": "expected influxdb",
    "&": "expected options",
    "dialect=statd": "expected dogstatsd or statsd",
    "dialect=statsd,dogstatsd": "expected dogstatsd or statsd",
    "dialect=": "expected dogstatsd or statsd",
}


@pytest.mark.parametrize(("text", "options"), OPTIONS.items(), ids=OPTIONS)
def test_reads_options(text: str, options: ListenOptions) -> None:
    """A query says how lines are read, is written as it was, and is no part of the name."""
    url = parse_listen_url(text)
    assert options == url.options
    assert text == url.written
    assert text.partition("?")[0] == str(url)


def test_styles_may_be_joined_by_commas() -> None:
    """Both ways to list them mean the same, in any order."""
    joined = parse_listen_url("udp://:8125?name_tags=graphite,influxdb")
    assert "udp://:8125?name_tags=influxdb&name_tags=graphite" == joined.written


@pytest.mark.parametrize(("query", "says"), WRONG_OPTIONS.items(), ids=WRONG_OPTIONS)
def test_refuses_other_options(query: str, says: str) -> None:
    """An option that there is not, and a value that it cannot have, are refused."""
    with pytest.raises(Wrong) as raised:
        parse_listen_url(f"udp://:8125?{query}")
    assert says in str(raised.value)


def test_options_make_no_other_place() -> None:
    """One address with two sets of options is one address listed twice."""
    assert parse_listen_url("udp://:8125?name_tags=librato") == parse_listen_url("udp://:8125")
