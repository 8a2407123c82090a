defmodule Sidespan.OpenSpans do
  @moduledoc false
  # Spans that have started and not ended. They lie in a table rather than in their process, so that
  # any process that holds the context may add to them, and a process that is killed takes none
  # along.
  #
  # What is added lies in a second table, one row an addition: two processes never overwrite each
  # other. `update_counter` on the span's own row tells in one step whether it is still open and
  # within its bounds.

  import Sidespan.OpenSpan
  alias Sidespan.{Context, Ids, Limits, OpenSpan, Otlp, Runtime, Value}

  @bytes_max Limits.span_bytes_max()
  @events_max Limits.span_events_max()
  @links_max Limits.span_links_max()
  @first_news [{at(:news), 1}]

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
    {attributes, bytes, dropped} = affordable(given(options))

    :ets.insert(
      runtime.open,
      open_span(
        key: {owner, span_id},
        head: Otlp.head(context, parent, name, options[:kind], start_ns),
        flags: Otlp.flags(context, parent),
        start_ns: start_ns,
        start_monotonic_ns: start_monotonic_ns,
        attributes: attributes,
        bytes: bytes,
        dropped_attributes: dropped
      )
    )

    Runtime.opened(runtime)
    context
  end

  defp given(options) do
    attributes = Otlp.attributes(options[:attributes] || [])

    case options[:cites] do
      nil -> attributes
      tokens -> attributes ++ [Value.key_value("sidespan.cites", List.wrap(tokens))]
    end
  end

  @doc "Adds an event that happens now; nothing when the span is not open."
  @spec add_event(Runtime.t(), Context.t(), term(), term()) :: :ok
  def add_event(runtime, context, name, attributes) do
    event = Otlp.event(name, System.system_time(:nanosecond), attributes)
    add_counted(runtime, key(context), {at(:events), @events_max}, :event, event)
  end

  @doc "Adds a link to the span of `other`; nothing when the span is not open."
  @spec link(Runtime.t(), Context.t(), Context.t(), term()) :: :ok
  def link(runtime, context, other, attributes) do
    link = Otlp.link(other, attributes)
    add_counted(runtime, key(context), {at(:links), @links_max}, :link, link)
  end

  @doc "Sets attributes, in place of older ones of the same key; nothing when the span is not open."
  @spec set_attributes(Runtime.t(), Context.t(), term()) :: :ok
  def set_attributes(runtime, context, attributes) do
    with [_ | _] = attributes <- Otlp.attributes(attributes) do
      size = bytes_of(attributes)
      key = key(context)

      case count(runtime, key, [{at(:bytes), size}]) do
        [bytes] when bytes <= @bytes_max ->
          add(runtime, {key, :attributes, attributes})

        [_] ->
          _ = count(runtime, key, [{at(:dropped_attributes), length(attributes)}])
          refuse(runtime, key, size)

        :ended ->
          :ok
      end
    end

    :ok
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
    row = open_span(open_span(_: :_), key: {owner, :_})
    keys = :ets.select(runtime.open, [{row, [], [{:element, at(:key), :"$_"}]}])

    for key <- keys do
      set_status(runtime, key, Otlp.error(message))
      close_key(runtime, key)
    end

    length(keys)
  end

  @doc "Returns the processes that have spans open."
  @spec owners(Runtime.t()) :: [pid()]
  def owners(runtime) do
    row = open_span(open_span(_: :_), key: {:"$1", :_})
    runtime.open |> :ets.select([{row, [], [:"$1"]}]) |> Enum.uniq()
  end

  @doc "Tells whether the span is open and a mark of it is on the node's disk."
  @spec durable?(Runtime.t(), Context.t()) :: boolean()
  def durable?(runtime, context) do
    match?([open_span(durable?: true)], :ets.lookup(runtime.open, key(context)))
  end

  @doc "Returns the key of the span of a context."
  @spec key(Context.t()) :: OpenSpan.key()
  def key(context), do: {context.owner, context.span_id}

  @doc """
  Returns what additions, in their order, make of a span: its attributes, events, links and status.
  """
  @spec collect([tuple()], [Otlp.attribute()]) :: Otlp.content()
  def collect(additions, attributes) do
    content = %{attributes: attributes, events: [], links: [], status: <<>>, dropped: {0, 0, 0}}
    if additions == [], do: content, else: collect_all(additions, content)
  end

  defp collect_all(additions, content) do
    {more, events, links, status} =
      Enum.reduce(additions, {[], [], [], <<>>}, fn
        {_, :event, event}, {more, events, links, status} ->
          {more, [event | events], links, status}

        {_, :attributes, list}, {more, events, links, status} ->
          {[list | more], events, links, status}

        {_, :link, link}, {more, events, links, status} ->
          {more, events, [link | links], status}

        {_, :status, status}, {more, events, links, _} ->
          {more, events, links, status}
      end)

    %{
      content
      | attributes: Enum.concat([content.attributes | Enum.reverse(more)]),
        events: Enum.reverse(events),
        links: Enum.reverse(links),
        status: status
    }
  end

  defp set_status(runtime, key, status) do
    if count(runtime, key, [{at(:bytes), 0}]) != :ended, do: add(runtime, {key, :status, status})
    :ok
  end

  defp close_key(runtime, key) do
    case :ets.take(runtime.open, key) do
      [open_span(head: head, start_ns: start_ns, flags: flags) = row] ->
        # By the monotonic clock, so that a step of the wall clock makes no span longer or negative.
        monotonic_ns = System.monotonic_time(:nanosecond)
        end_ns = start_ns + monotonic_ns - open_span(row, :start_monotonic_ns)
        content = collect(:ets.take(runtime.additions, key), open_span(row, :attributes))

        dropped =
          {open_span(row, :dropped_attributes), open_span(row, :events) - length(content.events),
           open_span(row, :links) - length(content.links)}

        span = Otlp.span(head, end_ns, %{content | dropped: dropped}, flags)
        Runtime.offer(runtime, span, if(announced?(row), do: Otlp.ended_id(head), else: <<>>))

      [] ->
        :ok
    end
  end

  defp announced?(row), do: open_span(row, :news) >= 0

  defp add_counted(runtime, key, {position, count_max}, kind, message) do
    size = byte_size(message)

    case count(runtime, key, [{position, 1}, {at(:bytes), size}]) do
      [count, bytes] when count <= count_max and bytes <= @bytes_max ->
        add(runtime, {key, kind, message})

      [_, _] ->
        refuse(runtime, key, size)

      :ended ->
        :ok
    end
  end

  # First the addition, then the span: who finds it ended takes the addition back. The first
  # addition since a mark is reported, the others go along with it.
  defp add(runtime, {key, _, _} = addition) do
    :ets.insert(runtime.additions, addition)

    case count(runtime, key, @first_news) do
      [1] -> Runtime.tell(Sidespan.Buffer, {:news, key})
      :ended -> :ets.delete(runtime.additions, key)
      _ -> :ok
    end

    :ok
  end

  defp count(runtime, key, increments) do
    :ets.update_counter(runtime.open, key, increments)
  rescue
    ArgumentError -> :ended
  end

  defp refuse(runtime, key, size) do
    _ = count(runtime, key, [{at(:bytes), -size}])
    :ok
  end

  defp affordable(attributes) do
    bytes = bytes_of(attributes)

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

  defp bytes_of([]), do: 0
  defp bytes_of([{_, message} | rest]), do: byte_size(message) + bytes_of(rest)

  # Asked for before the row is there: whatever then happens to the process, its row is noticed.
  defp watch(runtime) do
    if Process.get(:sidespan_watched) != runtime.open and
         Runtime.tell(Sidespan.Watch, {:watch, self()}) do
      Process.put(:sidespan_watched, runtime.open)
    end
  end
end
