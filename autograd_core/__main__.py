"""``python -m autograd_core``."""

import sys

if __name__ == "__main__":
    if sys.argv[1:2] == ["emit"]:  # without the checks, which take time to import
        from autograd_core.programs.command import main
    else:
        from autograd_core.testing.command import main

    sys.exit(main())
