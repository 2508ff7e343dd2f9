"""Reports between processes as JSON, read back strictly by their types: nothing that arrives is ever unpickled or trusted."""

from __future__ import annotations

import base64
import dataclasses
import json
import math
import types
from collections.abc import Mapping
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np

from alexnet_ref.printable import printable

TEXT_MOST = 4000  # characters of a fact
DTYPES = ("<f2", "<f4", "<f8", "|b1", "<i4", "<i8")


def dumps(value: Any) -> bytes:
    """Return plain data, dataclasses and arrays as one line of JSON; an infinity is written as Python's json does."""
    return json.dumps(_encode(value)).encode() + b"\n"


def _encode(value: Any) -> Any:
    match value:
        case bool() | int() | float() | str() | None:
            return value
        case np.ndarray():
            array = np.ascontiguousarray(value)
            array = array.astype(array.dtype.newbyteorder("<"), copy=False)
            return {"dtype": array.dtype.str, "shape": list(array.shape), "data": base64.b64encode(array.tobytes()).decode()}
        case np.generic():
            return _encode(value.item())
        case Mapping():
            return {str(key): _encode(item) for key, item in value.items()}
        case list() | tuple():
            return [_encode(item) for item in value]
        case _ if dataclasses.is_dataclass(value):
            return {field.name: _encode(getattr(value, field.name)) for field in dataclasses.fields(value)}
        case _:
            return str(value)


def loads(kind: Any, data: Any) -> Any:
    """Return parsed JSON as a value of this type; ValueError wherever it is none. Text is made printable."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return _one_of(arguments, data)
    if origin is Literal:
        if not any(data == allowed and type(data) is type(allowed) for allowed in arguments):
            raise ValueError("another word than expected")
        return data
    if origin is tuple:
        return tuple(loads(arguments[0], item) for item in _expect(list, data))
    if origin in (Mapping, dict):
        return {printable(key): loads(arguments[1], item) for key, item in _expect(dict, data).items()}
    if origin is np.ndarray:
        return _array(_expect(dict, data))
    if dataclasses.is_dataclass(kind):
        return _dataclass(kind, _expect(dict, data))
    return _plain(kind, data)


def _one_of(kinds: tuple[Any, ...], data: Any) -> Any:
    for kind in kinds:
        try:
            return loads(kind, data)
        except ValueError:
            continue
    raise ValueError("none of the types expected")


def _expect(kind: type, data: Any) -> Any:
    if type(data) is not kind:
        raise ValueError(f"{type(data).__name__} instead of {kind.__name__}")
    return data


def _dataclass(kind: Any, data: dict[str, Any]) -> Any:
    hints = get_type_hints(kind)
    names = {field.name for field in dataclasses.fields(kind)}
    if set(data) != names:
        raise ValueError(f"other fields than {kind.__name__} has")
    return kind(**{name: loads(hints[name], value) for name, value in data.items()})


def _plain(kind: Any, data: Any) -> Any:
    if kind is str:
        return printable(_expect(str, data), TEXT_MOST)
    if kind is float and type(data) is int and abs(data) < 2**53:
        return float(data)
    if kind is Any and isinstance(data, (list, dict)):
        return printable(json.dumps(data), TEXT_MOST)
    if kind is Any:
        return printable(data, TEXT_MOST) if isinstance(data, str) else data
    return _expect(type(None) if kind in (None, type(None)) else kind, data)


def _array(data: dict[str, Any]) -> Any:
    shape, dtype, text = data.get("shape"), data.get("dtype"), data.get("data")
    sizes = isinstance(shape, list) and all(type(n) is int and n >= 0 for n in shape)
    if not sizes or dtype not in DTYPES or not isinstance(text, str):
        raise ValueError("no array")
    numbers = base64.b64decode(text, validate=True)
    if len(numbers) != np.dtype(dtype).itemsize * math.prod(shape):  # type: ignore[arg-type]  # a list of integers, as seen above
        raise ValueError("an array of another size than its shape")
    return np.frombuffer(numbers, dtype).reshape(shape)  # type: ignore[arg-type, unused-ignore]  # the same
