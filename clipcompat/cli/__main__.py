"""`python -m clipcompat.cli`."""

import sys

from clipcompat.cli.main import main

sys.exit(main())
