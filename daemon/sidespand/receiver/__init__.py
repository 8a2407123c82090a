"""The doors: every way in which spans come to the recorder, and the answers they get."""
