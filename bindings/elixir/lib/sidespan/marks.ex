defmodule Sidespan.Marks do
  @moduledoc false
  # Which open spans the daemon is to be told of, and when. Part of the buffer process: it alone
  # makes marks, so that a mark is always ahead of the end of its span.
  #
  # A span that ends soon costs nothing here: the table of open spans is looked through by a timer,
  # and only while it has spans that were not announced.

  import Sidespan.OpenSpan
  alias Sidespan.{Limits, OpenSpan, OpenSpans, Otlp, Runtime}

  @open_spans_max Limits.open_spans_max()
  @linger_ms Limits.linger_ms()
  @rescan_ms_min Limits.rescan_ms_min()
  @rest_factor 20

  @enforce_keys [:runtime, :after_ms]
  defstruct [
    :runtime,
    :after_ms,
    :scan_at_ms,
    :timer,
    :timer_at_ms,
    due: MapSet.new(),
    waiters: %{},
    announced: 0
  ]

  @type t :: %__MODULE__{}

  @doc """
  Returns the state of a new session, in which no span has been announced yet.

  Spans are announced once they have been open for `after_ms`, those of an earlier session too.
  """
  @spec new(Runtime.t(), non_neg_integer()) :: t()
  def new(runtime, after_ms) do
    row = open_span(open_span(_: :_), key: :"$1", news: :"$2")
    announced = :ets.select(runtime.open, [{row, [{:>=, :"$2", 0}], [:"$1"]}])
    fresh = [{at(:told), -1}, {at(:news), young()}, {at(:durable?), false}]
    for key <- announced, do: :ets.update_element(runtime.open, key, fresh)
    %__MODULE__{runtime: runtime, after_ms: after_ms}
  end

  @doc "Takes note that there are spans which were not announced, and a daemon to tell."
  @spec opened(t()) :: t()
  def opened(%{scan_at_ms: nil} = marks), do: scan_in(marks, marks.after_ms)
  def opened(marks), do: marks

  @doc "Looks no more until `opened/1`: there is no daemon to tell."
  @spec rest(t()) :: t()
  def rest(marks) do
    if marks.timer, do: :erlang.cancel_timer(marks.timer)
    %{marks | timer: nil, scan_at_ms: nil}
  end

  @doc "Takes note that something was added to an announced span."
  @spec news(t(), OpenSpan.key()) :: t()
  def news(marks, key), do: arm(%{marks | due: MapSet.put(marks.due, key)}, now_ms() + @linger_ms)

  @doc """
  Has a span announced with the next step; `from` is told whether it became durable.

  After `timeout_ms`, when nobody waits any more, the message `{:forget, key}` comes.
  """
  @spec hurry(t(), OpenSpan.key(), GenServer.from(), non_neg_integer()) :: t()
  def hurry(marks, key, from, timeout_ms) do
    Process.send_after(self(), {:forget, key}, timeout_ms)
    waiters = Map.update(marks.waiters, key, [from], &[from | &1])
    %{marks | due: MapSet.put(marks.due, key), waiters: waiters}
  end

  @doc "Ends a hurry: the span may wait for its turn, or has ended."
  @spec forget(t(), OpenSpan.key()) :: t()
  def forget(marks, key) do
    waiters = Map.delete(marks.waiters, key)

    case :ets.lookup(marks.runtime.open, key) do
      [open_span(news: news)] when news >= 0 -> %{marks | waiters: waiters}
      _ -> %{marks | waiters: waiters, due: MapSet.delete(marks.due, key)}
    end
  end

  @doc "Takes note that announced spans have ended."
  @spec ended(t(), non_neg_integer()) :: t()
  def ended(marks, count), do: %{marks | announced: max(0, marks.announced - count)}

  @doc "Looks through the open spans when it is time to; to be called when `timer` is due."
  @spec look(t()) :: t()
  def look(marks) do
    marks = %{marks | timer: nil}

    if marks.scan_at_ms != nil and now_ms() >= marks.scan_at_ms,
      do: scan(marks),
      else: rearm(marks)
  end

  @doc "Tells whether `take/2` might return something."
  @spec due?(t()) :: boolean()
  def due?(marks), do: MapSet.size(marks.due) > 0

  @doc """
  Returns marks of spans that are due, encoded, with the keys of their spans: at least one, and no
  more when they are over `bytes_max` together. Each is returned once until there is news of it.
  """
  @spec take(t(), pos_integer()) :: {t(), [{OpenSpan.key(), binary()}]}
  def take(marks, bytes_max), do: take(marks, MapSet.to_list(marks.due), bytes_max, [])

  defp take(marks, keys, bytes_left, taken) when keys == [] or bytes_left <= 0,
    do: {%{marks | due: MapSet.new(keys)}, Enum.reverse(taken)}

  defp take(marks, [key | rest], bytes_left, taken) do
    case mark(marks.runtime, key, Map.has_key?(marks.waiters, key)) do
      {:first, span} ->
        marks = %{marks | announced: marks.announced + 1}
        take(marks, rest, bytes_left - byte_size(span), [{key, span} | taken])

      {:more, span} ->
        take(marks, rest, bytes_left - byte_size(span), [{key, span} | taken])

      :nothing ->
        take(settled(marks, [key], false), rest, bytes_left, taken)
    end
  end

  @doc "Takes note of what became of the marks of spans."
  @spec settled(t(), [OpenSpan.key()], durable? :: boolean() | :unknown) :: t()
  def settled(marks, keys, :unknown) do
    # They are marked once more, for the sake of the answer.
    waiters = Enum.reduce(keys, marks.waiters, &Map.put_new(&2, &1, []))
    %{marks | due: MapSet.union(marks.due, MapSet.new(keys)), waiters: waiters}
  end

  def settled(marks, keys, durable?) do
    if durable?,
      do: for(key <- keys, do: :ets.update_element(marks.runtime.open, key, {at(:durable?), true}))

    {told, waiters} = Map.split(marks.waiters, keys)
    for {_, waiting} <- told, from <- waiting, do: GenServer.reply(from, durable?)
    %{marks | waiters: waiters}
  end

  # `news` is set back before the additions are read: what comes later is reported again.
  defp mark(runtime, key, wanted?) do
    with [open_span(head: head, told: told, flags: flags) = row] <-
           :ets.lookup(runtime.open, key),
         true <- :ets.update_element(runtime.open, key, {at(:news), 0}),
         additions = :ets.lookup(runtime.additions, key),
         true <- told < 0 or wanted? or length(additions) > told do
      _ = :ets.update_element(runtime.open, key, {at(:told), length(additions)})
      known = if told < 0, do: open_span(row, :attributes), else: []
      content = OpenSpans.collect(Enum.drop(additions, max(told, 0)), known)
      {if(told < 0, do: :first, else: :more), Otlp.span(head, nil, content, flags)}
    else
      # It has ended, or was told in full.
      _ -> :nothing
    end
  end

  defp scan(marks) do
    began_ms = now_ms()
    room = @open_spans_max - marks.announced - MapSet.size(marks.due)
    latest_ns = System.monotonic_time(:nanosecond) - marks.after_ms * 1_000_000
    due = MapSet.union(marks.due, MapSet.new(young_keys(marks.runtime, latest_ns, room)))
    marks = %{marks | due: due}
    # However many spans are open, looking through them takes a small part of the time.
    rescan_ms = max(div(marks.after_ms, 2), @rescan_ms_min + @rest_factor * (now_ms() - began_ms))

    if young?(marks) do
      scan_in(marks, rescan_ms)
    else
      # Who opens a span after this reports it; who opened one before is seen by the second look.
      Runtime.ask_for_opened(marks.runtime)
      if young?(marks), do: scan_in(marks, rescan_ms), else: %{marks | scan_at_ms: nil}
    end
  end

  defp young_keys(_runtime, _latest_ns, room) when room <= 0, do: []

  defp young_keys(runtime, latest_ns, room) do
    row = open_span(open_span(_: :_), key: :"$1", start_monotonic_ns: :"$2", news: :"$3")
    old = [{:"=<", :"$2", latest_ns}, {:<, :"$3", 0}]

    case :ets.select(runtime.open, [{row, old, [:"$1"]}], room) do
      {keys, _} -> keys
      :"$end_of_table" -> []
    end
  end

  defp young?(marks) do
    row = open_span(open_span(_: :_), news: :"$1")
    :ets.select(marks.runtime.open, [{row, [{:<, :"$1", 0}], [true]}], 1) != :"$end_of_table"
  end

  defp scan_in(marks, delay_ms), do: rearm(%{marks | scan_at_ms: now_ms() + delay_ms})

  defp rearm(%{scan_at_ms: nil} = marks), do: marks
  defp rearm(marks), do: arm(marks, marks.scan_at_ms)

  defp arm(%{timer: timer, timer_at_ms: armed_ms} = marks, at_ms)
       when timer != nil and armed_ms <= at_ms,
       do: marks

  defp arm(marks, at_ms) do
    if marks.timer, do: :erlang.cancel_timer(marks.timer)
    timer = :erlang.start_timer(at_ms, self(), :look, abs: true)
    %{marks | timer: timer, timer_at_ms: at_ms}
  end

  defp now_ms, do: System.monotonic_time(:millisecond)
end
