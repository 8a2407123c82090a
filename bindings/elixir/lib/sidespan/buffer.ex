defmodule Sidespan.Buffer do
  @moduledoc false
  # The one process that talks to the daemon: it owns the socket and a session, and waits for nobody
  # else. Spans come as messages, bounded by the runtime's byte count before they are sent.

  use GenServer
  alias Sidespan.{Limits, Marks, OpenSpan, Otlp, Runtime, Session, Settings, Wire, W3C}

  @version Mix.Project.config()[:version]
  @client "sidespan-elixir/#{@version}"
  @reply_timeout_ms Limits.reply_timeout_ms()
  @batch_spans_max Limits.batch_spans_max()
  @retry_delay_ms_first Limits.retry_delay_ms_first()
  @retry_delay_ms_max Limits.retry_delay_ms_max()
  @socket_options [
    :binary,
    packet: 4,
    # The driver allocates by the stated length of a frame, so it must know what is too long.
    packet_size: Limits.reply_bytes_max(),
    active: :once,
    high_watermark: Limits.driver_queue_bytes_max(),
    send_timeout: @reply_timeout_ms,
    send_timeout_close: true
  ]

  defstruct [
    :runtime,
    :settings,
    :session,
    :marks,
    :socket,
    :retry_timer,
    :reply_timer,
    :pause_timer,
    failures: 0,
    greeted?: false,
    put: 0,
    decided: 0,
    waiters: [],
    leaving?: false
  ]

  @doc "The options of the daemon's socket, by which the driver cuts its frames."
  def socket_options, do: @socket_options

  @doc "Starts the process and lets spans be recorded."
  @spec start_link({Runtime.t(), Settings.t()}) :: GenServer.on_start()
  def start_link(argument) do
    GenServer.start_link(__MODULE__, argument,
      name: __MODULE__,
      # Long mailboxes and old references to large binaries are kept out of its heap.
      spawn_opt: [message_queue_data: :off_heap, fullsweep_after: 20]
    )
  end

  @doc """
  Waits until all that was offered before is decided, once connected in any case.

  Returns `:ok`, `{:error, :dropped}` when a span was refused meanwhile, or `{:error, :timeout}`.
  """
  @spec flush(timeout :: non_neg_integer()) :: :ok | {:error, :dropped | :timeout}
  def flush(timeout_ms), do: ask(:flush, timeout_ms)

  @doc "Sends what is left and says goodbye; ends at once when no daemon is there."
  @spec drain(timeout :: non_neg_integer()) :: :ok | {:error, :dropped | :timeout}
  def drain(timeout_ms), do: ask(:drain, timeout_ms)

  @doc """
  Sends encoded spans in a frame of their own and waits for its answer.

  Returns `{:ok, ack}` (`{:ok, nil}` when the answer itself was lost), or `{:error, reason}`.
  """
  @spec export([binary(), ...], timeout :: non_neg_integer()) ::
          {:ok, Wire.ack() | nil} | {:error, term()}
  def export(spans, timeout_ms), do: ask({:export, spans}, timeout_ms)

  @doc "Waits until a mark of an open span is on the node's disk; tells whether it is."
  @spec announce(OpenSpan.key(), timeout :: non_neg_integer()) :: boolean()
  def announce(key, timeout_ms), do: ask({:announce, key, timeout_ms}, timeout_ms) == true

  defp ask(request, timeout_ms) do
    GenServer.call(__MODULE__, request, timeout_ms)
  catch
    :exit, {:timeout, _} -> {:error, :timeout}
    :exit, _ -> {:error, :not_running}
  end

  @impl true
  def init({runtime, settings}) do
    resource =
      Otlp.resource([
        {"service.name", settings.service},
        {"telemetry.sdk.name", "sidespan"},
        {"telemetry.sdk.language", "erlang"},
        {"telemetry.sdk.version", @version},
        {"process.pid", String.to_integer(System.pid())},
        {"host.name", host_name()}
      ])

    session =
      Session.new(
        :crypto.strong_rand_bytes(Limits.instance_id_bytes()),
        resource,
        Otlp.scope("sidespan", @version),
        @client
      )

    runtime = Runtime.publish(runtime)
    marks = Marks.new(runtime, settings.mark_after_ms)
    state = %__MODULE__{runtime: runtime, settings: settings, session: session, marks: marks}
    {:ok, state, {:continue, :connect}}
  end

  @impl true
  def handle_continue(:connect, state), do: {:noreply, connect(state)}

  @impl true
  def handle_call(:flush, from, state), do: {:noreply, state |> wait(from, :flush) |> hurry()}

  def handle_call(:drain, from, state) do
    state = %{wait(state, from, :drain) | leaving?: true}
    {:noreply, state |> hurry() |> give_up()}
  end

  def handle_call({:announce, key, timeout_ms}, from, state) do
    state = %{state | marks: Marks.hurry(state.marks, key, from, timeout_ms)}
    {:noreply, state |> connect_now() |> send_frames()}
  end

  def handle_call({:export, spans}, from, state) do
    bytes = Enum.reduce(spans, 0, &(byte_size(&1) + Limits.span_overhead_bytes() + &2))

    if Runtime.admit(state.runtime, length(spans), bytes) do
      state = put(state, length(spans), &Session.put_batch(&1, spans, from))
      {:noreply, send_frames(state)}
    else
      {:reply, {:error, :buffer_full}, state}
    end
  end

  @impl true
  def handle_info({:span, span, ended_id}, state) do
    spans = [{span, ended_id} | more_spans(@batch_spans_max)]
    ended = Enum.count(spans, fn {_, id} -> id != <<>> end)
    state = %{state | marks: Marks.ended(state.marks, ended)}
    {:noreply, state |> put(length(spans), &Session.put(&1, spans)) |> send_frames()}
  end

  def handle_info({:ended, id}, state) do
    session = Session.put_ended(state.session, id)
    {:noreply, send_frames(%{state | session: session, marks: Marks.ended(state.marks, 1)})}
  end

  def handle_info({:news, key}, state) do
    {:noreply, %{state | marks: Marks.news(state.marks, key)}}
  end

  def handle_info({:forget, key}, state) do
    {:noreply, %{state | marks: Marks.forget(state.marks, key)}}
  end

  # Without a daemon nobody is to be told; HELLO_ACK makes up for it.
  def handle_info(:opened, %{socket: nil} = state), do: {:noreply, state}

  def handle_info(:opened, state) do
    {:noreply, %{state | marks: Marks.opened(state.marks)}}
  end

  def handle_info({:timeout, timer, :look}, %{marks: %{timer: timer}} = state) do
    {:noreply, send_frames(%{state | marks: Marks.look(state.marks)})}
  end

  def handle_info({:tcp, socket, payload}, %{socket: socket} = state) do
    _ = :inet.setopts(socket, active: :once)
    {:noreply, hear(state, payload)}
  end

  def handle_info({:tcp_closed, socket}, %{socket: socket} = state) do
    {:noreply, lose(state, "the daemon closed the connection")}
  end

  def handle_info({:tcp_error, socket, reason}, %{socket: socket} = state) do
    {:noreply, lose(state, "the connection broke: #{inspect(reason)}")}
  end

  def handle_info({:timeout, timer, :connect}, %{retry_timer: timer} = state) do
    {:noreply, connect(%{state | retry_timer: nil})}
  end

  def handle_info({:timeout, timer, :reply}, %{reply_timer: timer} = state) do
    {:noreply, lose(%{state | reply_timer: nil}, "no answer within #{@reply_timeout_ms} ms")}
  end

  def handle_info({:timeout, timer, :resume}, %{pause_timer: timer} = state) do
    state = %{state | pause_timer: nil, session: Session.resume(state.session)}
    {:noreply, send_frames(state)}
  end

  # What belongs to an earlier connection or timer.
  def handle_info(_, state), do: {:noreply, state}

  # What else has come by now: under load, the work around each span is shared by many.
  defp more_spans(0), do: []

  defp more_spans(left) do
    receive do
      {:span, span, ended_id} -> [{span, ended_id} | more_spans(left - 1)]
    after
      0 -> []
    end
  end

  defp connect(state) do
    with {:ok, path} <- Settings.path(state.settings.address),
         {:ok, socket} <- open(path) do
      {session, hello} = Session.hello(state.session)
      transmit(%{state | socket: socket, session: session}, [hello])
    else
      {:error, reason} -> lose(state, reason)
    end
  end

  defp open(path) do
    case :gen_tcp.connect({:local, path}, 0, @socket_options, Limits.connect_timeout_ms()) do
      {:ok, socket} -> {:ok, socket}
      {:error, reason} -> {:error, "#{path}: #{:inet.format_error(reason)}"}
    end
  catch
    # A path that no socket can have.
    _, _ -> {:error, "#{path}: not the path of a socket"}
  end

  # Tries again after a back-off that doubles until the daemon answers, or what it asked for.
  defp lose(state, text, delay_ms \\ 0) do
    Runtime.remember(state.runtime, :last_error, text)
    state = drop_connection(%{state | failures: state.failures + 1})
    cancel(state.retry_timer)
    delay_ms = max(delay_ms, spread(back_off_ceiling_ms(state.failures)))
    give_up(%{state | retry_timer: :erlang.start_timer(delay_ms, self(), :connect)})
  end

  @doc "Returns the longest wait after that many failures in a row, 1 or more."
  @spec back_off_ceiling_ms(pos_integer()) :: pos_integer()
  def back_off_ceiling_ms(failures) do
    doublings = min(failures - 1, 10)
    min(@retry_delay_ms_first * Integer.pow(2, doublings), @retry_delay_ms_max)
  end

  # Between half of the wait and all of it, so that many clients differ.
  defp spread(ceiling_ms) do
    half_ms = div(ceiling_ms, 2)
    half_ms + :rand.uniform(half_ms + 1)
  end

  defp drop_connection(state) do
    if state.socket, do: :gen_tcp.close(state.socket)
    cancel(state.reply_timer)
    cancel(state.pause_timer)
    session = Session.offline(state.session)
    marks = Marks.rest(state.marks)
    %{state | socket: nil, session: session, marks: marks, reply_timer: nil, pause_timer: nil}
  end

  defp hear(state, payload) do
    case Session.receive_frame(state.session, payload) do
      {:ok, session, events} ->
        %{state | session: session, failures: 0}
        |> apply_events(events)
        |> greet()
        |> watch_reply()
        |> send_frames()
        |> answer()

      {:close, session, events, delay_ms} ->
        %{state | session: session}
        |> apply_events(events)
        |> answer()
        |> lose("the connection was given up: #{trouble(events)}", delay_ms)
    end
  end

  defp trouble(events),
    do:
      Enum.find_value(events, "", fn
        {:trouble, text} -> text
        _ -> nil
      end)

  defp greet(%{session: %{phase: :ready}} = state),
    do: %{state | greeted?: true, marks: Marks.opened(state.marks)}

  defp greet(state), do: state

  defp apply_events(state, events), do: Enum.reduce(events, state, &apply_event/2)

  defp apply_event({:decided, spans, rejected, bytes, tag, result}, state) do
    Runtime.release(state.runtime, bytes)
    Runtime.settle(state.runtime, spans, rejected)
    if tag, do: GenServer.reply(tag, result)
    %{state | decided: state.decided + spans}
  end

  defp apply_event({:marked, keys, durable?}, state) do
    %{state | marks: Marks.settled(state.marks, keys, durable?)}
  end

  defp apply_event({:token, token}, state) do
    if W3C.token?(token), do: Runtime.remember(state.runtime, :token, token)
    state
  end

  defp apply_event({:node_ref, text}, state) do
    Runtime.remember(state.runtime, :node_ref, text)
    state
  end

  defp apply_event({:trouble, text}, state) do
    Runtime.remember(state.runtime, :last_error, text)
    state
  end

  defp apply_event({:pause, ms}, state) do
    cancel(state.pause_timer)
    %{state | pause_timer: :erlang.start_timer(ms, self(), :resume)}
  end

  defp put(state, count, put) do
    %{state | session: put.(state.session), put: state.put + count}
  end

  defp send_frames(state) do
    state = take_marks(state)
    {session, payloads} = Session.take(state.session)
    transmit(%{state | session: session}, payloads)
  end

  defp take_marks(%{session: session, marks: marks} = state) do
    if Marks.due?(marks) and Session.wants_marks?(session) do
      {marks, taken} = Marks.take(marks, Session.mark_bytes_max(session))
      %{state | marks: marks, session: Session.put_marks(session, taken)}
    else
      state
    end
  end

  defp transmit(state, []), do: state

  defp transmit(state, [payload | rest]) do
    case :gen_tcp.send(state.socket, payload) do
      :ok -> state |> expect_reply() |> transmit(rest)
      {:error, reason} -> lose(state, "sending failed: #{inspect(reason)}")
    end
  end

  # The clock of an answer runs while one is due, and starts again with each that comes.
  defp expect_reply(%{reply_timer: nil} = state),
    do: %{state | reply_timer: :erlang.start_timer(@reply_timeout_ms, self(), :reply)}

  defp expect_reply(state), do: state

  defp watch_reply(state) do
    cancel(state.reply_timer)
    state = %{state | reply_timer: nil}
    if :queue.is_empty(state.session.sent), do: state, else: expect_reply(state)
  end

  defp wait(state, from, kind) do
    {_, _, dropped} = Runtime.counts(state.runtime)
    answer(%{state | waiters: [{state.put, dropped, from, kind} | state.waiters]})
  end

  defp hurry(%{waiters: [_ | _]} = state), do: connect_now(state)
  defp hurry(state), do: state

  # Somebody waits: a back-off of our own ends now.
  defp connect_now(%{socket: nil} = state) do
    cancel(state.retry_timer)
    connect(%{state | retry_timer: nil})
  end

  defp connect_now(state), do: state

  defp answer(%{greeted?: false} = state), do: state

  defp answer(state) do
    {done, waiters} = Enum.split_with(state.waiters, fn {put, _, _, _} -> state.decided >= put end)
    {_, _, dropped} = Runtime.counts(state.runtime)

    for {_, before, from, _} <- done do
      GenServer.reply(from, if(dropped > before, do: {:error, :dropped}, else: :ok))
    end

    state = %{state | waiters: waiters}
    if Enum.any?(done, &match?({_, _, _, :drain}, &1)), do: say_goodbye(state), else: state
  end

  defp say_goodbye(%{socket: nil} = state), do: state

  defp say_goodbye(state) do
    _ = :gen_tcp.send(state.socket, Wire.bye())
    drop_connection(state)
  end

  # At the end nobody waits for a daemon that is not there.
  defp give_up(%{leaving?: true, socket: nil} = state) do
    for {_, _, from, _} <- state.waiters, do: GenServer.reply(from, {:error, :not_connected})
    %{state | waiters: []}
  end

  defp give_up(state), do: state

  defp cancel(nil), do: :ok
  defp cancel(timer), do: :erlang.cancel_timer(timer)

  defp host_name do
    case :inet.gethostname() do
      {:ok, name} -> List.to_string(name)
    end
  end
end
