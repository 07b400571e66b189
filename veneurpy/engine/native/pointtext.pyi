"""Points as text, made of columns without the GIL."""

from typing import final

from veneurpy.engine.native.view import ColumnsView

@final
class PointText:
    """See `veneurpy.engine.text.PointText`, whose promises it keeps."""

    def __init__(self, view: ColumnsView) -> None: ...
    def __len__(self) -> int: ...
    def rows(
        self, start: int, stop: int, *, around: tuple[bytes, ...], separator: bytes
    ) -> bytes: ...
    def statsd(
        self, start: int, stop: int, *, most_bytes: int, start_ms: int | None
    ) -> tuple[bytes, memoryview, memoryview, int]: ...
