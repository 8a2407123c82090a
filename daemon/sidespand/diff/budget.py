"""How much one comparison may cost: whoever records a value decides how it looks."""

from sidespand.limits import DIFF_CHANGES_MAX, DIFF_HUNK_CHARACTERS_MAX, DIFF_STEPS_MAX


class Budget:
    """What is left of a comparison's bounds.

    Attributes:
        exceeded: Something was left out.
    """

    def __init__(self) -> None:
        self._steps_left = DIFF_STEPS_MAX
        self._changes_left = DIFF_CHANGES_MAX
        self._characters_left = DIFF_HUNK_CHARACTERS_MAX
        self.exceeded = False

    def step(self, count: int = 1) -> bool:
        """Take so many steps of work; tell whether they were left."""
        self._steps_left -= count
        return self._steps_left >= 0

    def change(self) -> bool:
        """Take one change; tell whether it may be listed."""
        self._changes_left -= 1
        self.exceeded |= self._changes_left < 0
        return self._changes_left >= 0

    def characters(self, count: int) -> bool:
        """Take characters of hunks; tell whether they may be listed."""
        if count > self._characters_left:
            self.exceeded = True
            return False
        self._characters_left -= count
        return True
