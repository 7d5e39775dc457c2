"""hypothesis' strategies by ABI type, as `brownie.test.strategy` gives them; zero, empty, `accounts[0]` are simplest.

| type | keywords | yields |
|---|---|---|
| `uint8` … `uint256`, `int8` … `int256` | min_value, max_value | int; bounds may be "1 ether" |
| `decimal` | min_value, max_value, places | Decimal, 10 places |
| `address` | length | one of the (first `length`) accounts |
| `bool` | | bool |
| `bytes1` … `bytes32` | | bytes of that length |
| `bytes` | min_size, max_size, size | bytes, 1 to 64 of them |
| `string` | min_size, max_size, size | str, up to 64 characters |
| `uint8[3]`, `uint8[]`, `uint8[2][]` | min_length, max_length, unique, and those of its items | list, 1 to 8 long |
| `(uint8,address[])` | | tuple |

All but bool take `exclude` (a value, values, or what says whether to keep one, as in Brownie) and `filter` (what says
whether to keep one).
"""

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

from eth_abi.exceptions import ABITypeError, ParseError
from eth_abi.grammar import TupleType, parse
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from fuzz.brownie.accounts import accounts
from fuzz.brownie.units import wei

Strategy = SearchStrategy[Any]
ALIASES = {"uint": "uint256", "int": "int256", "byte": "bytes1"}
KINDS = "uint8…uint256, int8…int256, address, bool, bytes, bytes1…bytes32, string, decimal, arrays and tuples of them"


def _within(what: str, low: Any, high: Any, least: Any, most: Any) -> None:
    """Refuse bounds that no value meets, or that the type does not hold."""
    if low < least:
        raise ValueError(f"{what}: lower bound {low} is below {least}, the least it holds; raise it")
    if high > most:
        raise ValueError(f"{what}: upper bound {high} is above {most}, the most it holds; lower it")
    if low > high:
        raise ValueError(f"{what}: lower bound {low} is above the upper bound {high}; swap them")


def _integer(kind: str, bits: int, *, min_value: Any = None, max_value: Any = None) -> Strategy:
    least, most = (0, 2**bits - 1) if kind.startswith("u") else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    low = least if min_value is None else wei(min_value)
    high = most if max_value is None else wei(max_value)
    _within(kind, low, high, least, most)
    return st.integers(low, high)


