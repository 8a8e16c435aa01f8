"""Deprecated name of `python -m pytest_asyncfastapi`; it goes with the next release."""

from __future__ import annotations

import sys
import warnings

if __name__ == "__main__":
    from .__main__ import main

    warnings.warn(
        "`python -m pytest_asyncfastapi.report` is deprecated: "
        "write `python -m pytest_asyncfastapi`",
        FutureWarning,
        stacklevel=1,
    )
    sys.exit(main())
