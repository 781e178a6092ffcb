"""`python -m clipcompat`, the same as `clipcompat`."""

import sys

from clipcompat.cli import main

sys.exit(main())
