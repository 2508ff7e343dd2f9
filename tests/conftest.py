"""Fixtures that several test files share."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from tests.mnist_files import NAMES, few_digits, idx_bytes


@pytest.fixture
def few_masks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the check of dropout draw 2¹⁸ elements, not 2²⁴: still every fraction that is off by a hundredth shows."""
    monkeypatch.setattr(importlib.import_module("alexnet_ref.checks.dropout"), "CHUNK", 2**14)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with the four IDX files of a few digits."""
    for key, array in few_digits().items():
        (tmp_path / NAMES[key]).write_bytes(idx_bytes(array))
    return tmp_path
