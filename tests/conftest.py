"""What holds for every test."""

from hypothesis import settings

# A machine that several people use is slow at times; that is no failure.
settings.register_profile("sidespan", settings(deadline=None))
settings.load_profile("sidespan")
