"""Every bound, with its unit and its reason. Relations between bounds are asserted below."""

from typing import Final

KIB: Final = 1024
MIB: Final = 1024 * KIB
GIB: Final = 1024 * MIB

# One request, before and after decompression. A prompt with images passes; OTLP recommends 64 MiB.
MESSAGE_BYTES_MAX: Final = 64 * MIB
# HELLO holds an id, two numbers and a name.
HELLO_BYTES_MAX: Final = 4 * KIB
# What a request occupies once it is parsed: 30 MiB of spans with ten short attributes do. It bounds
# attributes, events, links and values together, of which each takes 44 bytes or more.
PARSED_BYTES_MAX: Final = 2 * MESSAGE_BYTES_MAX
# Requests that wait for their commit, all doors together. Beyond it senders are told to come back.
INFLIGHT_BYTES_MAX: Final = 256 * MIB
# Of one user, tenant or address: the others always find room.
PEER_INFLIGHT_BYTES_MAX: Final = INFLIGHT_BYTES_MAX // 2
# Above this the rest is kept for requests that carry an error.
PLAIN_INFLIGHT_BYTES_MAX: Final = INFLIGHT_BYTES_MAX * 9 // 10
# Bodies that are still being received, of all HTTP connections together, and of one peer.
RECEIVING_BYTES_MAX: Final = 256 * MIB
PEER_RECEIVING_BYTES_MAX: Final = RECEIVING_BYTES_MAX // 2
# Peers whose use of a rate is remembered.
RATE_PEERS_MAX: Final = 1024
# A refusal over OTLP is held back for so long first, since some exporters never come again; beyond
# the bounds it is told at once.
HOLD_S_MIN: Final = 1.0
HOLD_S_MAX: Final = 3.0
HELD_REQUESTS_MAX: Final = 256
HELD_BYTES_MAX: Final = 32 * MIB
# Requests whose repetition is recognised, about 700 bytes each, and for how long: exporters try
# again for a minute at most.
REPEAT_REQUESTS_MAX: Final = 8192
REPEAT_WINDOW_S: Final = 120.0
REPEAT_WINDOW_S_MAX: Final = 3600.0
# Traces whose spans are counted where a cap is set, about 150 bytes each; the one that was silent
# for longest is forgotten first.
CAPPED_TRACES_MAX: Final = 65_536
# Of one connection: what a client may send ahead of its acknowledgements.
UNACKED_BYTES_MAX: Final = 8 * MIB
# What a request occupies beside its body until it is answered.
REQUEST_OVERHEAD_BYTES: Final = 1 * KIB
# Of one door. Fewer where the process may not have so many descriptors.
CONNECTIONS_MAX: Final = 4096
# Descriptors that connections leave to the journal, the worker and the listeners.
DESCRIPTORS_RESERVED: Final = 512
# Tenants that the configuration names: a token is compared with every one of them.
TENANTS_MAX: Final = 256
# A token file: shorter tokens can be guessed; several stand in it while they are being replaced.
BEARER_CHARACTERS_MIN: Final = 16
BEARERS_PER_FILE_MAX: Final = 8
# A token file, or a private key.
SECRET_FILE_BYTES_MAX: Final = 64 * KIB
# A TCP peer that does not finish its TLS handshake, or its HTTP/2 preface, is let go.
TLS_HANDSHAKE_S: Final = 10.0
# A frame that has begun must go on; a client that hangs in the middle of one is let go.
FRAME_STALL_S: Final = 30.0
HTTP_STALL_S: Final = 30.0
# A frame or an HTTP request is whole within this, however steadily it trickles: the largest one at
# 0.5 MB/s.
REQUEST_S: Final = 120.0
# A sender that is refused in the middle of its body gets this long to read why.
HTTP_LINGER_S: Final = 2.0
# OTLP/JSON is for small things: as objects it takes fifty times the memory of its text, and a
# second for a megabyte.
JSON_BYTES_MAX: Final = 4 * MIB
# An empty object takes 3 bytes of text and 160 of memory; of ordinary ones fewer fit.
JSON_OBJECTS_MAX: Final = 300_000
# OTLP/JSON nests about ten deep around an attribute's value; protobuf itself stops at 100.
JSON_DEPTH_MAX: Final = 90
HTTP_HEADER_BYTES_MAX: Final = 32 * KIB
# Answers on a gRPC stream that its client has not read; more of it is not read meanwhile.
ANSWERS_MAX: Final = 1024
GRPC_STREAMS_PER_CONNECTION_MAX: Final = 128

