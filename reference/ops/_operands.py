"""What every equation demands of its operands, said once."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference.errors import InvalidInput


def check_floating(what: str, x: Any, axes: str) -> None:
    """Refuse what is not a floating-point array with one axis for each letter in `axes`, such as "NHWC"."""
    if not isinstance(x, np.ndarray) or not np.issubdtype(x.dtype, np.floating):
        received = f"dtype {x.dtype}" if isinstance(x, np.ndarray) else type(x).__name__
        raise InvalidInput(
            f"{what} must be a floating-point array",
            expected="float32 or float64",
            received=received,
            hint="Convert it first; images of integers 0…255 are divided by 255",
        )
    if x.ndim != len(axes):
        raise InvalidInput(f"{what} has the wrong number of axes", expected=f"({', '.join(axes)})", received=f"shape {x.shape}")


def check_equal(what: str, received: object, other: str, expected: object) -> None:
    """Refuse two sizes that the equation needs to be equal."""
    if received != expected:
        raise InvalidInput(f"{what} must equal {other}", expected=f"{expected}", received=f"{received}")


def check_at_least(what: str, received: float, least: float) -> None:
    """Refuse a number below the least that the equation is defined for."""
    if not received >= least:
        raise InvalidInput(f"{what} is out of range", expected=f"at least {least}", received=f"{received}")


Array = NDArray[np.floating]
