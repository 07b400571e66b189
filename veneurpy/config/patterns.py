"""Patterns of names and of tags: each has one of the keys `exact`, `prefix`, `glob` and `regex`."""

from __future__ import annotations

import re
import warnings
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, model_serializer, model_validator

from veneurpy.config.called import Called
from veneurpy.config.checks import check_plain, check_sent_tag
from veneurpy.config.section import Section
from veneurpy.config.wrong import Wrong, shown
from veneurpy.engine.tag_patterns import TagMatch, TagPattern
from veneurpy.rules.filters import NameMatch

GLOB = re.compile(r"(\*|[^.*\s]+)(\.(\*|[^.*\s]+))*")
"""What a glob of names looks like: * is one whole part between two dots."""


def check_tag_text(value: str) -> str:
    """Raises Wrong for what is no tag that a client could send."""
    if not value:
        raise Wrong("a tag cannot be empty")
    return check_sent_tag(value)


def _check_glob(value: str) -> str:
    if not GLOB.fullmatch(value):
        what = f"{shown(value)} is no glob: * stands for one whole part between two dots"
        raise Wrong(f"{what}; `regex` takes anything")
    return value


def _check_regex(value: str) -> str:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", FutureWarning)
            re.compile(value)
    except re.error as error:
        raise Wrong(f"{shown(value)} is no regular expression: {error}") from error
    except FutureWarning as warning:
        what = f"{shown(value)} does not mean what it seems to: {warning}"
        raise Wrong(f"{what}; Python has no [[:alpha:]]: write [A-Za-z], and \\[ for a [") from None
    return value


_Text = Annotated[str, Field(min_length=1), AfterValidator(check_plain)]
_Regex = Annotated[_Text, AfterValidator(_check_regex)]
_Tag = Annotated[str, AfterValidator(check_tag_text)]


class _Pattern(Section):
    @model_validator(mode="after")
    def _is_one(self) -> _Pattern:
        if len(self.model_fields_set) != 1:
            raise Wrong("expected one of exact, prefix, glob and regex")
        return self

    @model_serializer
    def _written(self) -> dict[str, Any]:
        return {key: getattr(self, key) for key in self.model_fields_set}

    @property
    def key(self) -> str:
        """The one that is there."""
        (key,) = self.model_fields_set
        return key

    @property
    def text(self) -> str:
        """Its value."""
        text: str = getattr(self, self.key)
        return text


class NamePattern(_Pattern):
    """Which names a filter is about: one of these keys."""

    exact: _Text | None = None
    prefix: _Text | None = None
    glob: Annotated[_Text, AfterValidator(_check_glob)] | None = None
    regex: _Regex | None = None

    @property
    def kind(self) -> NameMatch:
        """How names are compared."""
        return self.key  # type: ignore[return-value]


class TagText(_Pattern):
    """Which tags are meant: one of these keys. A text alone is a glob."""

    exact: _Tag | None = None
    prefix: _Tag | None = None
    glob: _Tag | None = None
    regex: _Regex | None = None

    @property
    def pattern(self) -> TagPattern:
        """As the engine has it."""
        return TagPattern(TagMatch[self.key.upper()], self.text.encode())


def _as_glob(value: Any) -> Any:
    return {"glob": value} if isinstance(value, str) else value


Tags = tuple[Annotated[TagText, BeforeValidator(_as_glob), Called("pattern")], ...]