# A group commit: enough to amortise two flushes, little enough to keep its latency near theirs.
GROUP_BYTES_MAX: Final = 4 * MIB
GROUP_RECORDS_MAX: Final = 4096
# How long a group waits for company when the one before it had some.
GROUP_GATHER_S: Final = 0.001

# One record. An item needs an LSN, and the header counts items in 32 bits.
ITEMS_PER_RECORD_MAX: Final = 1_000_000
# Resources and scopes of one request together; each is visited, however empty it is.
GROUPS_PER_RECORD_MAX: Final = 100_000
# Bad items that are picked out one by one while the others are stored.
REFUSED_ITEMS_MAX: Final = 10_000
EDGES_PER_RECORD_MAX: Final = 1024
EDGES_PER_ITEM_MAX: Final = 16
CONTROL_BYTES_MAX: Final = 64 * KIB

# W3C Trace Context: an id is 16 or 8 bytes, not all zero; members over 128 characters are dropped
# first.
TRACE_ID_BYTES: Final = 16
SPAN_ID_BYTES: Final = 8
TRACESTATE_BYTES_MAX: Final = 16 * KIB
TRACESTATE_MEMBER_CHARACTERS_MAX: Final = 128

# A remote clock further ahead than this is not merged (the record is stored all the same).
HLC_MERGE_AHEAD_NS_MAX: Final = 500_000_000

# Wall and boot time run at one rate and part only when the wall is set. Two readings apart by less
# than this may be one moment, seen by a thread that was kept waiting between them.
CLOCK_STEP_NS_MIN: Final = 10_000_000
# A new checkpoint is signed this long after the first record that it covers.
CHECKPOINT_INTERVAL_S: Final = 1.0

# A signed note: a checkpoint or a key statement is under 1 KiB; C2SP wants at least 16 signatures,
# of which a post-quantum one takes 5 KB.
NOTE_BYTES_MAX: Final = 128 * KIB
NOTE_SIGNATURES_MAX: Final = 100
# A proof names at most 63 hashes, its checkpoint is a note.
PROOF_BYTES_MAX: Final = NOTE_BYTES_MAX + 64 * KIB
# Events that answered questions of order keep in memory, about 300 bytes each.
CLOSURE_EVENTS_MAX: Final = 1_000_000
# A proof bundle: a record in base64 beside its proof and its key.
BUNDLE_BYTES_MAX: Final = MESSAGE_BYTES_MAX // 3 * 4 + 1 * MIB
# Compact ranges that a check of a store remembers: a checkpoint is stored within a second of its
# signature.
TREE_HEADS_MAX: Final = 100_000
# What a check lists before it stops listing; one fault often shows in many places.
FINDINGS_MAX: Final = 200
# Items of one store that a question of order holds in memory, about 1 KiB each.
EVIDENCE_ITEMS_MAX: Final = 200_000
# An item that was accepted this long after its claimed end was held back on the way.
LATE_NS: Final = 3600 * 1_000_000_000

# Segments. The map is address space; the file is as long as what was written to it.
SEGMENT_BYTES: Final = 64 * MIB
SEGMENT_BYTES_MIN: Final = 1 * MIB
# Trim frees whole segments, and a reader maps one at a time into its address space.
SEGMENT_BYTES_MAX: Final = 16 * GIB
SEGMENT_AGE_S: Final = 3600
# A new file for every commit would be all cost.
SEGMENT_AGE_S_MIN: Final = 1
# Room past the roll size for one group and one largest record, with LMDB's page rounding.
SEGMENT_MAP_SLACK_BYTES: Final = 2 * MESSAGE_BYTES_MAX
SEGMENT_LOCK_BYTES: Final = 64 * KIB
# A new store's first segment is written this far before it is used; the rest is only allocated.
PREWRITE_FIRST_BYTES: Final = 16 * MIB
PREWRITE_BYTES_PER_S_MIN: Final = 32 * MIB

