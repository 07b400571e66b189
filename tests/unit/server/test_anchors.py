"""Files that are watched for as long as the process holds them open."""

from __future__ import annotations

from pathlib import Path

from veneurpy.server.anchors import Anchors


def test_files_that_stay_are_not_gone(tmp_path: Path) -> None:
    """Whatever is written into them, and whatever else comes into the directory."""
    path = tmp_path / "lock"
    path.touch()
    anchors = Anchors(path)
    path.write_text("changed")
    (tmp_path / "other").touch()
    assert [] == anchors.gone()


def test_files_that_were_removed_or_replaced_are_gone(tmp_path: Path) -> None:
    """A name that means another file now is no way to the one that is open."""
    removed, replaced = tmp_path / "removed", tmp_path / "replaced"
    removed.touch()
    replaced.touch()
    anchors = Anchors(removed, replaced)
    removed.unlink()
    replaced.rename(tmp_path / "moved")
    replaced.touch()
    assert [removed, replaced] == anchors.gone()
