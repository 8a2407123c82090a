defmodule Sidespan.MarksTest do
  use ExUnit.Case, async: false

  require Sidespan
  import Sidespan.Help
  alias Sidespan.{Limits, Peer, Proto}

  setup do
    socket = Path.join(directory(), "s")
    %{socket: socket}
  end

  defp peer(socket, options \\ []) do
    {:ok, peer} = Peer.start_link(socket, [seed: 21] ++ options)
    peer
  end

  defp marks(peer), do: Enum.flat_map(Peer.records(peer), &Proto.marks/1)
  defp ended(peer), do: Enum.flat_map(Peer.records(peer), &Proto.ended/1)
  defp id(span), do: {span.trace_id, span.span_id}

  test "a span that stays open is announced, then what is new on it, and its end names it",
       %{socket: socket} do
    peer = peer(socket)
    record(socket, mark_after_ms: 1)
    other = Sidespan.start_span(nil, "other")

    Sidespan.trace "work", kind: :server, attributes: %{goal: "lunch"}, cites: ["1-a", "1-b"] do
      Sidespan.add_event("begun")
      wait_until(&Sidespan.durable?/0, "the mark")
      Sidespan.add_event("half way")
      Sidespan.with_attributes(goal: "dinner")
      Sidespan.link(other, %{why: "retry"})
      Sidespan.fail("no rice")

      wait_until(
        fn -> Enum.any?(marks(peer), &(&1.status == {2, "no rice"})) end,
        "what is new"
      )
    end

    Sidespan.end_span(other)
    assert :ok = Sidespan.flush()
    assert [first | more] = Enum.filter(marks(peer), &(&1.name == "work"))
    assert first.end_ns == 0 and first.kind == 2
    assert %{"goal" => "lunch", "sidespan.cites" => ["1-a", "1-b"]} = first.attributes

    added = more |> Enum.flat_map(& &1.events) |> Enum.map(& &1.name)
    assert Enum.map(first.events, & &1.name) ++ added == ["begun", "half way"]
    assert Enum.reduce(more, %{}, &Map.merge(&2, &1.attributes)) == %{"goal" => "dinner"}
    assert [%{span_id: linked, attributes: %{"why" => "retry"}}] = Enum.flat_map(more, & &1.links)
    assert linked == other.span_id
    assert Enum.all?(more, &(id(&1) == id(first) and &1.end_ns == 0))

    span = Enum.find(Peer.spans(peer), &(&1.name == "work"))
    assert span.attributes == %{"goal" => "dinner", "sidespan.cites" => ["1-a", "1-b"]}
    assert length(span.events) == 2 and length(span.links) == 1
    assert id(span) == id(first) and id(span) in ended(peer)
  end

  test "spans that end soon are not announced", %{socket: socket} do
    peer = peer(socket)
    record(socket, mark_after_ms: 60_000)
    for _ <- 1..1_000, do: Sidespan.span("short", do: Sidespan.add_event("e"))
    assert :ok = Sidespan.flush()
    assert length(Peer.spans(peer)) == 1_000
    assert {marks(peer), ended(peer)} == {[], []}
  end

  test "a mark is ahead of its span's end, whoever adds and ends", %{socket: socket} do
    peer = peer(socket)
    record(socket, mark_after_ms: 0)

    1..4_000
    |> Task.async_stream(
      fn number ->
        context = Sidespan.start_span(nil, "s", attributes: [number: number])
        if rem(number, 3) == 0, do: Process.sleep(rem(number, 7))
        Sidespan.add_event(context, "e")
        Sidespan.end_span(context)
      end,
      max_concurrency: 200
    )
    |> Stream.run()

    assert :ok = Sidespan.flush(20_000)
    assert length(Peer.spans(peer)) == 4_000

    open =
      for records <- Peer.records(peer), reduce: MapSet.new() do
        open ->
          open = Enum.reduce(Proto.marks(records), open, &MapSet.put(&2, id(&1)))
          Enum.reduce(Proto.ended(records), open, &MapSet.delete(&2, &1))
      end

    assert marks(peer) != []
    assert MapSet.size(open) == 0
  end

  test "an announced span of a process that is killed is ended, too", %{socket: socket} do
    peer = peer(socket)
    record(socket, durable_timeout_ms: 20_000)
    owner = self()

    pid =
      spawn(fn ->
        Sidespan.trace "doomed", durable: true do
          send(owner, {:open, Sidespan.durable?()})
          Process.sleep(:infinity)
        end
      end)

    assert_receive {:open, true}, 20_000
    Process.exit(pid, :kill)
    wait_until(fn -> Sidespan.status().acked == 1 end, "the span")
    assert [%{status: {2, "process exited: :killed"}} = span] = Peer.spans(peer)
    assert ended(peer) == [id(span)]
  end

  test "a durable span's mark is acknowledged before its body runs", %{socket: socket} do
    peer = peer(socket)
    record(socket, mark_after_ms: 60_000, durable_timeout_ms: 20_000)

    heard =
      Sidespan.trace "pay", durable: true do
        assert Sidespan.durable?()
        assert Sidespan.durable?(Sidespan.get_current_context())
        child = Sidespan.start_span(Sidespan.get_current_context(), "child")
        refute Sidespan.durable?(child)
        Sidespan.end_span(child)
        marks(peer)
      end

    assert [%{name: "pay"}] = heard
    refute Sidespan.durable?()
    held = Sidespan.start_span(nil, "held", durable: true)
    assert Sidespan.durable?(held)
    Sidespan.end_span(held)
    refute Sidespan.durable?(held)
  end

  test "without a daemon that stores it, a durable span goes on after its time, not durable",
       %{socket: socket} do
    full = fn
      {:records, seq}, _ -> [Peer.nack(seq, 3, 60_000)]
      hello, spans -> Peer.default_reply(hello, spans)
    end

    silent = fn
      {:records, _}, _ -> :silence
      hello, spans -> Peer.default_reply(hello, spans)
    end

    refused = fn
      {:records, seq}, _ -> [Peer.nack(seq, 1, 0)]
      hello, spans -> Peer.default_reply(hello, spans)
    end

    for {reply, number} <- Enum.with_index([nil, full, silent, refused]) do
      path = "#{socket}#{number}"
      if reply, do: peer(path, reply: reply)
      record(path, durable_timeout_ms: 40, exit_timeout_ms: 1)

      assert {:body, false} ==
               Sidespan.trace("pay", [durable: true], do: {:body, Sidespan.durable?()})
    end
  end

  test "durable spans without a daemon leave nothing behind", %{socket: socket} do
    record(socket, durable_timeout_ms: 1)
    for _ <- 1..100, do: Sidespan.trace("pay", [durable: true], do: :ok)
    marks = fn -> :sys.get_state(Sidespan.Buffer).marks end
    wait_until(fn -> {map_size(marks.().waiters), MapSet.size(marks.().due)} == {0, 0} end, "it")
    peer = peer(socket)
    assert :ok = Sidespan.flush()
    assert {length(Peer.spans(peer)), marks(peer)} == {100, []}
  end

  test "nobody hears of an answer that comes after the durable span's time", %{socket: socket} do
    test = self()

    reply = fn
      {:records, seq}, _ ->
        send(test, {:asked, self()})
        receive do: (:answer -> [Peer.ack(seq)])

      hello, spans ->
        Peer.default_reply(hello, spans)
    end

    peer(socket, reply: reply)
    record(socket, durable_timeout_ms: 20)

    Sidespan.trace "pay", durable: true do
      refute Sidespan.durable?()
      assert_receive {:asked, peer}, 20_000
      send(peer, :answer)
      wait_until(&Sidespan.durable?/0, "the late answer")
    end

    assert_receive {:asked, peer}, 20_000
    send(peer, :answer)
    assert :ok = Sidespan.flush()
    refute_received _
  end

  test "a client process that dies announces anew what is open", %{socket: socket} do
    peer = peer(socket)
    record(socket, mark_after_ms: 1)

    Sidespan.trace "long", attributes: %{kept: true} do
      wait_until(&Sidespan.durable?/0, "the mark")
      Sidespan.add_event("e")
      before = Process.whereis(Sidespan.Buffer)
      Process.exit(before, :kill)

      wait_until(fn -> marks_since_hello(peer) != [] end, "the mark of the new one")
    end

    assert :ok = Sidespan.flush()
    assert [%{attributes: %{"kept" => true}, events: [_]} | _] = marks_since_hello(peer)
    assert [span] = Peer.spans(peer)
    assert ended(peer) == [id(span)]
  end

  # What the last process that said HELLO announced.
  defp marks_since_hello(peer) do
    newest = peer |> Peer.heard() |> Enum.reverse() |> Enum.take_while(&(not hello?(&1)))

    if Enum.count(Peer.heard(peer), &hello?/1) < 2,
      do: [],
      else: for(<<2, _::64, r::binary>> <- Enum.reverse(newest), mark <- Proto.marks(r), do: mark)
  end

  defp hello?(payload), do: match?(<<1, _::binary>>, payload)

  test "an announced span for which there is no room is ended all the same", %{socket: socket} do
    peer = peer(socket)
    record(socket, buffer_bytes_max: 1_000, durable_timeout_ms: 20_000)

    context =
      Sidespan.start_span(nil, "large",
        durable: true,
        attributes: %{text: String.duplicate("x", 2_000)}
      )

    assert Sidespan.durable?(context)
    Sidespan.end_span(context)
    wait_until(fn -> ended(peer) == [{context.trace_id, context.span_id}] end, "its end")
    assert %{recorded: 1, dropped: 1, acked: 0} = Sidespan.status()
  end

  test "as many are announced at a time as the daemon watches", %{socket: socket} do
    peer = peer(socket)
    record(socket, mark_after_ms: 0)
    all = for number <- 1..8_300, do: Sidespan.start_span(nil, "s", attributes: [n: number])
    most = Limits.open_spans_max()
    wait_until(fn -> length(marks(peer)) == most end, "#{most} marks")
    {first, rest} = Enum.split(Enum.filter(all, &Sidespan.durable?/1), 500)
    Enum.each(first, &Sidespan.end_span/1)
    wait_until(fn -> length(marks(peer)) == length(all) end, "the others")
    Enum.each(all -- first, &Sidespan.end_span/1)
    assert :ok = Sidespan.flush()
    assert length(first ++ rest) <= most
    assert length(ended(peer)) == length(all)
    assert length(Peer.spans(peer)) == length(all)
  end

  test "links over the bound are counted, and what is no context is passed over",
       %{socket: socket} do
    peer = peer(socket)
    record(socket)
    other = Sidespan.start_span(nil, "other")

    Sidespan.span "many" do
      for _ <- 1..200, do: Sidespan.link(other)
      for junk <- [nil, 1, "x", %{}, []], do: assert(Sidespan.link(junk) == :ok)
      assert Sidespan.link(Sidespan.get_current_context(), other) == :ok
      assert Sidespan.link(nil, other, %{}) == :ok
    end

    assert :ok = Sidespan.flush()
    assert [%{links: links, dropped_links: 73}] = Peer.spans(peer)
    assert length(links) == 128
    assert Enum.all?(links, &(&1.span_id == other.span_id and &1.flags == 0x101))
  end
end
