"""`python -m panodepth` is the command `panodepth`."""

import sys

from panodepth.cli import main

sys.exit(main())
