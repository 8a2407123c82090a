defmodule Sidespan.SessionTest do
  use ExUnit.Case, async: true

  alias Sidespan.{Peer, Proto, Session, Wire}

  @rounds 200

  defp session, do: Session.new(<<1::128>>, "", "", "tests/1")
  defp span(number), do: <<0x2A, 8, number::64>>
  defp numbers(payload), do: for(%{name: <<number::64>>} <- spans(payload), do: number)
  defp spans(<<2, _seq::64, records::binary>>), do: Proto.spans(records)

  defp ready(session \\ session(), last_seq \\ 0) do
    {session, hello} = Session.hello(session)
    assert <<1, 0::64, _::binary>> = hello
    {:ok, session, _} = Session.receive_frame(session, Peer.hello_ack(last_seq))
    session
  end

  defp filled(session, numbers), do: Session.put(session, Enum.map(numbers, &{span(&1), ""}))

  test "HELLO names the instance, version 1, the library and what is decided" do
    {_, <<1, 0::64, hello::binary>>} = Session.hello(session())

    assert [{1, <<1::128>>}, {2, 1}, {3, 1}, {4, "tests/1"}] = Proto.fields(hello)
  end

  test "nothing is sent before HELLO_ACK, then at once, then in batches behind what is under way" do
    {session, _} = Session.hello(filled(session(), [1]))
    assert {_, []} = Session.take(session)

    {:ok, session, _} = Session.receive_frame(session, Peer.hello_ack(0))
    assert {session, [first]} = Session.take(session)
    assert numbers(first) == [1]

    assert {session, []} = Session.take(filled(session, 2..10))
    {:ok, session, _} = Session.receive_frame(session, Peer.ack(1))
    assert {_, [second]} = Session.take(session)
    assert numbers(second) == Enum.to_list(2..10)
  end

  test "frames stay within 256 KiB and the window, and a span that is larger travels alone" do
    large = <<0x2A, Sidespan.Protobuf.varint(300_000)::binary, 0::size(300_000)-unit(8)>>
    session = filled(ready(), 1..5_000)
    session = session |> Session.put([{large, ""}]) |> filled(5_001..5_002)
    session = drain(session, fn payload -> assert in_bounds?(payload) end)
    assert Session.idle?(session)
  end

  test "the daemon's own limits are kept where they are lower" do
    {session, _} = Session.hello(session())
    # message_bytes_max 500 and unacked_bytes_max 100.
    answer = Peer.hello_ack(0, <<0x18, 0xF4, 0x03, 0x20, 100>>)
    {:ok, session, _} = Session.receive_frame(session, answer)
    session = filled(session, 1..200)

    session = drain(session, fn <<2, _::64, body::binary>> -> assert byte_size(body) <= 500 end)

    assert Session.idle?(session)
    assert {_, [_only]} = Session.take(filled(session, 1..200))
  end

  defp in_bounds?(payload), do: byte_size(payload) <= 256 * 1024 or length(spans(payload)) == 1

  defp drain(session, check) do
    case Session.take(session) do
      {session, []} ->
        session

      {session, payloads} ->
        Enum.each(payloads, check)

        assert payloads |> Enum.map(&byte_size/1) |> Enum.sum() <= 128 * 1024 or
                 length(payloads) == 1

        Enum.reduce(payloads, session, fn <<2, seq::64, _::binary>>, session ->
          {:ok, session, _} = Session.receive_frame(session, Peer.ack(seq))
          session
        end)
        |> drain(check)
    end
  end

  test "after a break only what is not durable is sent again, with the same bytes" do
    {session, [first]} = Session.take(filled(ready(), [1]))
    session = ready(session, 0)
    assert {_, [^first]} = Session.take(session)

    session = ready(session, 1)
    assert {session, []} = Session.take(session)
    assert Session.idle?(session)
  end

  test "a refusal for good uses the seq up; the next batch goes on behind it" do
    {session, [_]} = Session.take(filled(ready(), [1]))
    {:ok, session, events} = Session.receive_frame(session, Peer.nack(1, 1, 0))
    assert {:decided, 1, 1, _, nil, {:error, _}} = List.keyfind(events, :decided, 0)
    assert {session, [<<2, 2::64, _::binary>>]} = Session.take(filled(session, [2]))

    {_, <<1, 0::64, hello::binary>>} = Session.hello(session)
    assert {5, 1} = List.keyfind(Proto.fields(hello), 5, 0)
  end

  test "after a NACK that may pass everything from its seq on is sent again, in order" do
    {session, [_]} = Session.take(filled(ready(), [1]))
    {session, more} = Session.take(filled(session, 2..2_000))
    assert more != []

    {:ok, session, events} = Session.receive_frame(session, Peer.nack(1, 3, 50))
    assert {:pause, 50} in events
    {:ok, session, []} = Session.receive_frame(session, Peer.nack(2, 4, 50))
    assert {^session, []} = Session.take(session)

    assert {_, [<<2, 1::64, _::binary>>, <<2, 2::64, _::binary>> | _]} =
             Session.take(Session.resume(session))
  end

  test "OUT_OF_ORDER out of the blue asks for a new connection" do
    {session, [_]} = Session.take(filled(ready(), [1]))

    assert {:close, _, _, 50} =
             Session.receive_frame(session, Peer.nack(1, Wire.out_of_order(), 50))
  end

  test "a refused session, another protocol and an impossible claim are given up for a while" do
    {greeting, _} = Session.hello(session())

    for payload <- [
          Peer.nack(0, 6, 0),
          Peer.hello_ack(7),
          Peer.hello_ack(0, <<0x08, 9>>),
          "",
          <<99>>
        ] do
      assert {:close, _, [{:trouble, _}], delay_ms} = Session.receive_frame(greeting, payload)
      assert delay_ms >= 5_000
    end
  end

  test "on drain the answers that are due are read, then the connection is left" do
    {session, [_]} = Session.take(filled(ready(), [1]))
    {:ok, session, _} = Session.receive_frame(session, Peer.drain())
    assert {session, []} = Session.take(filled(session, [2]))
    assert {:close, _, events, 0} = Session.receive_frame(session, Peer.ack(1))
    assert List.keymember?(events, :decided, 0)
  end

  test "no payload, whatever its bytes, makes it raise" do
    :rand.seed(:exsss, 1)
    {greeting, _} = Session.hello(session())
    {busy, _} = Session.take(filled(ready(), [1]))

    for session <- [session(), greeting, busy], _ <- 1..@rounds do
      payload =
        mangled(Enum.random([Peer.hello_ack(0), Peer.ack(1), Peer.nack(1, 3, 9), Peer.drain()]))

      assert elem(Session.receive_frame(session, payload), 0) in [:ok, :close]
    end
  end

  defp mangled(payload) do
    cut = binary_part(payload, 0, :rand.uniform(byte_size(payload)) - 1)

    for <<byte <- cut>>,
      into: "",
      do: <<if(:rand.uniform(20) == 1, do: :rand.uniform(256) - 1, else: byte)>>
  end

  test "every span is stored once or refused once, wherever the connection breaks" do
    for seed <- 1..@rounds do
      :rand.seed(:exsss, seed)
      world = %{client: session(), wire: [], answers: [], last: 0, stored: [], refused: 0, put: 0}
      world = Map.merge(world, %{marks: [], marked: 0, told: []})
      world = Enum.reduce(1..120, world, fn _, world -> step(:rand.uniform(12), world) end)
      world = settle(world, 0)

      assert world.stored == Enum.uniq(world.stored), "seed #{seed}"
      assert world.stored == Enum.sort(world.stored), "seed #{seed}"
      assert length(world.stored) + world.refused == world.put, "seed #{seed}"
      assert world.marks == Enum.sort(Enum.uniq(world.marks)), "seed #{seed}"
      # Of every mark the client was told what became of it.
      assert Enum.sort(for {key, _} <- world.told, do: key) == Enum.to_list(1..world.marked//1)
      assert for({key, true} <- world.told, key not in world.marks, do: key) == []
    end
  end

  # A daemon that decides in the order of seq, and a wire that may be cut between any two frames.
  defp step(choice, world) when choice <= 4 do
    count = :rand.uniform(400)
    client = filled(world.client, (world.put + 1)..(world.put + count))
    world = %{world | client: client, put: world.put + count}
    send_all(if Session.wants_marks?(client), do: mark(world, rem(count, 3)), else: world)
  end

  defp step(choice, %{wire: [payload | wire]} = world) when choice <= 8 do
    decide(payload, %{world | wire: wire})
  end

  defp step(choice, %{answers: [answer | answers]} = world) when choice <= 10 do
    hear(answer, %{world | answers: answers})
  end

  defp step(11, world), do: connect(world)
  defp step(_, world), do: send_all(%{world | client: Session.resume(world.client)})

  defp mark(world, 0), do: world

  defp mark(world, count) do
    marks = for key <- (world.marked + 1)..(world.marked + count), do: {key, span(key)}
    %{world | client: Session.put_marks(world.client, marks), marked: world.marked + count}
  end

  defp marked(<<2, _seq::64, records::binary>>),
    do: for(%{name: <<number::64>>} <- Proto.marks(records), do: number)

  defp settle(world, rounds) do
    assert rounds < 1_000

    cond do
      Session.idle?(world.client) -> world
      world.answers != [] -> settle(step(9, world), rounds + 1)
      world.wire != [] -> settle(step(5, world), rounds + 1)
      world.client.phase == :paused -> settle(step(12, world), rounds + 1)
      true -> settle(connect(world), rounds + 1)
    end
  end

  defp connect(world) do
    {client, _hello} = Session.hello(world.client)
    hear(Peer.hello_ack(world.last), %{world | client: client, wire: [], answers: []})
  end

  defp send_all(world) do
    {client, payloads} = Session.take(world.client)
    %{world | client: client, wire: world.wire ++ payloads}
  end

  defp decide(<<2, seq::64, _::binary>> = payload, world) do
    cond do
      seq <= world.last ->
        answer(world, Peer.ack(seq))

      seq > world.last + 1 ->
        answer(world, Peer.nack(seq, 4, 10))

      :rand.uniform(6) == 1 ->
        answer(world, Peer.nack(seq, 3, 10))

      :rand.uniform(6) == 1 ->
        refused = world.refused + length(numbers(payload))
        answer(%{world | last: seq, refused: refused}, Peer.nack(seq, 1, 0))

      true ->
        stored = world.stored ++ numbers(payload)
        marks = world.marks ++ marked(payload)
        answer(%{world | last: seq, stored: stored, marks: marks}, Peer.ack(seq))
    end
  end

  defp answer(world, payload), do: %{world | answers: world.answers ++ [payload]}

  defp hear(payload, world) do
    case Session.receive_frame(world.client, payload) do
      {:ok, client, events} ->
        send_all(tell(%{world | client: client}, events))

      {:close, client, events, _} ->
        connect(tell(%{world | client: Session.offline(client)}, events))
    end
  end

  defp tell(world, events) do
    told = for {:marked, keys, durable?} <- events, key <- keys, do: {key, durable?}
    %{world | told: told ++ world.told}
  end
end
