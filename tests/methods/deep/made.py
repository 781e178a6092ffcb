"""What the tests of deep methods share."""

from __future__ import annotations

import dataclasses


def without_validation(data):
    """The same data without validation pictures."""
    val = dataclasses.replace(data.val, images=data.val.images.select([]), labels=data.val.labels[:0])
    return dataclasses.replace(data, val=val)
