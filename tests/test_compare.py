"""The comparison that every verdict rests on cannot be fooled: each way of being wrong is rejected."""

from __future__ import annotations

import numpy as np
import pytest

from alexnet_ref.compare import assert_equal, assert_within, compare

EXPECTED = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])


def test_equal_arrays_pass() -> None:
    """Equal arrays pass with nothing allowed."""
    assert compare(EXPECTED.astype(np.float32), EXPECTED).passed


def test_one_bad_element_fails_and_is_named() -> None:
    """One element beyond its allowance fails, and the fact names its place and both values."""
    received = EXPECTED.copy()
    received[1, 2] = 6.5
    comparison = compare(received, EXPECTED, 0.25)
    assert not comparison.passed
    assert (comparison.worst, comparison.error, comparison.allowed, comparison.ratio) == ((1, 2), 0.5, 0.25, 2.0)
    assert "(1, 2)" in comparison.fact
    assert "expected 6" in comparison.fact
    assert "received 6.5" in comparison.fact


def test_each_element_has_its_own_allowance() -> None:
    """A difference that another element would be allowed is rejected."""
    allowed = np.zeros_like(EXPECTED)
    allowed[0, 0] = 1.0
    received = EXPECTED.copy()
    received[0, 0] += 1.0
    assert compare(received, EXPECTED, allowed).passed
    received[0, 1] += 0.001
    assert not compare(received, EXPECTED, allowed).passed


def test_where_nothing_is_allowed_the_greatest_error_is_named() -> None:
    """Any error is infinitely more than none; the worst element is the one that is farthest off, not the first."""
    comparison = compare(np.array([0.0, 1.0, 3.0]), np.array([0.0, 0.5, 1.0]))
    assert (comparison.passed, comparison.worst, comparison.error, comparison.ratio) == (False, (2,), 2.0, np.inf)
    assert comparison.fact.startswith("2 of 3 elements")


@pytest.mark.parametrize("block", [1, 4, 5, 100])
def test_blocks_are_not_observable(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many elements are compared at a time, the same ones are, and the first of the worst in any block is named."""
    monkeypatch.setattr("alexnet_ref.compare.BLOCK", block)
    expected = np.arange(12.0).reshape(3, 4)
    received, allowed = expected.copy(), np.full(expected.shape, 0.25)
    received.flat[[2, 5, 9, 11]] += [0.5, 2.0, 2.0, 0.125]
    comparison = compare(received, expected, allowed)
    assert (comparison.worst, comparison.error, comparison.allowed, comparison.ratio) == ((1, 1), 2.0, 0.25, 8.0)
    assert comparison.fact == "3 of 12 elements differ by more than allowed; worst at (1, 1): expected 5, received 7"
    allowed[2, 3] = 0.0
    assert compare(received, expected, allowed).worst == (2, 3)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_fail(bad: float) -> None:
    """A value that is not finite fails whatever is allowed, even where both sides have it."""
    received = EXPECTED.copy()
    received[0, 0] = bad
    assert not compare(received, EXPECTED, np.inf).passed
    assert not compare(received, received, np.inf).passed


@pytest.mark.parametrize("shape", [(6,), (3, 2), (1, 2, 3), (2, 3, 1)])
def test_another_shape_fails(shape: tuple[int, ...]) -> None:
    """The same numbers in another shape fail."""
    assert not compare(EXPECTED.reshape(shape), EXPECTED, np.inf).passed


def test_nothing_is_broadcast() -> None:
    """One row, or one number, never stands for several."""
    ones = np.ones((2, 3))
    assert not compare(np.ones((1, 3)), ones).passed
    assert not compare(np.ones(()), ones).passed


@pytest.mark.parametrize("received", [EXPECTED.astype(int), EXPECTED > 0, EXPECTED.tolist(), None, EXPECTED.astype(complex)])
def test_another_kind_fails(received: object) -> None:
    """Integers, booleans, lists, complex numbers and nothing at all are not floating-point arrays."""
    assert not compare(received, EXPECTED, np.inf).passed


def test_empty_arrays_fail() -> None:
    """Where nothing is compared, nothing passes."""
    assert not compare(np.empty((0, 3)), np.empty((0, 3))).passed


@pytest.mark.parametrize("allowed", [-1.0, np.nan, np.ones((3, 2)), np.ones(3)])
def test_a_senseless_allowance_is_refused(allowed: object) -> None:
    """A negative, undefined or misshapen allowance is a mistake of the caller's."""
    with pytest.raises(ValueError, match="allowed"):
        compare(EXPECTED, EXPECTED, allowed)  # type: ignore[arg-type]  # the mistake under test


def test_assertions_raise() -> None:
    """The asserting forms raise where the comparison fails, and only there."""
    assert_within(EXPECTED + 0.5, EXPECTED, 0.5)
    assert_equal(EXPECTED, EXPECTED)
    with pytest.raises(AssertionError, match="6 of 6 elements"):
        assert_within(EXPECTED + 0.5, EXPECTED, 0.25)
    with pytest.raises(AssertionError, match="elements differ"):
        assert_equal(np.nextafter(EXPECTED, np.inf), EXPECTED)
    with pytest.raises(AssertionError, match="dtype"):
        assert_equal(EXPECTED.astype(np.float32), EXPECTED)


def test_float32_is_compared_in_float64() -> None:
    """The difference of two neighbouring float32 numbers is not lost."""
    x = np.array([1.0], np.float32)
    comparison = compare(np.nextafter(x, np.float32(2)), x.astype(np.float64))
    assert comparison.error == 2.0**-23
