"""A text that never shows itself."""

from __future__ import annotations

from typing import Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema


class Secret:
    """A password, token or key. Prints as `***` wherever it goes; `reveal()` is the only way in."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself."""
        return self._text

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __str__(self) -> str:
        return "***" if self._text else ""

    def __repr__(self) -> str:
        return f"Secret({str(self)!r})"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(
            lambda value: value if isinstance(value, cls) else cls(value),
            core_schema.union_schema(
                [core_schema.is_instance_schema(cls), core_schema.str_schema(strict=True)],
                custom_error_type="string_type",
            ),
            serialization=core_schema.plain_serializer_function_ser_schema(str, when_used="json"),
        )
