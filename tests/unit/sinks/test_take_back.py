"""After a crash a file is cut where the last confirmed flush ended."""

from __future__ import annotations

from pathlib import Path

import pytest

from veneurpy.sinks._file import AppendFile


def never() -> bool:
    return False


def test_what_is_not_confirmed_is_cut_off(tmp_path: Path) -> None:
    """Back to the position, and not a byte more."""
    path = tmp_path / "points"
    first = AppendFile(str(path))
    first.append([b"one\n"], never)
    position = first.position
    assert position is not None
    first.append([b"two\n", b"to"], never)
    first.close()
    second = AppendFile(str(path))
    second.take_back_to(position, 2)
    second.open()
    assert b"one\n" == path.read_bytes()
    assert position == second.position
    second.close()


def test_another_file_is_left_alone(tmp_path: Path) -> None:
    """One that was rotated in between is not the file that the position speaks of."""
    path = tmp_path / "points"
    first = AppendFile(str(path))
    first.append([b"one\n"], never)
    position = first.position
    assert position is not None
    path.rename(tmp_path / "points.1")
    first.append([b"two\n", b"three\n"], never)
    first.close()
    second = AppendFile(str(path))
    second.take_back_to(position, 2)
    second.open()
    second.close()
    assert b"two\nthree\n" == path.read_bytes()


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize(("owed", "is_kept"), [(2, True), (3, False), (4, False)])
def test_more_than_was_owed_is_no_row_of_ours(
    tmp_path: Path, compress: bool, owed: int, is_kept: bool
) -> None:
    """A position of a backup would cut off what was delivered since."""
    path = tmp_path / "points"
    first = AppendFile(str(path), compress=compress, row_starts=(b"point",))
    first.append([b"kind\npoint 1\n"], never)
    position = first.position
    assert position is not None
    first.append([b'point 2\npoint "\n3"\n', b"point 4\n"], never)
    first.close()
    whole = path.read_bytes()
    if compress:  # a member that a death has cut short
        path.write_bytes(whole + whole[:15])
    second = AppendFile(str(path), compress=compress, row_starts=(b"point",))
    second.take_back_to(position, owed)
    second.open()
    second.close()
    assert is_kept == second.is_ahead
    assert is_kept == (whole in path.read_bytes())
    assert is_kept or position.endswith(f":{path.stat().st_size}")
