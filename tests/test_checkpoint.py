"""A checkpoint is read back to the bit or not at all, and the older one survives whatever happens to the newer."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import tracemalloc
from pathlib import Path
from typing import IO, Any

import numpy as np
import pytest

from alexnet_ref import files as writing
from alexnet_ref.train import checkpoint, files
from alexnet_ref.train.checkpoint import PREFIX, SLOTS, Checkpoint, Checkpoints
from reference import InvalidInput
from tests.test_checkpoint_kill import CONFIGURATION, arrays_of, make


def store(folder: Path, *generations: int) -> Checkpoints:
    """Return checkpoints of these generations' arrays, written in this order."""
    checkpoints = Checkpoints(folder=folder)
    for generation in generations:
        checkpoints.save(make(generation))
    return checkpoints


def load(folder: Path) -> tuple[Checkpoint | None, list[str]]:
    """Return what another process would find, and its notices."""
    checkpoints = Checkpoints(folder=folder)
    return checkpoints.load(CONFIGURATION, arrays_of(0)), checkpoints.notices


def assert_is(found: Checkpoint | None, generation: int) -> None:
    """Raise AssertionError unless the checkpoint is this generation's, to the bit."""
    assert found is not None
    expected = make(generation)
    assert found.generation == generation
    assert (found.position, found.history, found.environment) == (expected.position, expected.history, expected.environment)
    assert list(found.arrays) == list(expected.arrays)
    for name, array in expected.arrays.items():
        assert found.arrays[name].dtype == array.dtype
        assert found.arrays[name].shape == array.shape
        assert found.arrays[name].tobytes() == array.tobytes(), name


def test_it_is_read_back_to_the_bit(tmp_path: Path) -> None:
    """Arrays (−0, NaN, subnormal, strided, no axis), position, history and environment come back as they were."""
    store(tmp_path, 1)
    found, notices = load(tmp_path)
    assert_is(found, 1)
    assert notices == []


def test_no_file_is_no_checkpoint(tmp_path: Path) -> None:
    """An empty folder holds none, and that is no error."""
    assert load(tmp_path) == (None, [])


def test_two_generations_are_kept(tmp_path: Path) -> None:
    """The two latest are on the disk, the newest is read, and nothing else is left behind."""
    store(tmp_path, 1, 2, 3)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(SLOTS)
    assert_is(load(tmp_path)[0], 3)
    newest = tmp_path / SLOTS[3 % 2]
    newest.unlink()
    assert_is(load(tmp_path)[0], 2)


def test_after_loading_the_older_file_is_written_over(tmp_path: Path) -> None:
    """A resumed run never replaces the file that it resumed from first."""
    store(tmp_path, 1, 2)
    (tmp_path / SLOTS[0]).write_bytes(b"damaged")
    resumed = Checkpoints(folder=tmp_path)
    assert_is(resumed.load(CONFIGURATION, arrays_of(0)), 1)
    assert resumed.save(make(2)) == tmp_path / SLOTS[0]
    assert_is(load(tmp_path)[0], 2)


def damaged_forms(whole: bytes) -> dict[str, bytes]:
    """Return what could be made of a file: every truncation, every byte flipped, bytes added."""
    forms = {f"cut to {n}": whole[:n] for n in range(len(whole))}
    forms |= {f"byte {n} flipped": whole[:n] + bytes([whole[n] ^ 1 << n % 8]) + whole[n + 1 :] for n in range(len(whole))}
    return forms | {"a byte added": whole + b"\0", "twice": whole + whole}


def test_a_damaged_newest_gives_way_to_the_older_one(tmp_path: Path) -> None:
    """Whichever byte is flipped and wherever the file ends, the older one is read, and a notice says so."""
    store(tmp_path, 1, 2)
    newest = tmp_path / SLOTS[0]
    for form, data in damaged_forms(newest.read_bytes()).items():
        newest.write_bytes(data)
        found, notices = load(tmp_path)
        assert found is not None, form
        assert found.generation == 1, form
        assert len(notices) == 1, form
        assert notices[0].startswith(newest.name), form
        assert "Going on from the other one" in notices[0], form


def test_both_damaged_is_refused(tmp_path: Path) -> None:
    """Two damaged files end in one line that names both, and are left as they are."""
    store(tmp_path, 1, 2)
    for slot in SLOTS:
        path = tmp_path / slot
        path.write_bytes(path.read_bytes()[:-1])
    before = {slot: (tmp_path / slot).read_bytes() for slot in SLOTS}
    with pytest.raises(InvalidInput, match=f"no checkpoint is intact.*{SLOTS[0]}.*{SLOTS[1]}") as caught:
        load(tmp_path)
    assert "\n" not in str(caught.value)
    assert {slot: (tmp_path / slot).read_bytes() for slot in SLOTS} == before


