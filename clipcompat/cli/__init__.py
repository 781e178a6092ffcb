"""The command line, one file per verb or group of verbs. Imports anything below; nothing imports it."""

# PYTHON_ARGCOMPLETE_OK
from clipcompat.cli.main import main as main
