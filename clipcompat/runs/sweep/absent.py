"""Which data of a sweep is not on this machine, told before the first run."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

from clipcompat.common.config import from_config
from clipcompat.common.errors import DataError
from clipcompat.data.kind import dataset_kind
from clipcompat.data.public.folders import find_folder
from clipcompat.data.public.layout import find_layout
from clipcompat.runs.run import Run


def absent_data(requests: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """For each run, by name of a public data set that it reads, why that cannot be read.

    Only folders are looked at, and no picture. requests: fields of a `Request` each.
    """
    why = functools.cache(_why_absent)
    found = []
    for request in requests:
        names = from_config(Run, request).set_names()
        found.append({name: told for name in names if (told := why(name, request.get("root")))})
    return found


def _why_absent(name: str, root: str | None) -> str | None:
    if dataset_kind(name) != "public":
        return None
    try:
        find_folder(find_layout(name), root)
    except DataError as error:
        return str(error)
    return None