# A state row: the identity of a generation is the longest.
ROW_BYTES_MAX: Final = CONTROL_BYTES_MAX

# Sessions whose last seq is remembered; the one unused for longest goes first.
SESSIONS_MAX: Final = 4096
INSTANCE_ID_BYTES: Final = 16
# Open spans that are watched: the table is in memory, and each new segment begins with all of it.
# Marks beyond are stored, and nobody waits for the ends of their spans.
OPEN_SPANS_PER_INSTANCE_MAX: Final = 8192
OPEN_SPANS_MAX: Final = 32768
# Names in that table and in ABANDONED are for people.
OPEN_TEXT_CHARACTERS_MAX: Final = 80
# How long a client whose process lives, or is unknown, may be away before its open spans count as
# abandoned; and one that has no session whose end could be noticed may be silent.
AWAY_S_MAX: Final = 10.0
SILENT_S_MAX: Final = 600.0
# Producers (door, uid, pid or address) that share one SESSION record while the daemon runs.
PRODUCERS_MAX: Final = 1024

# A reader copies one batch and lets go.
READ_BATCH_BYTES: Final = 4 * MIB
READ_BATCH_RECORDS: Final = 1024
# Segments that a process keeps open to read, its threads together: each maps a file.
OPEN_SEGMENTS_MAX: Final = 4

# One delivery of a sink, its stamps included. Collectors take 4 MiB in one request by default.
DELIVERY_BYTES_MAX: Final = 2 * MIB
# What a sink adds to an item: two attributes whose values are numbers of at most 20 digits.
STAMP_BYTES_MAX: Final = 128
# After a pause, small commits are awaited so that they are delivered together.
SINK_COALESCE_S: Final = 0.1
# How far a busy sink's cursor file may be behind: what comes again after a crash.
CURSOR_SAVE_S: Final = 0.25
CURSOR_FILE_BYTES_MAX: Final = 4 * KIB
# No peer silences a sink for longer than this.
SINK_RETRY_AFTER_S_MAX: Final = 300.0
# A peer's words in a log line.
SINK_REASON_CHARACTERS_MAX: Final = 256
# OTLP: a response is at most this long.
SINK_RESPONSE_BYTES_MAX: Final = 4 * MIB
# Requests that one refused delivery may cost before what is refused goes to the dead letters whole:
# a bad item among 1,000 takes about 20.
SINK_SPLITS_MAX: Final = 256
# Dead letters of one sink: beyond the first bound they are kept without their bytes, beyond the
# second the sink waits for its operator.
DEAD_LETTER_BYTES_MAX: Final = 64 * MIB
DEAD_LETTER_LIST_BYTES_MAX: Final = 80 * MIB
DEAD_LETTER_REASON_CHARACTERS_MAX: Final = 1024
# What a command waits for a worker that writes the same dead letters.
DEAD_LETTER_LOCK_S: Final = 10.0
# How long a sink that is taken away may finish what it delivers.
RELOAD_GRACE_S: Final = 2.0
# One request of a sink: what may be set, and what its receiver's trailers may take.
REQUEST_BYTES_MIN: Final = 64 * KIB
REQUEST_BYTES_MAX: Final = MESSAGE_BYTES_MAX
SINK_TRAILERS_BYTES_MAX: Final = 1 * MIB
# A filter is written by hand; each term is asked of each item.
FILTER_CHARACTERS_MAX: Final = 4096
FILTER_TERMS_MAX: Final = 64
FILTER_DEPTH_MAX: Final = 16
# A longer text matches no pattern.
FILTER_TEXT_CHARACTERS_MAX: Final = 8192
# Attributes that a sink adds to every resource.
RESOURCE_ADDITIONS_MAX: Final = 32
RESOURCE_ADDITION_BYTES_MAX: Final = 1024
# What "redacted" lets out: AITrace's ExportBounds.
EXPORT_ATTRIBUTES_MAX: Final = 32
EXPORT_KEY_BYTES_MAX: Final = 64
EXPORT_VALUE_BYTES_MAX: Final = 512
EXPORT_ITEMS_MAX: Final = 16
EXPORT_DEPTH_MAX: Final = 2
# Refs that one list of attributes names one by one, about 500 bytes each, twice where they stand in
# for a value; the last one covers all that is left. What all refs of a record may add to it.
EXPORT_REFS_PER_MAP_MAX: Final = 64
EXPORT_REF_BYTES: Final = 512
EXPORT_REFS_TIMES_MAX: Final = 8
EXPORT_REFS_BYTES_MAX: Final = 32 * MIB
# Secrets that are looked for in all that leaves. A shorter one would be found in ordinary words.
SECRET_CHARACTERS_MIN: Final = 8
SECRETS_MAX: Final = 64
# The debug tap: what waits for its disk, and how long its file gets before the tap ends.
TAP_WAITING_BYTES_MAX: Final = 16 * MIB
TAP_FILE_BYTES_MAX: Final = 1 * GIB
# Each sink reads the journal by itself; a name is that of a directory.
SINKS_MAX: Final = 64
SINK_NAME_CHARACTERS_MAX: Final = 64
# Traces whose sinks are fixed, about 250 bytes each; the one that was silent for longest is
# forgotten first. Parts with sinks of their own that one request may have.
GOVERNED_TRACES_MAX: Final = 65_536
GOVERNED_PARTS_MAX: Final = 64
# Lines of a file that one flush covers: what a power cut may leave as holes.
LINES_BYTES_MAX: Final = 4 * MIB
# aitrace_file: spans of one file, as AITrace's collector takes; memory of the database of those
# that wait; traces whose files share their flushes; and the largest file that is read back.
TRACE_FILE_SPANS_MAX: Final = 10_000
PENDING_CACHE_KIB: Final = 8 * 1024
PENDING_TRACES_PER_TURN: Final = 64
EXPORT_FILE_BYTES_MAX: Final = 4 * GIB
# A receipt names identities and hashes.
RECEIPT_BYTES_MAX: Final = 64 * KIB
# nats: messages that wait for their acknowledgement together, and what the headers of one take: a
# node reference of 255 characters three times over.
NATS_WINDOW_MESSAGES: Final = 64
NATS_HEADER_BYTES_MAX: Final = 2 * KIB
# A connection that is broken off gets this long for its goodbye.
NATS_CLOSE_S: Final = 1.0
# console: attributes, and events, that are printed of one span; how long a reader is waited for.
CONSOLE_LINES_PER_SPAN_MAX: Final = 64
CONSOLE_WAIT_S: Final = 1.0
# Spans that are encoded before other sinks get their turn.
SPANS_PER_TURN: Final = 64

