"""Progress of long work."""

from collections.abc import Callable

Progress = Callable[[int, int, str], None]
"""Called with (done, total, what); `what` names the task and, where needed, its unit."""
