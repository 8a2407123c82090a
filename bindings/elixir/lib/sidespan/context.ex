defmodule Sidespan.Context do
  @moduledoc """
  What travels from a span to its children, in this process or another. Immutable.

    * `trace_id`: 32 lower-case hex digits, not all zero
    * `span_id`: 16 lower-case hex digits, not all zero
    * `trace_flags`: the W3C flags; bit 0 is *sampled*
    * `trace_state`: the W3C `tracestate` that the trace brought into this node, or `""`
    * `remote?`: whether it came from another program
    * `owner`: the process that opened the span; `nil` for one of another program
  """

  @enforce_keys [:trace_id, :span_id]
  defstruct [:trace_id, :span_id, :owner, trace_flags: 1, trace_state: "", remote?: false]

  @type t :: %__MODULE__{
          trace_id: String.t(),
          span_id: String.t(),
          trace_flags: 0..255,
          trace_state: String.t(),
          remote?: boolean(),
          owner: pid() | nil
        }

  @key :sidespan_context

  @doc "Returns the current context of this process, or `nil`."
  @spec current() :: t() | nil
  def current, do: Process.get(@key)

  @doc "Makes `context` the current one of this process; `nil` for none."
  @spec set(t() | nil) :: :ok
  def set(nil) do
    Process.delete(@key)
    :ok
  end

  def set(%__MODULE__{} = context) do
    Process.put(@key, context)
    :ok
  end

  @doc "Calls `fun` with `context` as the current one, and puts the earlier one back."
  @spec within(t() | nil, (() -> result)) :: result when result: term()
  def within(context, fun) do
    previous = current()
    set(context)

    try do
      fun.()
    after
      set(previous)
    end
  end
end