# Between recorder and worker: a message names every sink, and several are sent together.
CHANNEL_MESSAGE_BYTES_MAX: Final = 1 * MIB
CHANNEL_TICK_S: Final = 0.02
# What the worker may have asked the recorder and not heard of yet.
CHANNEL_ASKS_MAX: Final = 16
# One question: the reader of the channel may hold most of it and a further read at once.
CHANNEL_ASK_BYTES_MAX: Final = 512 * KIB
SINK_FIGURES_S: Final = 1.0

# How long a file that is being imported waits for a daemon that does not answer.
IMPORT_WAIT_S: Final = 30.0
# A file that is one document of JSON is read whole; as objects it takes ten times its size.
IMPORT_DOCUMENT_BYTES_MAX: Final = 64 * MIB
# Of one value in a page that is exported: what follows is in the other formats.
EXPORT_TEXT_CHARACTERS_MAX: Final = 100_000

# An id in a question: fewer digits would name too much. What an ambiguous one lists.
ID_PREFIX_CHARACTERS_MIN: Final = 6
ID_CANDIDATES_MAX: Final = 10
# Looking for one trace goes on for so long after its last span that was met; decoding is rare here.
FIND_QUIET_BYTES: Final = 256 * MIB
# A list decodes all that it walks over, about 100 MB a second.
LIST_QUIET_BYTES: Final = 16 * MIB
LIST_BYTES_MAX: Final = 128 * MIB
# Spans of one trace that are held in memory to draw it, and services that a list names.
TRACE_SPANS_MAX: Final = 50_000
SUMMARY_SERVICES_MAX: Final = 16
# The index: a commit while it catches up, and how long it gathers once it is live.
INDEX_BATCH_ITEMS: Final = 8192
INDEX_BATCH_S: Final = 0.25
INDEX_COALESCE_S: Final = 0.06
# What it looks after itself, and how long it waits when it could not write.
INDEX_UPKEEP_S: Final = 2.0
INDEX_RETRY_S: Final = 1.0
# It stops before the disk is so full that the journal must remove what it recorded, and goes when
# that lasts: it can be made again. The least part of a disk that it leaves free in any case.
INDEX_DISK_MARGIN: Final = 1.25
INDEX_DISK_FREE_MIN: Final = 0.02
INDEX_GIVE_WAY_S: Final = 10.0
# Objects that are made between two looks for cycles, in the worker and in a command.
GC_ALLOCATIONS: Final = 70_000
# Further behind than this it says that it is being built.
INDEX_LIVE_LAG_S: Final = 5.0
# A text of one item beyond this is not searched; JSON beyond the second is searched as it stands.
INDEX_TEXT_CHARACTERS_MAX: Final = 64 * KIB
INDEX_JSON_BYTES_MAX: Final = 256 * KIB
# Sets of keys whose words are remembered, and how long one may be.
INDEX_SHAPES_CACHED_MAX: Final = 512
INDEX_SHAPE_CHARACTERS_MAX: Final = 4 * KIB
# Items whose texts share a table: what a redaction writes anew, and how many tables a search asks.
INDEX_PART_ITEMS: Final = 131_072
INDEX_PART_CHARACTERS: Final = 256 * MIB
# What lies further apart in time shares none, nor more than an eighth of what is kept.
INDEX_PART_S: Final = 86400.0
INDEX_PARTS_KEPT_MIN: Final = 8
# In memory, while it writes: names of a field, 150 bytes each; traces, 1 KiB each; calls of models,
# 300 bytes.
INDEX_TERMS_CACHED_MAX: Final = 8192
INDEX_TRACES_CACHED_MAX: Final = 2048
INDEX_SPANS_CACHED_MAX: Final = 4096
INDEX_CALLS_MAX: Final = 16_384
# Names and the like by which one trace is found; tool calls that one answer may ask for.
TRACE_TERMS_MAX: Final = 4096
TRACE_VALUES_MAX: Final = 16
TOOL_CALLS_MAX: Final = 64
# SQLite's page cache of the writer and of each reader, and what one waits for the other.
INDEX_CACHE_KIB: Final = 4 * 1024
INDEX_READ_CACHE_KIB: Final = 4 * 1024
INDEX_BUSY_S: Final = 5.0
# A question waits for an index that is being made anew: its file is there within milliseconds.
INDEX_BIRTH_S: Final = 1.0
# One question; candidates that it weighs one by one before it walks in order; rows of statistics.
INDEX_QUERY_S: Final = 2.0
# What it gets beyond that, to bring what it has found.
INDEX_GRACE_S: Final = 0.5
# A trace of a million spans is read whole.
INDEX_SKELETON_S: Final = 60.0
INDEX_CANDIDATES_MAX: Final = 20_000
INDEX_TEXT_HITS_MAX: Final = 10_000
INDEX_KEYS_MAX: Final = 16
INDEX_ROWS_MAX: Final = 1000
STATS_ROWS_MAX: Final = 200
# Traces of which a strip over time is made, the newest; edges that are drawn of one trace.
STRIP_TRACES_MAX: Final = 50_000
STRIP_BUCKETS_MAX: Final = 500
SKELETON_EDGES_MAX: Final = 200_000
# Spans, or log records, of one trace whose places are listed.
TRACE_SPANS_INDEXED_MAX: Final = 1_000_000
# SQL of a person: what one statement, and one value of its answer, may take.
SQL_BYTES_MAX: Final = 64 * KIB
SQL_VALUE_BYTES_MAX: Final = 1 * MIB
# What is read of an id or a name among a span's attributes, and a count that is still believed.
AI_TEXT_CHARACTERS_MAX: Final = 512
AI_COUNT_MAX: Final = 2**53
# Sets of keys for which it is remembered how they are read.
AI_SHAPES_CACHED_MAX: Final = 1024
# Beyond it a double, which is what most readers of JSON make of a number, skips integers.
JSON_INTEGER_MAX: Final = 2**53 - 1
# Acts of redaction that an answer tells of.
REDACTIONS_TOLD_MAX: Final = 50
# Messages of one span that lie flat among its attributes.
FLAT_MESSAGES_MAX: Final = 10_000
# A query is typed by people, or linked to; each value may be a look-up.
SEARCH_CHARACTERS_MAX: Final = 4096
SEARCH_TERMS_MAX: Final = 32
SEARCH_VALUES_MAX: Final = 64
# One line of a terminal holds less; longer names of spans are cut.
TEXT_CHARACTERS_MAX: Final = 200

