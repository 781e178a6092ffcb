"""Rows as a table of pandas, which nothing else of this library needs (extra `book`)."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from clipcompat.common.errors import MissingPackageError

if TYPE_CHECKING:
    import pandas


def to_dataframe(rows: Sequence[Mapping[str, Any]]) -> "pandas.DataFrame":
    """One row per mapping, one column per key, in the order of the first appearance of each key.

    Raises:
        MissingPackageError: pandas is not installed.
    """
    try:
        import pandas
    except ImportError as error:
        raise MissingPackageError(
            f"a data frame needs pandas, which cannot be imported here ({error}): pip install pandas. Or take the same "
            "rows as dictionaries: rows() of results and of a report's details, to_dict() of a report."
        ) from error
    return pandas.DataFrame(list(rows))
