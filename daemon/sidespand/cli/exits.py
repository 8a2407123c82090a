"""Exit statuses; scripts rely on them."""

OK = 0
NOT_FOUND = 1
# `verify` found something that is not as it was written.
WRONG = 1
ERROR = 2
# The evidence says both that a is before b and that b is before a.
CONTRADICTORY = 3
# 128 + the signal that would have ended the process.
INTERRUPTED = 130
BROKEN_PIPE = 141
TERMINATED = 143
