/**
 * Every bound of the client, with its unit and its reason. What is over one is cut or counted,
 * never an error.
 */

const KIB = 1024;
const MIB = 1024 * KIB;

/** A name or key over this is somebody's data in the wrong place. */
export const NAME_BYTES_MAX = 1 * KIB;
export const KEY_BYTES_MAX = 256;
/** One attribute value with all that is nested in it. A long prompt fits. */
export const VALUE_BYTES_MAX = 256 * KIB;
export const VALUE_ITEMS_MAX = 1024;
export const VALUE_DEPTH_MAX = 8;
/** A stack trace deeper than this repeats itself. */
export const STACKTRACE_BYTES_MAX = 32 * KIB;

/** The defaults of OpenTelemetry's SDKs. */
export const SPAN_ATTRIBUTES_MAX = 128;
export const SPAN_EVENTS_MAX = 128;
export const EVENT_ATTRIBUTES_MAX = 128;
export const SPAN_LINKS_MAX = 128;
export const LINK_ATTRIBUTES_MAX = 32;
/** What the attributes, events and links of one span may take together. */
export const SPAN_BYTES_MAX = 1 * MIB;

/** Spans that wait for their acknowledgement. */
export const BUFFER_BYTES_MAX = 8 * MIB;
/** What a span costs in memory beside its bytes. */
export const SPAN_OVERHEAD_BYTES = 128;
/** A batch is closed before it grows over either; a span that is larger travels alone. */
export const BATCH_BYTES_MAX = 256 * KIB;
export const BATCH_SPANS_MAX = 512;
/** How long spans gather once the first has come. */
export const LINGER_MS = 20;

/** A span that is open longer is announced by a mark. */
export const MARK_AFTER_MS = 50;
/** How long a durable span waits for its mark to be on disk before it goes on without. */
export const DURABLE_TIMEOUT_MS = 1000;
/** Open spans that are looked after; one more is recorded only when it ends. */
export const OPEN_SPANS_MAX = 8192;

export const INSTANCE_ID_BYTES = 16;
export const TRACE_ID_BYTES = 16;
export const SPAN_ID_BYTES = 8;
export const ENDED_ID_BYTES = TRACE_ID_BYTES + SPAN_ID_BYTES;
/** What a daemon takes as a HELLO. */
export const HELLO_BYTES_MAX = 4 * KIB;
/** What a daemon may answer. A larger frame is not an answer. */
export const REPLY_BYTES_MAX = 64 * KIB;
export const CONNECT_TIMEOUT_MS = 1000;
/** A commit behind a slow disk takes a second or three; after this the seq is sent anew. */
export const REPLY_TIMEOUT_MS = 10_000;
export const RETRY_DELAY_FIRST_MS = 100;
export const RETRY_DELAY_MAX_MS = 5000;
/** However long a daemon asks us to stay away. */
export const RETRY_AFTER_MAX_MS = 60_000;
/** At exit: how long what is buffered is waited for. */
export const EXIT_TIMEOUT_MS = 1000;

/** W3C Trace Context, section 3.3: 32 members; one over 128 characters is dropped first. */
export const TRACESTATE_MEMBERS_MAX = 32;
export const TRACESTATE_CHARACTERS_MAX = 16 * KIB;
export const MEMBER_CHARACTERS_MAX = 128;