def forge(header: Any, data: bytes = b"", *, version: int = checkpoint.VERSION, size: int | None = None) -> bytes:
    """Return a file with a right checksum and this header, whatever it claims."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    body = PREFIX.pack(checkpoint.MAGIC, version, len(text) if size is None else size) + text + data
    return body + hashlib.sha256(body).digest()


HEADER: dict[str, Any] = {
    "generation": 9,
    "configuration": CONFIGURATION,
    "position": {},
    "history": [],
    "environment": {},
    "arrays": [],
}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is truncated: 0 bytes"),
        (forge(HEADER, version=2), "has format version 2; this program reads 1"),
        (b"not a checkpoint, and longer than its prefix would be", "is no checkpoint"),
        (forge(HEADER, size=2**32 - 1), "claims a header of 4294967295 bytes"),
        (forge({**HEADER, "arrays": [["w", "<f4", [2**40, 2**20]]]}), "its header describes 4611686018427388"),
        (forge({**HEADER, "arrays": [["w", "<f4", [-1, -1]]]}), "impossible arrays"),
        (forge({**HEADER, "arrays": [["w", "|O", [1]]]}, b"\0" * 8), "impossible arrays"),
        (forge({**HEADER, "arrays": [["w", "<f4"]]}), "its header cannot be read"),
        (forge({**HEADER, "generation": "9"}), "entries of the wrong type"),
        (forge({"generation": 1}), "its header cannot be read"),
        (forge([1]), "its header cannot be read"),
        (forge(b"[" * 100_000), "its header cannot be read"),
        (forge(b"\xff"), "its header cannot be read"),
    ],
)
def test_a_lying_file_is_refused_with_its_reason(tmp_path: Path, data: bytes, message: str) -> None:
    """Sizes, types and versions are checked before anything is allocated, even under a right checksum."""
    (tmp_path / SLOTS[0]).write_bytes(data)
    tracemalloc.start()
    try:
        with pytest.raises(InvalidInput, match=message):
            load(tmp_path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # What is read at a time, and what Python's JSON reader needs for text of that length (under 100 bytes for each of them).
    assert peak < (1 << 20) + 100 * max(len(data), 10_000)


def test_arrays_of_another_network_are_refused(tmp_path: Path) -> None:
    """A whole checkpoint with other names, element types, shapes or numbers of arrays is not taken for this network's."""
    store(tmp_path, 1)
    ours = arrays_of(0)
    name = next(iter(ours))
    others = [
        {**ours, name: ours[name].reshape(-1)},
        {**ours, name: ours[name].astype(np.int64)},
        {f"{key}_": value for key, value in ours.items()},
        {**ours, "more": np.zeros(3, np.float32)},
    ]
    for other in others:
        with pytest.raises(InvalidInput, match="the arrays are not this network's"):
            Checkpoints(folder=tmp_path).load(CONFIGURATION, other)


@pytest.mark.parametrize("key", list(CONFIGURATION))
def test_another_configuration_is_refused_by_name(tmp_path: Path, key: str) -> None:
    """Whatever differs is named, with both values, and what does not is not."""
    store(tmp_path, 1)
    with pytest.raises(InvalidInput, match="another configuration") as caught:
        Checkpoints(folder=tmp_path).load({**CONFIGURATION, key: "other"}, arrays_of(0))
    assert f"{key}: {CONFIGURATION[key]} there, other here" in str(caught.value)
    assert str(caught.value).count(" there, ") == 1


def full_disk(file: IO[bytes], *_: Any) -> None:
    """Write a little, as a disk does that fills up in the middle."""
    file.write(b"ALEXNREF and a little more")
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_costs_nothing_that_was_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both files stay as they were, the temporary one is gone, the error is one line, and the next save succeeds."""
    checkpoints = store(tmp_path, 1, 2)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "_write", full_disk)
        with pytest.raises(InvalidInput, match=re.escape(os.strerror(errno.ENOSPC))) as caught:
            checkpoints.save(make(3))
    assert "--resume" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    checkpoints.save(make(3))
    assert_is(load(tmp_path)[0], 3)


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_an_error_at_the_last_moment_costs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """fsync and rename may fail as well: a disk that reports late that it is full, a folder that was closed."""
    checkpoints = store(tmp_path, 1)

    def fail(*_: Any) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr(os if step == "fsync" else Path, step, fail)
        with pytest.raises(InvalidInput, match="cannot be written"):
            checkpoints.save(make(2))
    assert [path.name for path in tmp_path.iterdir()] == [SLOTS[1]]
    assert_is(load(tmp_path)[0], 1)


def test_a_missing_folder_is_one_line(tmp_path: Path) -> None:
    """Writing where there is no folder is refused, not a traceback."""
    with pytest.raises(InvalidInput, match="cannot be written"):
        Checkpoints(folder=tmp_path / "missing").save(make(1))


def test_the_file_is_on_the_disk_before_it_gets_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Contents, rename, folder: in this order, or a power cut could leave a name without its contents."""
    happened: list[str] = []
    sync, replace = writing.sync, Path.replace

    def synced(path: Path) -> None:
        happened.append(f"sync {path.name}")
        sync(path)

    def renamed(path: Path, target: Path) -> Path:
        happened.append("rename")
        return replace(path, target)

    monkeypatch.setattr(writing, "sync", synced)
    monkeypatch.setattr(Path, "replace", renamed)
    store(tmp_path, 1)
    assert happened == [f"sync .partial.{SLOTS[1]}", "rename", f"sync {tmp_path.name}"]


def test_one_process_at_a_time_writes_to_a_folder(tmp_path: Path) -> None:
    """A second run is refused while the first one lasts, and welcome after it."""
    pytest.importorskip("fcntl", reason="the lock is POSIX's")
    with files.locked(tmp_path), pytest.raises(InvalidInput, match="another run"), files.locked(tmp_path):
        pass
    with files.locked(tmp_path):
        pass


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    """A file where the folder should be is one line."""
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidInput, match="cannot be written"), files.locked(tmp_path / "file" / "run"):
        pass
