"""`python -m splatcodec` is the command `splatcodec`."""

import sys

from .cli.main import main

sys.exit(main())