def _decimal(*, min_value: Any = None, max_value: Any = None, places: int = 10) -> Strategy:
    if not 0 <= places <= 10:
        raise ValueError(f"decimal: {places} places; Vyper's has up to 10")
    # Vyper's decimal is a whole number of 168 bits, of 10**-10 each
    most = Decimal(2**167 - 1).scaleb(-10)
    least = Decimal(-(2**167)).scaleb(-10)
    low = least if min_value is None else Decimal(str(min_value))
    high = most if max_value is None else Decimal(str(max_value))
    _within("decimal", low, high, least, most)
    step = Decimal(1).scaleb(-places)
    first, last = -int(-low // step), int(high // step)
    if first * step < low:
        first += 1
    if last * step > high:
        last -= 1
    if first > last:
        raise ValueError(f"decimal: no number of {places} places from {low} to {high}; allow more places")
    return st.integers(first, last).map(lambda units: Decimal(units).scaleb(-places))


def _address(*, length: int | None = None) -> Strategy:
    count = len(accounts) if length is None else length
    if not 1 <= count <= len(accounts):
        raise ValueError(f"address: length {count}; there are {len(accounts)} accounts, ask for 1 or more of them")
    return st.sampled_from(accounts[:count])


def _sizes(kind: str, least: int, size: int | None, low: int | None, high: int | None) -> tuple[int, int]:
    if size is not None:
        if low is not None or high is not None:
            raise TypeError(f"{kind}: size is both bounds; leave out min_size and max_size")
        low = high = size
    low = (least if high is None else min(least, high)) if low is None else low
    high = max(64, low) if high is None else high
    _within(kind, low, high, 0, 2**20)
    return low, high


def _bytes(*, min_size: int | None = None, max_size: int | None = None, size: int | None = None) -> Strategy:
    low, high = _sizes("bytes", 1, size, min_size, max_size)
    return st.binary(min_size=low, max_size=high)


def _string(*, min_size: int | None = None, max_size: int | None = None, size: int | None = None) -> Strategy:
    low, high = _sizes("string", 0, size, min_size, max_size)
    # a surrogate has no UTF-8
    return st.text(st.characters(exclude_categories=("Cs",)), min_size=low, max_size=high)


def _length(name: str, value: int | list[int], dimensions: int) -> tuple[int, int | list[int]]:
    """The bound of the outermost dynamic dimension, and what is left for the inner ones."""
    if isinstance(value, int):
        return value, value
    if len(value) != dimensions:
        raise ValueError(f"{name}={value}: the array has {dimensions} dynamic dimensions; give one number for each")
    return value[-1], value[:-1]


def _array(
    abi: Any,
    *,
    min_length: int | list[int] = 1,
    max_length: int | list[int] = 8,
    unique: bool = False,
    **items: Any,
) -> Strategy:
    kind = abi.to_type_str()
    if abi.arrlist[-1]:
        low = high = abi.arrlist[-1][0]
    else:
        dynamic = sum(not part for part in abi.arrlist)
        low, min_length = _length("min_length", min_length, dynamic)
        high, max_length = _length("max_length", max_length, dynamic)
        _within(kind, low, high, 0, 2**16)
    if abi.item_type.is_array:
        items |= {"min_length": min_length, "max_length": max_length, "unique": unique}
    inner = strategy(abi.item_type.to_type_str(), **items)
    # lists are not hashable
    return st.lists(inner, min_size=low, max_size=high, unique_by=repr if unique else None)


def _one(kind: str, **bounds: Any) -> Strategy:
    if kind == "decimal":
        return _decimal(**bounds)
    try:
        abi = parse(kind)
        abi.validate()
    except (ABITypeError, ParseError) as error:
        raise ValueError(f"no ABI type {kind!r} ({str(error).splitlines()[0]}); there are {KINDS}") from None
    if abi.is_array:
        return _array(abi, **bounds)
    if isinstance(abi, TupleType):
        if bounds:
            raise TypeError(f"{kind}: a tuple has no {', '.join(bounds)}; build it with st.tuples(strategy(…), …)")
        return st.tuples(*(strategy(part.to_type_str()) for part in abi.components))
    if abi.base in ("uint", "int"):
        return _integer(kind, abi.sub, **bounds)
    makers: dict[str, Callable[..., Strategy]] = {
        "address": _address,
        "bool": st.booleans,
        "bytes": _bytes,
        "string": _string,
    }
    if abi.base not in makers:
        raise ValueError(f"no strategy for {kind!r}; there are {KINDS}")
    if abi.base == "bytes" and abi.sub:
        return st.binary(min_size=abi.sub, max_size=abi.sub, **bounds)
    return makers[abi.base](**bounds)


def strategy(
    abi_type: str, *, exclude: Any = None, filter: Callable[[Any], bool] | None = None, **bounds: Any
) -> Strategy:
    """A strategy for values of an ABI type; the table above lists types and keywords.

    Raises ValueError for a type that does not exist and for bounds that nothing meets, TypeError for a keyword that
    the type does not have.
    """
    kind = ALIASES.get(abi_type.replace(" ", ""), abi_type.replace(" ", ""))
    try:
        made = _one(kind, **bounds)
    except TypeError as error:
        if "unexpected keyword" not in str(error) and "multiple values" not in str(error):
            raise
        raise TypeError(
            f"strategy({abi_type!r}) does not take {', '.join(bounds)}; see the table of its module"
        ) from None
    if callable(exclude):
        made = made.filter(exclude)
    elif exclude is not None:
        single = isinstance(exclude, str | bytes) or not isinstance(exclude, Iterable)
        refused = [exclude] if single else list(exclude)
        if kind == "address":
            # a choice among those left shrinks further than a choice that is refused
            left = [account for account in accounts[: bounds.get("length")] if account not in refused]
            if not left:
                raise ValueError(f"address: exclude leaves none of {len(accounts)} accounts; exclude fewer")
            made = st.sampled_from(left)
        else:
            made = made.filter(lambda value: value not in refused)
    return made if filter is None else made.filter(filter)
