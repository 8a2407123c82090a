"""Exit statuses; scripts rely on them."""

OK = 0
NOT_FOUND = 1
ERROR = 2
# 128 + the signal that would have ended the process.
INTERRUPTED = 130
BROKEN_PIPE = 141
