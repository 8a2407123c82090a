defmodule Sidespan.Runtime do
  @moduledoc false
  # What every process shares while spans are recorded: tables, counters, and the way to the buffer.
  # It lies in a persistent term, so that a look at it copies nothing; without it nothing is
  # recorded.

  import Sidespan.OpenSpan, only: [at: 1]
  alias Sidespan.{Limits, Settings}

  @span_overhead_bytes Limits.span_overhead_bytes()
  @bytes 1
  @recorded 2
  @acked 3
  @dropped 4
  # 1 while the buffer process knows that there are spans which were not announced.
  @looked_after 5
  @counters 5

  @enforce_keys [:open, :additions, :facts, :counters, :bytes_max, :exit_timeout_ms] ++
                  [:durable_timeout_ms]
  defstruct @enforce_keys

  @type t :: %__MODULE__{
          open: :ets.tid(),
          additions: :ets.tid(),
          facts: :ets.tid(),
          counters: :atomics.atomics_ref(),
          bytes_max: pos_integer(),
          exit_timeout_ms: non_neg_integer(),
          durable_timeout_ms: non_neg_integer()
        }

  @doc "Makes a runtime with tables that belong to the calling process."
  @spec new(Settings.t()) :: t()
  def new(settings) do
    concurrent = [:public, write_concurrency: true]

    %__MODULE__{
      open: :ets.new(:sidespan_open, [:ordered_set, {:keypos, at(:key)} | concurrent]),
      additions: :ets.new(:sidespan_additions, [:duplicate_bag | concurrent]),
      facts: :ets.new(:sidespan_facts, [:set, :public, read_concurrency: true]),
      counters: :atomics.new(@counters, signed: true),
      bytes_max: settings.buffer_bytes_max,
      exit_timeout_ms: settings.exit_timeout_ms,
      durable_timeout_ms: settings.durable_timeout_ms
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

    counters = :atomics.new(@counters, signed: true)
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

  @doc """
  Hands an encoded span to the buffer; what does not fit is dropped and counted. Never waits.

  `ended_id` names a span that was announced, it is empty for others.
  """
  @spec offer(t(), binary(), binary()) :: :ok
  def offer(runtime, span, ended_id) do
    size = byte_size(span) + @span_overhead_bytes

    cond do
      not admit(runtime, 1, size) ->
        # It has ended, whatever else is lost of it.
        if ended_id != <<>>, do: tell(Sidespan.Buffer, {:ended, ended_id})

      not tell(Sidespan.Buffer, {:span, span, ended_id}) ->
        release(runtime, size)
        :atomics.add(runtime.counters, @dropped, 1)

      true ->
        :ok
    end

    :ok
  end

  @doc "Lets the buffer process know that a span was opened, unless it knows of one."
  @spec opened(t()) :: :ok
  def opened(%{counters: counters}) do
    if :atomics.get(counters, @looked_after) == 0 and
         :atomics.exchange(counters, @looked_after, 1) == 0,
       do: tell(Sidespan.Buffer, :opened)

    :ok
  end

  @doc "Has the next `opened/1` be told to the buffer process."
  @spec ask_for_opened(t()) :: :ok
  def ask_for_opened(runtime), do: :atomics.put(runtime.counters, @looked_after, 0)

  @doc "Sends a message to a process of the client; tells whether there is such a process."
  @spec tell(module(), term()) :: boolean()
  def tell(name, message) do
    send(name, message)
    true
  rescue
    ArgumentError -> false
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
end
