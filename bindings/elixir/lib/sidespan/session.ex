defmodule Sidespan.Session do
  @moduledoc false
  # The client's half of a session, without a process: what to send, and what an answer means.
  #
  #     offline ──hello──▶ greeting ──HELLO_ACK──▶ ready ◀──resume── paused
  #        ▲                                        │ CONTROL drain
  #        └──────────── offline/1 ─────────────────┴──▶ draining
  #
  # Spans wait in `waiting` until `take/1` makes a frame of them; marks, and the ends of announced
  # spans that are lost otherwise, go along. A frame keeps its seq and its bytes until it is decided:
  # in `sent` on this connection, in `unsent` after it broke or had to wait.

  alias Sidespan.{Limits, OpenSpan, Otlp, Wire}

  @batch_spans_max Limits.batch_spans_max()
  @unacked_bytes_max Limits.unacked_bytes_max()
  @span_overhead_bytes Limits.span_overhead_bytes()
  @retry_after_ms_max Limits.retry_after_ms_max()
  @refused_delay_ms Limits.retry_delay_ms_max()
  # What a frame holds beside resource, scope and spans.
  @envelope_bytes 64

  @enforce_keys [:instance_id, :resource, :scope, :client]
  defstruct [
    :instance_id,
    :resource,
    :scope,
    :client,
    phase: :offline,
    next_seq: 1,
    decided_seq: 0,
    waiting: :queue.new(),
    waiting_bytes: 0,
    marks: [],
    ended: <<>>,
    sent: :queue.new(),
    sent_bytes: 0,
    unsent: :queue.new(),
    batch_bytes_max: Limits.batch_bytes_max(),
    window_bytes: @unacked_bytes_max
  ]

  @type t :: %__MODULE__{}
  @typedoc "Who wants to know how a batch fared; `nil` for nobody."
  @type tag :: term()
  @typedoc """
  What happened:

    * `{:decided, spans, rejected, bytes, tag, result}`: a frame is answered; `bytes` of the buffer
      are free, `result` is `{:ok, ack}` or `{:error, text}`
    * `{:marked, keys, durable?}`: what became of the marks in it, `:unknown` when its answer was
      lost
    * `{:token, token}` and `{:node_ref, text}`: news of the node
    * `{:trouble, text}`: for people
    * `{:pause, ms}`: call `resume/1` after that
  """
  @type event ::
          {:decided, non_neg_integer(), non_neg_integer(), non_neg_integer(), tag(),
           {:ok, Wire.ack() | nil} | {:error, String.t()}}
          | {:marked, [OpenSpan.key()], boolean() | :unknown}
          | {:token, String.t()}
          | {:node_ref, String.t()}
          | {:trouble, String.t()}
          | {:pause, pos_integer()}

  @doc "Returns a session that has not begun. `resource` and `scope` are encoded messages."
  @spec new(<<_::128>>, binary(), binary(), String.t()) :: t()
  def new(instance_id, resource, scope, client) do
    %__MODULE__{instance_id: instance_id, resource: resource, scope: scope, client: client}
  end

  @doc """
  Adds encoded spans, in their order.

  With each is what names it when it was announced: 24 bytes, else none.
  """
  @spec put(t(), [{binary(), binary()}]) :: t()
  def put(session, spans) do
    {waiting, bytes} =
      Enum.reduce(spans, {session.waiting, session.waiting_bytes}, fn item, {waiting, bytes} ->
        size = byte_size(elem(item, 0)) + @span_overhead_bytes
        {:queue.in({{:span, item}, size}, waiting), bytes + size}
      end)

    %{session | waiting: waiting, waiting_bytes: bytes}
  end

  @doc "Adds encoded spans that travel in a frame of their own, whose answer is told to `tag`."
  @spec put_batch(t(), [binary(), ...], tag()) :: t()
  def put_batch(session, spans, tag) do
    bytes = Enum.reduce(spans, 0, &(byte_size(&1) + @span_overhead_bytes + &2))
    waiting = :queue.in({{:batch, spans, tag}, bytes}, session.waiting)
    %{session | waiting: waiting, waiting_bytes: session.waiting_bytes + bytes}
  end

  @doc "Tells whether a frame can be made now, so that marks may go along."
  @spec wants_marks?(t()) :: boolean()
  def wants_marks?(%{phase: :ready, marks: []} = session) do
    :queue.is_empty(session.unsent) and
      (session.sent_bytes == 0 or session.waiting_bytes >= session.batch_bytes_max)
  end

  def wants_marks?(_session), do: false

  @doc "Returns how many bytes of marks may go along with a frame, with one over that at most."
  @spec mark_bytes_max(t()) :: pos_integer()
  def mark_bytes_max(session), do: max(1, div(session.batch_bytes_max, 2))

  @doc "Adds encoded marks, with the keys of their spans, to go along with the next frame."
  @spec put_marks(t(), [{OpenSpan.key(), binary()}, ...]) :: t()
  def put_marks(session, marks), do: %{session | marks: session.marks ++ marks}

  @doc "Adds the end of an announced span that itself is lost, to go along with the next frame."
  @spec put_ended(t(), <<_::192>>) :: t()
  def put_ended(session, id), do: %{session | ended: session.ended <> id}

  @doc "Begins on a new connection; returns the HELLO to send."
  @spec hello(t()) :: {t(), binary()}
  def hello(session) do
    session = offline(session)

    {%{session | phase: :greeting},
     Wire.hello(session.instance_id, session.decided_seq, session.client)}
  end

  @doc "Takes note that the connection is gone; what it left undecided is sent again on the next."
  @spec offline(t()) :: t()
  def offline(session), do: recall(%{session | phase: :offline}, session.sent, :queue.new())

  @doc "Ends a pause."
  @spec resume(t()) :: t()
  def resume(%{phase: :paused} = session), do: %{session | phase: :ready}
  def resume(session), do: session

  @doc "Tells whether everything that was put has been decided."
  @spec idle?(t()) :: boolean()
  def idle?(session), do: not waiting?(session) and undecided(session) == 0

  @doc "Returns how many frames are undecided."
  @spec undecided(t()) :: non_neg_integer()
  def undecided(session), do: :queue.len(session.sent) + :queue.len(session.unsent)

  @doc "Returns the frames to be sent now, in order."
  @spec take(t()) :: {t(), [binary()]}
  def take(session), do: take(session, [])

  defp take(%{phase: :ready} = session, payloads) do
    case next_frame(session) do
      {nil, session} ->
        {session, Enum.reverse(payloads)}

      {frame, session} ->
        sent = %{
          session
          | sent: :queue.in(frame, session.sent),
            sent_bytes: session.sent_bytes + byte_size(frame.payload)
        }

        take(sent, [frame.payload | payloads])
    end
  end

  defp take(session, payloads), do: {session, Enum.reverse(payloads)}

  @doc """
  Acts on the payload of a frame from the daemon.

  `{:close, …}` asks for the connection to be closed and another to be tried after `delay_ms`.
  """
  @spec receive_frame(t(), binary()) ::
          {:ok, t(), [event()]} | {:close, t(), [event()], delay_ms :: non_neg_integer()}
  def receive_frame(session, payload), do: act(session, Wire.decode(payload))

  defp act(%{phase: :greeting} = session, {:hello_ack, ack}) do
    cond do
      ack.version != Wire.protocol_version() ->
        refuse(session, "the daemon speaks frame protocol #{ack.version}")

      ack.last_seq >= session.next_seq ->
        refuse(session, "the daemon claims seq #{ack.last_seq}, which was never sent")

      true ->
        session = adopt_limits(%{session | phase: :ready}, ack)
        {session, events} = settle_through(session, ack.last_seq, [])
        {:ok, session, events ++ [{:node_ref, ack.node_ref}, {:token, ack.token}]}
    end
  end

  defp act(%{phase: phase} = session, {:ack, seq, ack}) when phase not in [:offline, :greeting] do
    events = rejection(ack) ++ [{:token, ack.token}]
    {session, decided} = decide(session, seq, ack.rejected_items, {:ok, ack})
    answered(session, decided ++ events)
  end

  defp act(session, {:nack, 0, nack}) do
    refuse(session, "session refused: #{nack.text}", nack.retry_after_ms)
  end

  defp act(session, {:nack, seq, %{retry_after_ms: 0} = nack}) do
    text = "records refused: #{nack.text}"
    {session, events} = decide(session, seq, :all, {:error, text})
    events = [{:trouble, text} | events]

    # The daemon closes when the frame itself was too large.
    if nack.code == Wire.too_large(),
      do: {:close, session, events, 0},
      else: answered(session, events)
  end

  # What came behind a seq that has to wait; it goes out again with it.
  defp act(%{phase: :paused} = session, {:nack, _seq, _nack}), do: {:ok, session, []}

  defp act(session, {:nack, seq, nack}) do
    events = [{:trouble, "records not taken: #{nack.text}"}]
    wait_ms = nack.retry_after_ms |> max(1) |> min(@retry_after_ms_max)

    if nack.code == Wire.out_of_order() do
      # The daemon has forgotten this instance; the next HELLO tells it how far we are.
      {:close, session, events, wait_ms}
    else
      {before, from} = :lists.splitwith(&(&1.seq < seq), :queue.to_list(session.sent))

      session = recall(session, :queue.from_list(from), :queue.from_list(before))
      {:ok, %{session | phase: :paused}, events ++ [{:pause, wait_ms}]}
    end
  end

  defp act(session, {:control, %{drain: true}}) do
    # No frame more; the answers that are due may still come.
    answered(%{session | phase: :draining}, [{:trouble, "the daemon is stopping"}])
  end

  defp act(session, {:control, _}), do: {:ok, session, []}
  defp act(session, _), do: refuse(session, "the daemon left the protocol")

  defp answered(%{phase: :draining} = session, events) do
    if :queue.is_empty(session.sent), do: {:close, session, events, 0}, else: {:ok, session, events}
  end

  defp answered(session, events), do: {:ok, session, events}

  defp refuse(session, text, delay_ms \\ 0) do
    {:close, session, [{:trouble, text}],
     min(max(delay_ms, @refused_delay_ms), @retry_after_ms_max)}
  end

  defp adopt_limits(session, ack) do
    room = ack.message_bytes_max - byte_size(session.resource) - byte_size(session.scope)

    %{
      session
      | batch_bytes_max: max(1, min(Limits.batch_bytes_max(), room - @envelope_bytes)),
        window_bytes: min(@unacked_bytes_max, ack.unacked_bytes_max)
    }
  end

  defp rejection(%{rejected_items: 0}), do: []

  defp rejection(ack),
    do: [{:trouble, "#{ack.rejected_items} spans refused: #{ack.rejected_reason}"}]

  defp settle_through(session, last_seq, events) do
    case :queue.peek(session.unsent) do
      {:value, %{seq: seq}} when seq <= last_seq ->
        {session, more} = decide(session, seq, 0, {:ok, nil})
        settle_through(session, last_seq, events ++ more)

      _ ->
        {session, events}
    end
  end

  # Answers come in the order of seq, so the frame is the first; a late answer names none.
  defp decide(session, seq, rejected, result) do
    with {nil, _} <- {pop(session.sent, seq), :sent},
         {nil, _} <- {pop(session.unsent, seq), :unsent} do
      {session, []}
    else
      {{frame, rest}, queue} ->
        freed = if queue == :sent, do: byte_size(frame.payload), else: 0
        rejected = if rejected == :all, do: frame.spans, else: min(rejected, frame.spans)

        session =
          session
          |> Map.put(queue, rest)
          |> Map.merge(%{
            sent_bytes: session.sent_bytes - freed,
            decided_seq: max(session.decided_seq, seq)
          })

        decided = {:decided, frame.spans, rejected, frame.bytes, frame.tag, result}
        {session, [decided | marked(frame.marks, result, rejected)]}
    end
  end

  defp marked([], _result, _rejected), do: []
  # It may have been refused; who wants to know marks the spans again.
  defp marked(keys, {:ok, nil}, _rejected), do: [{:marked, keys, :unknown}]
  defp marked(keys, {:ok, _ack}, rejected), do: [{:marked, keys, rejected == 0}]
  defp marked(keys, {:error, _text}, _rejected), do: [{:marked, keys, false}]

  defp pop(queue, seq) do
    case :queue.out(queue) do
      {{:value, %{seq: ^seq} = frame}, rest} -> {frame, rest}
      _ -> nil
    end
  end

  # Moves frames from `sent` to the front of `unsent`, with their seq and bytes.
  defp recall(session, frames, kept) do
    %{
      session
      | unsent: :queue.join(frames, session.unsent),
        sent: kept,
        sent_bytes: :queue.fold(&(byte_size(&1.payload) + &2), 0, kept)
    }
  end

  # The first frame that is due; `nil` when there is none, or no room for it yet.
  defp next_frame(session) do
    case :queue.out(session.unsent) do
      {{:value, frame}, rest} ->
        if fits?(session, byte_size(frame.payload)),
          do: {frame, %{session | unsent: rest}},
          else: {nil, session}

      {:empty, _} ->
        if due?(session), do: session |> make_frame() |> next_frame(), else: {nil, session}
    end
  end

  # At once while nothing is under way, else in batches: quick when idle, large under load.
  defp due?(%{sent_bytes: 0} = session), do: waiting?(session)
  defp due?(session), do: session.waiting_bytes >= session.batch_bytes_max

  defp waiting?(%{waiting_bytes: 0, marks: [], ended: <<>>}), do: false
  defp waiting?(_session), do: true

  defp fits?(%{sent_bytes: 0}, _bytes), do: true
  defp fits?(session, bytes), do: session.sent_bytes + bytes <= session.window_bytes

  # An export travels alone: its receipt names the last item of its frame.
  defp make_frame(session) do
    case :queue.out(session.waiting) do
      {{:value, {{:batch, spans, tag}, bytes}}, rest} ->
        frame = %{spans: length(spans), bytes: bytes, tag: tag, marks: []}
        add_frame(%{session | waiting: rest}, frame, request(session, spans), <<>>, <<>>)

      _ ->
        make_mixed_frame(session)
    end
  end

  defp make_mixed_frame(session) do
    {keys, marks} = Enum.unzip(session.marks)
    mark_bytes = Enum.reduce(marks, 0, &(byte_size(&1) + @span_overhead_bytes + &2))
    room = session.batch_bytes_max - mark_bytes - byte_size(session.ended)
    {items, bytes, waiting} = gather(session.waiting, [], 0, 0, room, marks == [])
    {spans, ids} = Enum.unzip(items)
    frame = %{spans: length(spans), bytes: bytes, tag: nil, marks: keys}
    ended = IO.iodata_to_binary([session.ended | ids])

    %{session | waiting: waiting, marks: [], ended: <<>>}
    |> add_frame(frame, request(session, spans), request(session, marks), ended)
  end

  defp add_frame(session, frame, traces, marks, ended) do
    seq = session.next_seq
    payload = Wire.records(seq, traces, marks, ended)
    frame = Map.merge(frame, %{seq: seq, payload: payload})

    %{
      session
      | unsent: :queue.in(frame, session.unsent),
        waiting_bytes: session.waiting_bytes - frame.bytes,
        next_seq: seq + 1
    }
  end

  defp request(session, spans), do: Otlp.request(session.resource, session.scope, spans)

  # The first span is taken whatever its size, unless there is something else to send.
  defp gather(waiting, items, count, bytes, bytes_max, any_size?) do
    case :queue.peek(waiting) do
      {:value, {{:span, item}, size}}
      when count < @batch_spans_max and (bytes + size <= bytes_max or (count == 0 and any_size?)) ->
        gather(:queue.drop(waiting), [item | items], count + 1, bytes + size, bytes_max, any_size?)

      _ ->
        {Enum.reverse(items), bytes, waiting}
    end
  end
end
