"""The settings of what passes between nodes: the ring, its addresses, TLS on both ends."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, field_validator

from veneurpy.config.address import Nameserver, parse_host_port
from veneurpy.config.called import Called
from veneurpy.config.checks import as_tuple, check_pem, check_plain
from veneurpy.config.secret import Secret
from veneurpy.config.section import Section
from veneurpy.config.wrong import Wrong, shown

LONGEST_NAME = 253


def check_node_name(value: str) -> str:
    """Raises Wrong for what cannot be the name of a member."""
    if any(c.isspace() or c in ",\x7f" or c < " " for c in value) or len(value) > LONGEST_NAME:
        raise Wrong(
            f"expected a name without spaces and commas, of at most {LONGEST_NAME} characters, "
            f"found {shown(value)}"
        )
    return value


def check_address(value: str) -> str:
    """Raises Wrong for what is neither empty nor an address that can be called."""
    if value:
        address = parse_host_port(value)
        if not address.host or not address.port:
            raise Wrong(f'expected a host and a port from 1 to 65535, found "{value}"')
    return value


def parse_ignored(value: object) -> object:
    """`key` as the key itself, `key*` as the beginning of one; anything else stays."""
    if not isinstance(value, str):
        return value
    kind = "prefix" if value.endswith("*") else "exact"
    return {"kind": kind, "value": value.removesuffix("*")}


Address = Annotated[str, AfterValidator(check_address), Called("host:port")]
NodeName = Annotated[str, AfterValidator(check_node_name)]


class IgnoredTag(Section):
    """A tag that is left out where the owner of a series is looked for."""

    kind: Literal["exact", "prefix"]
    """Whether `value` is the tag's key or its beginning."""
    value: Annotated[str, AfterValidator(check_plain), Field(min_length=1)]
    """What is before the first colon of the tag."""

    @field_validator("value")
    @classmethod
    def _is_key(cls, value: str) -> str:
        if ":" in value:
            raise Wrong(f"expected the key of a tag, found {shown(value)}", value.split(":")[0])
        return value


class Discovery(Section):
    """Where members are. It never says who is a member."""

    kind: Literal["static", "dns", "consul", "kubernetes"] = "static"
    """`static`: at the addresses of `members`. `dns`: these are looked up again when they may have
    changed, or `service` as SRV records. `consul`, `kubernetes`: the healthy instances of
    `service`."""
    service: Annotated[str, AfterValidator(check_plain)] = ""
    """The name with SRV records, or the service."""
    nameservers: Annotated[tuple[Nameserver, ...], BeforeValidator(as_tuple)] = ()
    """Of DNS: whom to ask, by IP address, as in `["127.0.0.1:8600"]`; the next one where one fails
    or does not answer. Without a port it is 53. Empty: those of /etc/resolv.conf."""
    namespace: Annotated[str, AfterValidator(check_plain)] = ""
    """Of Kubernetes. Empty: that of the pod."""
    port: Annotated[str, AfterValidator(check_plain)] = "grpc"
    """Of Kubernetes: the name of the port."""


class Ring(Section):
    """The members that own the series, and how they are found."""

    members: dict[NodeName, Address] = Field(default_factory=dict)
    """Who owns, by `node_name`, and where it is: `{g1: "10.0.0.1:8128"}`. An empty address is for
    discovery to know, or the name is the address itself."""
    addresses: dict[NodeName, Address] = Field(default_factory=dict)
    """Where nodes are that are no members yet: `veneurpy ring apply` may make them some."""
    epoch: Annotated[int, Field(ge=1, le=1 << 31)] = 1
    """The number of this list. What `veneurpy ring apply` makes later has higher ones and
    prevails."""
    hash: Literal["rendezvous", "veneur"] = "rendezvous"
    """How series are dealt out. `veneur` is the ring of veneur-proxy, over the members' names."""
    ignore_tags: Annotated[
        tuple[Annotated[IgnoredTag, BeforeValidator(parse_ignored)], ...], BeforeValidator(as_tuple)
    ] = ()
    """Tags that say nothing about the owner: `[pod]`, or `[pod*]` for all that begin so. They stay
    in the series."""
    discovery: Discovery = Field(default_factory=Discovery)
    """How addresses are found: `kind`, `service`, `nameservers`, `namespace`, `port`."""

    @field_validator("members", "addresses", mode="before")
    @classmethod
    def _no_nothing(cls, members: Any) -> Any:
        if not isinstance(members, dict):
            return members
        return {name: "" if address is None else address for name, address in members.items()}

    @field_validator("members")
    @classmethod
    def _named(cls, members: dict[str, str]) -> dict[str, str]:
        if not members or not all(members):
            raise Wrong('expected at least one member, as in {g1: "10.0.0.1:8128"}')
        return members


class ClientFiles(Section):
    """What this node shows and trusts where it forwards. Veneur's names."""

    ca_file: Annotated[str, AfterValidator(check_pem)] = ""
    """The authority to trust, a path or PEM text. Empty: those of the system."""
    cert_file: Annotated[str, AfterValidator(check_pem)] = ""
    """The certificate of this node, if it is asked for one."""
    key_file: Secret = Secret("")
    """Its private key."""
    server_name: Annotated[str, AfterValidator(check_plain)] = ""
    """The name that is expected in the other's certificate. Empty: that of its address."""


class ServerFiles(Section):
    """What this node shows and asks for where it receives."""

    certificate: Annotated[str, AfterValidator(check_pem)] = ""
    """With its chain: a path or PEM text."""
    key: Secret = Secret("")
    """Its private key, in the same two forms."""
    authority: Annotated[str, AfterValidator(check_pem)] = ""
    """With it, senders must show a certificate that this authority has signed, and batches are
    taken in the names that stand in it only (`node_name`: a subject alternative name, or the common
    name). Without it everyone who reaches the port may change the ring, and send in any name."""
    relays: Annotated[tuple[str, ...], BeforeValidator(as_tuple)] = ()
    """Names in certificates whose owners may send in anybody's name: of the proxies. The members of
    the ring may as well, for they pass on what hosts send to one of them."""
    ring_admins: Annotated[tuple[str, ...], BeforeValidator(as_tuple)] = ()
    """With `authority`: names in certificates whose owners may change the ring. The node at which
    `veneurpy ring apply` is run asks all others with its own certificate. Empty: whoever has a
    certificate may."""
