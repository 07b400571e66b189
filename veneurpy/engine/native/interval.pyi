"""What a closed interval hands out. What the methods promise is said in veneurpy.engine."""

from collections.abc import Callable, Sequence
from uuid import UUID

from typing_extensions import disjoint_base

from veneurpy.engine import ImportStore
from veneurpy.engine.columns import Columns
from veneurpy.engine.exchange import Encoding
from veneurpy.engine.native.columns import MergeContext
from veneurpy.engine.owners import OwnerTable
from veneurpy.engine.types import Accounts, ClientTop, NameTop, Plan, Role
from veneurpy.engine.unkept import UnkeptMarks

@disjoint_base
class ArenaSource:
    """What has an arena that an interval can be encoded with."""

@disjoint_base
class NativeInterval:
    """Made by `NativeEngine.rotate` and `recovered` only."""

    def __new__(
        cls,
        context: MergeContext,
        uuid: UUID,
        start_ms: int,
        end_ms: int,
        on_release: Callable[[], None] | None = None,
        marks: UnkeptMarks | None = None,
    ) -> NativeInterval: ...
    @property
    def uuid(self) -> UUID: ...
    @property
    def copied_from(self) -> UUID | None: ...
    @property
    def start_ms(self) -> int: ...
    @property
    def end_ms(self) -> int: ...
    @property
    def accounts(self) -> Sequence[tuple[str, Accounts]]: ...
    @property
    def broken(self) -> int: ...
    @property
    def series(self) -> int: ...
    @property
    def side_log(self) -> Sequence[tuple[int, bytes]]: ...
    @property
    def type_conflicts(self) -> Sequence[str]: ...
    def top(self, most: int) -> Sequence[NameTop]: ...
    def clients(self, most: int) -> Sequence[ClientTop]: ...
    def columns(self, plan: Plan) -> Columns: ...
    def encode(
        self,
        table: OwnerTable,
        *,
        role: Role,
        max_bytes: int = ...,
        veneur_owners: frozenset[int] = ...,
        carry: bytes = b"",
        sources: Sequence[ImportStore] = (),
    ) -> Encoding: ...
    @property
    def is_doubtful(self) -> bool: ...
    @property
    def forgotten(self) -> int: ...
    def release(self, *, kept: bool = True) -> None: ...
    def settled(self) -> None: ...