# How far an anchor may lag behind its store, and how long one is: a place and a checksum.
ANCHOR_INTERVAL_S: Final = 1.0
ANCHOR_BYTES_MAX: Final = 4 * KIB

# Retention: what is kept by default, and how often that is looked at.
RETENTION_AGE_S: Final = 7 * 86400
RETENTION_BYTES: Final = 10 * GIB
DISK_FREE_MIN: Final = 0.1
UPKEEP_S: Final = 2.0
# A clock that was set ahead, by a mistake it may be, makes nothing old for so long.
CLOCK_STEP_BELIEVED_S: Final = 86_400.0
# What a sender waits when the journal is full: until a sink has caught up or room was made.
FULL_RETRY_AFTER_MS: Final = 5000
# The open segment, the spare, and what is left to trim.
RETENTION_SEGMENTS_MIN: Final = 4
# On a disk that is full the next segment needs this much beside itself: for its place and name.
SEGMENT_BIRTH_BYTES: Final = 256 * KIB

# One REDACT record: its body is a control record's. Actor and reason are written by people.
REDACT_RECORDS_MAX: Final = 512
REDACT_TRACES_MAX: Final = 1024
REDACT_TEXT_CHARACTERS_MAX: Final = 512
# One request for redaction: it crosses the channel in one message.
REDACTION_RECORDS_MAX: Final = 4096
REDACTION_TRACES_MAX: Final = 8192
# What a rewritten segment's commit may hold: it is read whole before it is written.
REWRITE_BATCH_BYTES: Final = 4 * MIB

