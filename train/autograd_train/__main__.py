"""``python -m autograd_train``."""

import sys

from autograd_train.command import main

if __name__ == "__main__":
    sys.exit(main())
