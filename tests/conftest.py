"""What holds for every test."""

import os

from hypothesis import settings

# A machine that several people use is slow at times; that is no failure. CI tries the same examples
# every time, so that it judges the change before it and not its luck; what people find on their own
# machines, where examples are drawn anew, becomes an @example.
settings.register_profile("sidespan", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "sidespan")
