"""Which data of a sweep is not on this machine, told before the first run."""

from collections.abc import Mapping, Sequence
from typing import Any

from clipcompat.common.errors import DataError
from clipcompat.data.kind import dataset_kind
from clipcompat.data.public.folders import find_folder
from clipcompat.data.public.layout import find_layout


def absent_data(requests: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Public data set, as the requests name it -> why it cannot be read; only folders are looked at, and no picture.

    requests: fields of a `Request` each.
    """
    absent = {}
    for name, root in dict.fromkeys((request["dataset"], request.get("root")) for request in requests):
        if dataset_kind(name) == "public":
            try:
                find_folder(find_layout(name), root)
            except DataError as error:
                absent[name] = str(error)
    return absent
