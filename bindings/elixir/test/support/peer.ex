defmodule Sidespan.Peer do
  @moduledoc """
  A daemon for tests: takes sessions on a socket and answers as its script says.

  It writes its answers in pieces of random size, cut anywhere. `seed` makes the pieces repeatable.
  """

  use GenServer

  @token "1-134582ec93b92833-2-18e9fe06c67cc6c600000000-de2554c62ef6b0ed03e1f400084b1988"

  def token, do: @token

  @doc "Starts it, listening at `path`; options `:seed`, `:reply` (see `default_reply/2`)."
  def start_link(path, options \\ []), do: GenServer.start_link(__MODULE__, {path, options})

  @doc "Returns the spans that were acknowledged, in order."
  def spans(peer), do: GenServer.call(peer, :spans)

  @doc "Returns the payloads that came, in order, HELLO and BYE too."
  def heard(peer), do: GenServer.call(peer, :heard)

  @doc "Returns the Records messages that came, in order."
  def records(peer), do: for(<<2, _seq::64, records::binary>> <- heard(peer), do: records)

  @doc """
  What an honest daemon answers.

  A reply is a list of payloads, of `{:raw, bytes}` or `:close`; or it is `:silence` or `:close`.
  """
  def default_reply({:hello, last_seq}, _spans), do: [hello_ack(last_seq)]
  def default_reply({:records, seq}, _spans), do: [ack(seq)]

  def hello_ack(last_seq, fields \\ "") do
    <<16, 0::64, 0x08, 1, 0x10, varint(last_seq)::binary, 0x18, varint(67_108_864)::binary, 0x20,
      varint(1_048_576)::binary, 0x2A, byte_size(@token), @token, 0x32, 4, "node", fields::binary>>
  end

  def ack(seq, fields \\ ""), do: <<17, seq::64, 0x2A, byte_size(@token), @token, fields::binary>>

  def nack(seq, code, retry_after_ms) do
    <<18, seq::64, 0x08, code, 0x12, 2, "no", 0x18, varint(retry_after_ms)::binary>>
  end

  def drain, do: <<19, 0::64, 0x08, 1>>

  defp varint(number), do: Sidespan.Protobuf.varint(number)

  @impl true
  def init({path, options}) do
    {:ok, listener} = :gen_tcp.listen(0, [:binary, ifaddr: {:local, path}, active: false])

    owner = self()
    spawn_link(fn -> accept(listener, owner) end)
    if seed = options[:seed], do: :rand.seed(:exsss, seed)
    reply = options[:reply] || (&default_reply/2)

    {:ok,
     %{
       listener: listener,
       reply: reply,
       last_seq: 0,
       spans: [],
       heard: [],
       socket: nil,
       instance: nil,
       input: ""
     }}
  end

  defp accept(listener, owner) do
    with {:ok, socket} <- :gen_tcp.accept(listener) do
      :ok = :gen_tcp.controlling_process(socket, owner)
      send(owner, {:accepted, socket})
      accept(listener, owner)
    end
  end

  @impl true
  def handle_call(:spans, _from, state), do: {:reply, Enum.concat(Enum.reverse(state.spans)), state}
  def handle_call(:heard, _from, state), do: {:reply, Enum.reverse(state.heard), state}

  @impl true
  def handle_info({:accepted, socket}, state) do
    if state.socket, do: :gen_tcp.close(state.socket)
    :ok = :inet.setopts(socket, active: true)
    {:noreply, %{state | socket: socket, input: ""}}
  end

  def handle_info({:tcp, socket, bytes}, %{socket: socket} = state) do
    {:noreply, cut(%{state | input: state.input <> bytes})}
  end

  def handle_info(_, state), do: {:noreply, state}

  defp cut(%{input: <<size::32, payload::binary-size(size), rest::binary>>} = state) do
    cut(hear(payload, %{state | input: rest, heard: [payload | state.heard]}))
  end

  defp cut(state), do: state

  defp hear(<<1, 0::64, hello::binary>>, state) do
    [{1, instance} | _] = Sidespan.Proto.fields(hello)

    state =
      if instance == state.instance, do: state, else: %{state | instance: instance, last_seq: 0}

    answer({:hello, state.last_seq}, [], state)
  end

  defp hear(<<2, seq::64, records::binary>>, state) do
    answer({:records, seq}, Sidespan.Proto.spans(records), state)
  end

  defp hear(<<3, 0::64>>, state) do
    :gen_tcp.close(state.socket)
    %{state | socket: nil}
  end

  defp answer(request, spans, state) do
    case state.reply.(request, spans) do
      :silence -> state
      :close -> close(state)
      payloads -> Enum.reduce(payloads, state, &deliver(&1, &2, spans))
    end
  end

  defp deliver(:close, state, _spans), do: close(state)

  defp deliver({:raw, bytes}, state, _spans) do
    write(state.socket, bytes)
    state
  end

  defp deliver(payload, state, spans) do
    write(state.socket, <<byte_size(payload)::32, payload::binary>>)

    case payload do
      <<17, seq::64, _::binary>> when seq == state.last_seq + 1 ->
        %{state | last_seq: seq, spans: [spans | state.spans]}

      <<18, seq::64, _::binary>> when seq == state.last_seq + 1 ->
        if :binary.last(payload) == 0, do: %{state | last_seq: seq}, else: state

      _ ->
        state
    end
  end

  defp close(state) do
    :gen_tcp.close(state.socket)
    %{state | socket: nil}
  end

  defp write(_socket, <<>>), do: :ok

  # A client that has gone hears nothing.
  defp write(socket, bytes) do
    size = :rand.uniform(byte_size(bytes))
    <<piece::binary-size(size), rest::binary>> = bytes
    with :ok <- :gen_tcp.send(socket, piece), do: write(socket, rest)
  end
end
