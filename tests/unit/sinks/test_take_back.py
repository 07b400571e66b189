"""After a crash a file is cut where the last confirmed flush ended."""

from __future__ import annotations

from pathlib import Path

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
    second.take_back_to(position)
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
    second.take_back_to(position)
    second.open()
    second.close()
    assert b"two\nthree\n" == path.read_bytes()
