"""`veneurpy top`: names and clients of the last interval."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from click.testing import CliRunner, Result

from tests.unit.cli.test_status import Node
from veneurpy.cli import main
from veneurpy.cli.top import ESTIMATED
from veneurpy.engine import ClientTop, NameTop


@pytest.fixture
def node() -> Iterator[Node]:
    opened = Node()
    opened.pages = {
        "/api/v1/top?of=names&by=series&n=3": {
            "by": "series",
            "names": [NameTop("shop.calls", 10, 9, 8, 700, "id", 6, 5, 4)._asdict()],
        },
        "/api/v1/top?of=clients&by=over&n=10": {
            "by": "over",
            "clients": [
                ClientTop("10.0.0.1", 9, 8, 7, 6, 500, 4, 3, 2)._asdict(),
                ClientTop("", 1, 1, 1, 1, 100, 0, 0, 0)._asdict(),
            ],
        },
    }
    yield opened
    opened.close()


def top(node: Node, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["top", "--address", node.address, *arguments])


def test_names(node: Node) -> None:
    """A name has a line, with the tag of the most values."""
    heading, line = top(node, "--by", "series", "-n", "3").output.splitlines()

    assert [
        *["samples", "series", "new", "values", "bytes", "folded", "rejected", "name", "(tag)"]
    ] == heading.split()
    assert ["10", "9", "8", "6", "700", "5", "4", "shop.calls", "(id)"] == line.split()


def test_clients(node: Node) -> None:
    """A client has a line, and so have those that had no account of their own."""
    heading, first, others = top(node, "--clients", "--by", "over").output.splitlines()

    expected = "datagrams samples series new bytes folded rejected over client"
    assert expected.split() == heading.split()
    assert ["9", "8", "7", "6", "500", "4", "3", "2", "10.0.0.1"] == first.split()
    assert others.endswith("  (all others)")


def test_estimates(node: Node) -> None:
    """Where the figures of clients are estimates, a last line says so."""
    node.pages["/api/v1/top?of=clients&by=over&n=10"]["estimated"] = True
    *_, last = top(node, "--clients", "--by", "over").output.splitlines()
    assert ESTIMATED == last


def test_a_figure_of_the_other_kind(node: Node) -> None:
    """What only clients have is no figure of names; the message says which there are."""
    result = top(node, "--by", "over")

    assert result.exit_code == 2
    assert "the figures of names are samples, series" in result.output
