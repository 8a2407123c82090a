defmodule Sidespan.OpenSpans do
  @moduledoc false
  # Spans that have started and not ended. They lie in a table rather than in their process, so that
  # any process that holds the context may add to them, and a process that is killed takes none
  # along.
  #
  # What is added lies in a second table, one row an addition: two processes never overwrite each
  # other. `update_counter` on the span's own row tells in one step whether it is still open and
  # within its bounds.

  alias Sidespan.{Context, Ids, Limits, Otlp, Runtime}

  @bytes_max Limits.span_bytes_max()
  @events_max Limits.span_events_max()
  # Positions in the row of a span.
  @bytes 6
  @events 7
  @dropped_attributes 8

  @doc "Opens a span of the calling process and returns its context; it does not become current."
  @spec open(Runtime.t(), Context.t() | nil, term(), keyword()) :: Context.t()
  def open(runtime, parent, name, options) do
    watch(runtime)
    owner = self()
    span_id = Ids.span_id()

    context =
      case parent do
        nil -> %Context{trace_id: Ids.trace_id(), span_id: span_id, owner: owner}
        _ -> %{parent | span_id: span_id, owner: owner, remote?: false}
      end

    start_monotonic_ns = System.monotonic_time(:nanosecond)
    # One reading for both clocks, or an event could be later than the end.
    start_ns = start_monotonic_ns + System.time_offset(:nanosecond)
    head = Otlp.head(context, parent, name, options[:kind], start_ns)
    {attributes, bytes, dropped} = affordable(Otlp.attributes(options[:attributes] || []))

    :ets.insert(runtime.open, {
      {owner, span_id},
      head,
      start_ns,
      start_monotonic_ns,
      attributes,
      bytes,
      0,
      dropped,
      Otlp.flags(context, parent)
    })

    context
  end

  @doc "Adds an event that happens now; nothing when the span is not open."
  @spec add_event(Runtime.t(), Context.t(), term(), term()) :: :ok
  def add_event(runtime, context, name, attributes) do
    event = Otlp.event(name, System.system_time(:nanosecond), attributes)
    size = byte_size(event)
    key = key(context)

    case count(runtime, key, [{@events, 1}, {@bytes, size}]) do
      [events, bytes] when events <= @events_max and bytes <= @bytes_max ->
        add(runtime, {key, :event, event})

      [_, _] ->
        refuse(runtime, key, size)

      :ended ->
        :ok
    end
  end

  @doc "Sets attributes, in place of older ones of the same key; nothing when the span is not open."
  @spec set_attributes(Runtime.t(), Context.t(), term()) :: :ok
  def set_attributes(runtime, context, attributes) do
    attributes = Otlp.attributes(attributes)
    size = Enum.reduce(attributes, 0, fn {_, message}, sum -> sum + byte_size(message) end)
    key = key(context)

    case count(runtime, key, [{@bytes, size}]) do
      [bytes] when bytes <= @bytes_max ->
        add(runtime, {key, :attributes, attributes})

      [_] ->
        _ = count(runtime, key, [{@dropped_attributes, length(attributes)}])
        refuse(runtime, key, size)

      :ended ->
        :ok
    end
  end

  @doc "Marks the span as failed; nothing when it is not open."
  @spec fail(Runtime.t(), Context.t(), term()) :: :ok
  def fail(runtime, context, message), do: set_status(runtime, key(context), Otlp.error(message))

  @doc "Ends the span and hands it over; nothing when it is not open."
  @spec close(Runtime.t(), Context.t()) :: :ok
  def close(runtime, context), do: close_key(runtime, key(context))

  @doc "Ends what a process left open, as failed with `message`; returns how many spans it were."
  @spec close_all(Runtime.t(), pid(), term()) :: non_neg_integer()
  def close_all(runtime, owner, message) do
    keys = :ets.select(runtime.open, [{row(owner), [], [{:element, 1, :"$_"}]}])

    for key <- keys do
      set_status(runtime, key, Otlp.error(message))
      close_key(runtime, key)
    end

    length(keys)
  end

  @doc "Returns the processes that have spans open."
  @spec owners(Runtime.t()) :: [pid()]
  def owners(runtime) do
    runtime.open |> :ets.select([{row(:"$1"), [], [:"$1"]}]) |> Enum.uniq()
  end

  defp row(owner), do: {{owner, :_}, :_, :_, :_, :_, :_, :_, :_, :_}

  defp set_status(runtime, key, status) do
    if count(runtime, key, [{@bytes, 0}]) != :ended, do: add(runtime, {key, :status, status})
    :ok
  end

  defp close_key(runtime, key) do
    case :ets.take(runtime.open, key) do
      [{_, head, start_ns, start_monotonic_ns, attributes, _, events, dropped, flags}] ->
        # By the monotonic clock, so that a step of the wall clock makes no span longer or negative.
        end_ns = start_ns + System.monotonic_time(:nanosecond) - start_monotonic_ns
        added = :ets.take(runtime.additions, key)
        {attributes, added_events, status} = collect(added, attributes)
        missing = {dropped, events - length(added_events)}

        Runtime.offer(
          runtime,
          Otlp.span(head, end_ns, attributes, added_events, missing, status, flags)
        )

      [] ->
        :ok
    end
  end

  # Rows of one key come in the order in which they were added.
  defp collect([], attributes), do: {attributes, [], <<>>}

  defp collect(added, attributes) do
    {more, events, status} =
      Enum.reduce(added, {[], [], <<>>}, fn
        {_, :event, event}, {more, events, status} -> {more, [event | events], status}
        {_, :attributes, list}, {more, events, status} -> {[list | more], events, status}
        {_, :status, status}, {more, events, _} -> {more, events, status}
      end)

    {Enum.concat([attributes | Enum.reverse(more)]), Enum.reverse(events), status}
  end

  # First the order, then the span: who finds it ended takes the addition back.
  defp add(runtime, {key, _, _} = addition) do
    :ets.insert(runtime.additions, addition)
    unless :ets.member(runtime.open, key), do: :ets.delete(runtime.additions, key)
    :ok
  end

  defp count(runtime, key, increments) do
    :ets.update_counter(runtime.open, key, increments)
  rescue
    ArgumentError -> :ended
  end

  defp refuse(runtime, key, size) do
    _ = count(runtime, key, [{@bytes, -size}])
    :ok
  end

  defp affordable(attributes) do
    bytes = Enum.reduce(attributes, 0, fn {_, message}, sum -> sum + byte_size(message) end)

    if bytes <= @bytes_max do
      {attributes, bytes, 0}
    else
      {kept, bytes} =
        Enum.reduce(attributes, {[], 0}, fn {_, message} = attribute, {kept, sum} ->
          size = byte_size(message)
          if sum + size <= @bytes_max, do: {[attribute | kept], sum + size}, else: {kept, sum}
        end)

      {Enum.reverse(kept), bytes, length(attributes) - length(kept)}
    end
  end

  defp key(context), do: {context.owner, context.span_id}

  # Asked for before the row is there: whatever then happens to the process, its row is noticed.
  defp watch(runtime) do
    if Process.get(:sidespan_watched) != runtime.open do
      send(Sidespan.Watch, {:watch, self()})
      Process.put(:sidespan_watched, runtime.open)
    end
  end
end
