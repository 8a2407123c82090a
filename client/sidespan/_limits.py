"""Every bound of the client, with its unit and its reason.

What is over one is cut or counted, never an error.
"""

from typing import Final

KIB: Final = 1024
MIB: Final = 1024 * KIB

# A name or key over this is somebody's data in the wrong place.
NAME_BYTES_MAX: Final = 1 * KIB
KEY_BYTES_MAX: Final = 256
# One attribute value with all that is nested in it. A long prompt fits.
VALUE_BYTES_MAX: Final = 256 * KIB
VALUE_ITEMS_MAX: Final = 1024
VALUE_DEPTH_MAX: Final = 8
# A stack trace deeper than this repeats itself.
STACKTRACE_BYTES_MAX: Final = 32 * KIB

# The defaults of OpenTelemetry's SDKs.
SPAN_ATTRIBUTES_MAX: Final = 128
SPAN_EVENTS_MAX: Final = 128
EVENT_ATTRIBUTES_MAX: Final = 128
SPAN_LINKS_MAX: Final = 128
LINK_ATTRIBUTES_MAX: Final = 32
# What one span may hold in fields that are larger than SMALL_FIELD_BYTES; the small ones are
# bounded by their counts.
SPAN_LARGE_FIELDS_BYTES_MAX: Final = 1 * MIB
SMALL_FIELD_BYTES: Final = 4 * KIB

# Finished spans that wait for their acknowledgement.
BUFFER_BYTES_MAX: Final = 8 * MIB
# What a span costs in memory beside its bytes.
SPAN_OVERHEAD_BYTES: Final = 64
# A batch is closed before it grows over either; a span that is larger travels alone.
BATCH_BYTES_MAX: Final = 256 * KIB
BATCH_SPANS_MAX: Final = 512
# How long the sender lets spans gather once it has been woken.
LINGER_S: Final = 0.02

# A span that is open longer is announced by a mark.
MARK_AFTER_S: Final = 0.05
# Open spans that no mark has announced and that are kept in mind; more are a program's mistake.
YOUNG_SPANS_MAX: Final = 65_536
# How long a durable span waits for its mark to be on disk before it goes on without.
DURABLE_TIMEOUT_S: Final = 1.0
# Ids of announced spans that were dropped when they ended; 24 bytes each.
ORPHANS_MAX: Final = 8192
# A snapshot of state, as JSON, and how many a span may hold. Both bound what its end costs.
STATE_BYTES_MAX: Final = 32 * KIB
STATES_MAX: Final = 16
# A file of spans that nobody takes away must not fill the disk.
OFFLINE_BYTES_MAX: Final = 1024 * MIB

# What a tracer keeps in memory for ``save``; its JSON lines hold every step.
TRACER_STEPS_MAX: Final = 10_000
STEP_LOGS_MAX: Final = 1024
# What waits for an AgentTrace server; a few MiB.
EXPORT_QUEUE_MAX: Final = 1000
# Of an agent's name in the name of a file, which most systems end at 255 bytes.
FILE_NAME_CHARACTERS_MAX: Final = 100

# Encoded keys and names that are kept; both sets are small in any program that is not mistaken.
CACHED_TEXTS_MAX: Final = 4096

# What a daemon may answer. A larger frame is not an answer.
REPLY_BYTES_MAX: Final = 64 * KIB
CONNECT_TIMEOUT_S: Final = 1.0
# A commit behind a slow disk takes a second or three; after this the same seq is sent on a new
# connection.
REPLY_TIMEOUT_S: Final = 10.0
RETRY_DELAY_FIRST_S: Final = 0.1
RETRY_DELAY_MAX_S: Final = 5.0
# However long a daemon asks us to stay away.
RETRY_AFTER_MAX_S: Final = 60.0

# At exit. Without anything to send only the goodbye is waited for.
EXIT_TIMEOUT_S: Final = 1.0
GOODBYE_TIMEOUT_S: Final = 0.1

# `sidespan run`: what it records of the arguments, and how long it waits for the node's token.
COMMAND_BYTES_MAX: Final = 16 * KIB
CONNECT_WAIT_S: Final = 0.1
# `sidespan emit` looks this often whether the recorder is absent.
FLUSH_POLL_S: Final = 0.05

# W3C Trace Context, section 3.3: 32 members of at most 513 characters; more than 128 is dropped
# first.
TRACESTATE_MEMBERS_MAX: Final = 32
TRACESTATE_CHARACTERS_MAX: Final = 16 * KIB
MEMBER_CHARACTERS_MAX: Final = 128

assert VALUE_BYTES_MAX < SPAN_LARGE_FIELDS_BYTES_MAX < BUFFER_BYTES_MAX
assert BATCH_BYTES_MAX < BUFFER_BYTES_MAX
assert RETRY_DELAY_FIRST_S < RETRY_DELAY_MAX_S < RETRY_AFTER_MAX_S