# The API on api.sock: a request names positions or ids, thousands at most.
API_BODY_BYTES_MAX: Final = 1 * MIB
API_POSITIONS_MAX: Final = 20_000
API_CONNECTIONS_MAX: Final = 64
# Who connects and does not say what it wants takes the place of another.
API_HEAD_S: Final = 10.0
# Questions that are worked on at once, and those that may wait; questions of order, which take
# seconds and memory, one at a time.
API_THREADS: Final = 4
API_QUESTIONS_MAX: Final = 32
API_ORDERS_MAX: Final = 4
# What a question, its path and its query line may be.
API_TARGET_BYTES_MAX: Final = 16 * KIB
API_ROWS_MAX: Final = 500
API_SQL_ROWS_MAX: Final = 10_000
API_BUCKETS_MAX: Final = 500
# Streams of changes: how many, how often they look, also where the index says that it stands still,
# how much one look tells, and how long one is silent before it says that it lives.
API_STREAMS_MAX: Final = 16
STREAM_COALESCE_S: Final = 0.1
STREAM_LOOK_S: Final = 1.0
STREAM_ROWS_MAX: Final = 200
STREAM_HEARTBEAT_S: Final = 10.0
# One part of a large value that is asked for without a range.
CONTENT_PART_BYTES_MAX: Final = 64 * MIB
# The token of the API: 32 random bytes in base64.
API_TOKEN_BYTES: Final = 32
# What a command waits for: a redaction rewrites segments, each of which is copied.
API_ANSWER_S: Final = 600.0
# A worker that is being started is there within a second.
API_CONNECT_S: Final = 5.0
# A question is answered within seconds; a stream says every few seconds that it is there.
API_QUIET_S: Final = 30.0
# What a command reads of one answer, and of one event of a stream.
API_ANSWER_BYTES_MAX: Final = 1 * GIB
API_EVENT_BYTES_MAX: Final = 16 * MIB

