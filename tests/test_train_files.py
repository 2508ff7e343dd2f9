"""Files written whole or not at all, by reports and training runs alike."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from alexnet_ref import files
from alexnet_ref.train.files import replacing
from alexnet_ref.train.history import write_text
from reference import InvalidInput


def test_a_report_is_written_whole(tmp_path: Path) -> None:
    """The text is there as UTF-8 with its own line ends, readable by whom the umask lets, and nothing lies beside it."""
    before = os.umask(0o027)
    try:
        files.write_atomically(tmp_path / "report.json", "é\n")
    finally:
        os.umask(before)
    assert (tmp_path / "report.json").read_bytes() == "é\n".encode()
    assert (tmp_path / "report.json").stat().st_mode & 0o777 == 0o640
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]


@pytest.mark.parametrize("writer", ["report", "run"])
def test_a_full_disk_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writer: str) -> None:
    """The old text stays, the half-written neighbour does not, and the error is one line."""
    path = tmp_path / "report.json"
    path.write_text("old")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    write = {"report": files.write_atomically, "run": write_text}[writer]
    with pytest.raises(InvalidInput, match=f"cannot be written; received {os.strerror(errno.ENOSPC)}") as caught:
        write(path, "new")
    assert ("--resume" in str(caught.value)) == (writer == "run")
    assert {entry.name: entry.read_text() for entry in tmp_path.iterdir()} == {"report.json": "old"}


def test_a_folder_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    """The operating system's words, with the path."""
    with pytest.raises(InvalidInput, match=r"nowhere/report\.json: cannot be written; received No such file"):
        files.write_atomically(tmp_path / "nowhere" / "report.json", "new")


def test_an_interruption_leaves_what_was_there(tmp_path: Path) -> None:
    """Ctrl-C in the middle of writing is passed on, and the old file stays."""
    (tmp_path / "a.txt").write_text("old")

    def interrupted() -> None:
        with replacing(tmp_path / "a.txt") as temporary:
            temporary.write_text("ne")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert {entry.name: entry.read_text() for entry in tmp_path.iterdir()} == {"a.txt": "old"}


def test_two_reports_do_not_share_a_neighbour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second process that writes the same report while the first is at it spoils neither."""
    path, first, sync = tmp_path / "report.json", os.getpid(), files.sync

    def meanwhile(written: Path) -> None:
        monkeypatch.setattr(files, "sync", sync)
        monkeypatch.setattr(os, "getpid", lambda: first + 1)
        files.write_atomically(path, "second")
        assert path.read_text() == "second"
        sync(written)

    monkeypatch.setattr(files, "sync", meanwhile)
    files.write_atomically(path, "first")
    assert {entry.name: entry.read_text() for entry in tmp_path.iterdir()} == {"report.json": "first"}
