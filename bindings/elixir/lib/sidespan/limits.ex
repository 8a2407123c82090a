defmodule Sidespan.Limits do
  @moduledoc """
  Every bound of the client, with its unit and its reason.

  What is over one is cut or counted, never an error. The numbers are those of the Python client
  unless a comment says why not.
  """

  @kib 1024
  @mib 1024 * @kib

  @doc "A name over this is somebody's data in the wrong place."
  def name_bytes_max, do: @kib

  @doc "A key over this is, too."
  def key_bytes_max, do: 256

  @doc "One attribute value with all that is nested in it. A long prompt fits."
  def value_bytes_max, do: 256 * @kib

  @doc "Members of one value, all nesting together."
  def value_items_max, do: 1024

  @doc "Nesting of one value."
  def value_depth_max, do: 8

  @doc "A stack trace deeper than this repeats itself."
  def stacktrace_bytes_max, do: 32 * @kib

  @doc "The default of OpenTelemetry's SDKs."
  def span_attributes_max, do: 128

  @doc "The default of OpenTelemetry's SDKs."
  def span_events_max, do: 128

  @doc "The default of OpenTelemetry's SDKs."
  def event_attributes_max, do: 128

  @doc "The default of OpenTelemetry's SDKs."
  def span_links_max, do: 128

  @doc "A link says why it is there, and no more."
  def link_attributes_max, do: 32

  @doc "All attributes, events and links of one span, as encoded."
  def span_bytes_max, do: @mib

  @doc "Encoded spans that wait for their acknowledgement, all together."
  def buffer_bytes_max, do: 8 * @mib

  @doc "What a waiting span costs in memory beside its bytes."
  def span_overhead_bytes, do: 64

  @doc "A span that is open longer is announced by a mark."
  def mark_after_ms, do: 50

  @doc "How long a durable span waits for its mark to be on disk before it goes on without."
  def durable_timeout_ms, do: 1_000

  @doc "Announced spans at a time: as many as the daemon watches of one program."
  def open_spans_max, do: 8_192

  @doc "How long additions to announced spans gather once the first has come."
  def linger_ms, do: 20

  @doc "The table of open spans is not looked through more often."
  def rescan_ms_min, do: 5

  @doc "The default send buffer of a Unix socket is 208 KiB; two batches stay well below it."
  def batch_bytes_max, do: 64 * @kib

  @doc "A batch is closed before it grows over this."
  def batch_spans_max, do: 512

  @doc "Sent and not yet answered. One span that is larger travels alone."
  def unacked_bytes_max, do: 128 * @kib

  @doc """
  What the port driver queues before `:gen_tcp.send/2` blocks: more than can be unacknowledged, so
  that a stopped daemon never blocks the buffer process.
  """
  def driver_queue_bytes_max, do: 4 * @mib

  @doc "What a daemon may answer. A larger frame is not an answer."
  def reply_bytes_max, do: 64 * @kib

  @doc "A Unix socket connects at once or its backlog is full."
  def connect_timeout_ms, do: 1_000

  @doc "A commit behind a slow disk takes a second or three; then the same seq is sent anew."
  def reply_timeout_ms, do: 10_000

  @doc "The first back-off; it doubles."
  def retry_delay_ms_first, do: 100

  @doc "The longest back-off of our own."
  def retry_delay_ms_max, do: 5_000

  @doc "However long a daemon asks us to stay away."
  def retry_after_ms_max, do: 60_000

  @doc "How long the stop of the application may be held up to send what is buffered."
  def exit_timeout_ms, do: 1_000

  @doc "W3C Trace Context, section 3.3."
  def tracestate_members_max, do: 32

  @doc "The 32 members of at most 513 characters, which are ASCII."
  def tracestate_characters_max, do: 16 * @kib

  @doc "W3C Trace Context, section 3.3.1.5: longer members are dropped first."
  def member_characters_max, do: 128

  @doc "Random bytes that name this client to the daemon."
  def instance_id_bytes, do: 16

  @doc "W3C Trace Context, section 3.2.2.3."
  def trace_id_bytes, do: 16

  @doc "W3C Trace Context, section 3.2.2.4."
  def span_id_bytes, do: 8

  @doc "What names a span that has ended: trace id, then span id."
  def ended_id_bytes, do: 24

  @doc "What a daemon takes as a HELLO; ours has about 60 bytes."
  def hello_bytes_max, do: 4 * @kib
end