# An answer about a span: a larger value is asked for by itself; beyond the second bound every one
# is. Records whose items are held while a trace is read, and logs of one span that are shown.
INLINE_BYTES_MAX: Final = 4 * KIB
ANSWER_BYTES_MAX: Final = 4 * MIB
CONTENT_PREVIEW_CHARACTERS: Final = 512
RECORDINGS_BYTES_MAX: Final = 16 * MIB
ANSWER_LOGS_MAX: Final = 1000
EXCERPT_CHARACTERS: Final = 160
# Spans of a trace that are answered as a tree; the skeleton has any number.
ANSWER_SPANS_MAX: Final = 5000
# Items of the journal that a question of order over the API is asked of, about 1 KiB each, and
# spans that are read while the last snapshot before one is looked for.
ANSWER_EVIDENCE_ITEMS_MAX: Final = 50_000
# One comparison of two values. What is larger, or nests deeper, is compared as one piece.
DIFF_BYTES_MAX: Final = 8 * MIB
DIFF_DEPTH_MAX: Final = 64
DIFF_NODES_MAX: Final = 200_000
# Half a second of looking for what two lists have in common; beyond it, what occurs once is enough.
DIFF_STEPS_MAX: Final = 1_000_000
DIFF_EDITS_MAX: Final = 512
DIFF_TOKENS_MAX: Final = 4096
DIFF_CHANGES_MAX: Final = 5000
DIFF_HUNK_CHARACTERS_MAX: Final = 512 * KIB

# How often a backup copies what has changed meanwhile: a segment is rolled once in seconds at most.
BACKUP_ROUNDS_MAX: Final = 100

# Log files off systemd: five of them hold some hundred thousand messages a process.
LOG_FILE_BYTES_MAX: Final = 16 * MIB
LOG_FILE_BYTES_MIN: Final = 64 * KIB
LOG_FILES_MAX: Final = 5
LOG_FILES_MOST: Final = 100

# Commits that may fail in a row before the daemon gives up and lets its supervisor decide.
COMMIT_FAILURES_MAX: Final = 3

# A stop: answer what was accepted, save cursors, leave.
STOP_GRACE_S: Final = 3.0
STOP_WORKER_S: Final = 4.0
# A worker that ran this long before it ended starts its back-off anew.
WORKER_STEADY_S: Final = 60.0

# sun_path holds 108 bytes with its terminator.
SOCKET_PATH_BYTES_MAX: Final = 107

assert HELLO_BYTES_MAX < UNACKED_BYTES_MAX < MESSAGE_BYTES_MAX < INFLIGHT_BYTES_MAX
assert OPEN_SPANS_PER_INSTANCE_MAX <= OPEN_SPANS_MAX
assert MESSAGE_BYTES_MAX <= PEER_INFLIGHT_BYTES_MAX < PLAIN_INFLIGHT_BYTES_MAX < INFLIGHT_BYTES_MAX
assert MESSAGE_BYTES_MAX <= PEER_RECEIVING_BYTES_MAX < RECEIVING_BYTES_MAX
assert JSON_BYTES_MAX // 16 < JSON_OBJECTS_MAX < JSON_BYTES_MAX // 3
assert HELD_BYTES_MAX < PEER_INFLIGHT_BYTES_MAX
assert HOLD_S_MIN < HOLD_S_MAX <= STOP_GRACE_S
assert REPEAT_WINDOW_S <= REPEAT_WINDOW_S_MAX
assert GROUP_BYTES_MAX <= SEGMENT_MAP_SLACK_BYTES
assert MESSAGE_BYTES_MAX + 4 * MIB < SEGMENT_MAP_SLACK_BYTES
assert DELIVERY_BYTES_MAX <= READ_BATCH_BYTES
assert CONTROL_BYTES_MAX < SEGMENT_BYTES_MIN
assert 48 * REDACT_RECORDS_MAX + 18 * REDACT_TRACES_MAX + 8 * 512 < CONTROL_BYTES_MAX
assert 48 * REDACTION_RECORDS_MAX + 18 * REDACTION_TRACES_MAX < CHANNEL_ASK_BYTES_MAX
assert REDACT_TRACES_MAX <= REDACTION_TRACES_MAX
assert 48 * API_POSITIONS_MAX < API_BODY_BYTES_MAX
assert CHANNEL_ASK_BYTES_MAX < CHANNEL_MESSAGE_BYTES_MAX
assert LIST_QUIET_BYTES < LIST_BYTES_MAX < FIND_QUIET_BYTES
assert PREWRITE_FIRST_BYTES <= SEGMENT_BYTES
