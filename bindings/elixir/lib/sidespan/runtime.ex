defmodule Sidespan.Runtime do
  @moduledoc false
  # What every process shares while spans are recorded: tables, counters, and the way to the buffer.
  # It lies in a persistent term, so that a look at it copies nothing; without it nothing is
  # recorded.

  alias Sidespan.Limits

  @span_overhead_bytes Limits.span_overhead_bytes()
  @bytes 1
  @recorded 2
  @acked 3
  @dropped 4

  @enforce_keys [:open, :additions, :facts, :counters, :bytes_max, :exit_timeout_ms]
  defstruct @enforce_keys

  @type t :: %__MODULE__{
          open: :ets.tid(),
          additions: :ets.tid(),
          facts: :ets.tid(),
          counters: :atomics.atomics_ref(),
          bytes_max: pos_integer(),
          exit_timeout_ms: non_neg_integer()
        }

  @doc "Makes a runtime with tables that belong to the calling process."
  @spec new(pos_integer(), non_neg_integer()) :: t()
  def new(bytes_max, exit_timeout_ms) do
    concurrent = [:public, write_concurrency: true]

    %__MODULE__{
      # By owner and span id, so that the spans of one process lie side by side.
      open: :ets.new(:sidespan_open, [:ordered_set | concurrent]),
      additions: :ets.new(:sidespan_additions, [:duplicate_bag | concurrent]),
      facts: :ets.new(:sidespan_facts, [:set, :public, read_concurrency: true]),
      counters: :atomics.new(4, signed: true),
      bytes_max: bytes_max,
      exit_timeout_ms: exit_timeout_ms
    }
  end

  @doc """
  Lets spans be recorded from here on.

  When an earlier buffer process of the same tables died, what it held counts as dropped.
  """
  @spec publish(t()) :: t()
  def publish(runtime) do
    {recorded, acked} =
      case get() do
        %{open: open} = earlier when open == runtime.open ->
          {:atomics.get(earlier.counters, @recorded), :atomics.get(earlier.counters, @acked)}

        _ ->
          {0, 0}
      end

    counters = :atomics.new(4, signed: true)
    :atomics.put(counters, @recorded, recorded)
    :atomics.put(counters, @acked, acked)
    :atomics.put(counters, @dropped, recorded - acked)
    runtime = %{runtime | counters: counters}
    :persistent_term.put(__MODULE__, runtime)
    runtime
  end

  @doc "Returns the runtime, `nil` while nothing is recorded."
  @spec get() :: t() | nil
  def get, do: :persistent_term.get(__MODULE__, nil)

  @doc "Lets nothing be recorded from here on."
  @spec close() :: :ok
  def close do
    :persistent_term.erase(__MODULE__)
    :ok
  end

  @doc "Hands an encoded span to the buffer; what does not fit is dropped and counted. Never waits."
  @spec offer(t(), binary()) :: :ok
  def offer(runtime, span) do
    size = byte_size(span) + @span_overhead_bytes

    if admit(runtime, 1, size) and not hand_over(span) do
      release(runtime, size)
      :atomics.add(runtime.counters, @dropped, 1)
    end

    :ok
  end

  @doc "Takes room for `count` spans of `bytes`; without room they are counted as dropped."
  @spec admit(t(), pos_integer(), pos_integer()) :: boolean()
  def admit(%{counters: counters} = runtime, count, bytes) do
    :atomics.add(counters, @recorded, count)
    admitted? = :atomics.add_get(counters, @bytes, bytes) <= runtime.bytes_max

    unless admitted? do
      release(runtime, bytes)
      :atomics.add(counters, @dropped, count)
    end

    admitted?
  end

  @doc "Gives `bytes` of the buffer's room back."
  @spec release(t(), non_neg_integer()) :: :ok
  def release(runtime, bytes), do: :atomics.sub(runtime.counters, @bytes, bytes)

  @doc "Counts spans that were decided: `spans` in all, `rejected` of them not stored."
  @spec settle(t(), non_neg_integer(), non_neg_integer()) :: :ok
  def settle(runtime, spans, rejected) do
    :atomics.add(runtime.counters, @acked, spans - rejected)
    :atomics.add(runtime.counters, @dropped, rejected)
  end

  @doc "Returns the numbers of recorded, acked and dropped spans so far."
  @spec counts(t()) :: {non_neg_integer(), non_neg_integer(), non_neg_integer()}
  def counts(%{counters: counters}) do
    # In this order, so that concurrent progress never shows more decided than recorded.
    acked = :atomics.get(counters, @acked)
    dropped = :atomics.get(counters, @dropped)
    {:atomics.get(counters, @recorded), acked, dropped}
  end

  @doc "Remembers the newest token, the node's reference, or the last error."
  @spec remember(t(), :token | :node_ref | :last_error, binary()) :: :ok
  def remember(runtime, fact, text) do
    :ets.insert(runtime.facts, {fact, text})
    :ok
  end

  @doc "Returns what was remembered, `\"\"` when nothing was."
  @spec recall(t() | nil, :token | :node_ref | :last_error) :: binary()
  def recall(nil, _fact), do: ""

  def recall(runtime, fact) do
    case :ets.lookup(runtime.facts, fact) do
      [{_, text}] -> text
      [] -> ""
    end
  rescue
    # The tables have gone: a stop is under way.
    ArgumentError -> ""
  end

  @doc "Keeps what went wrong inside the client, where the host must not feel it."
  @spec note(atom(), term()) :: :ok
  def note(kind, reason) do
    with %{} = runtime <- get() do
      remember(runtime, :last_error, "#{kind} in the client: #{Sidespan.Value.inspected(reason)}")
    end

    :ok
  catch
    _, _ -> :ok
  end

  defp hand_over(span) do
    send(Sidespan.Buffer, {:span, span})
    true
  rescue
    # There is no buffer process just now.
    ArgumentError -> false
  end
end
