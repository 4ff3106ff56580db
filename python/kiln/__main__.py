"""`python -m kiln` is the command `kiln`."""

import sys

from kiln.cli import main

sys.exit(main())
