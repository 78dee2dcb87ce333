"""``python -m autograd_core``."""

import sys

if __name__ == "__main__":
    from autograd_core.testing.command import main

    sys.exit(main())
