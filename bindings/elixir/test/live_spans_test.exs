defmodule Sidespan.LiveSpansTest do
  use ExUnit.Case, async: false
  @moduletag :daemon
  @moduletag timeout: 120_000

  require Sidespan
  import Sidespan.Help
  alias Sidespan.RealDaemon

  @open_for_good ~S"""
  require Sidespan
  Sidespan.init(service: "doomed")

  Sidespan.trace "pay", durable: true do
    Sidespan.span "charge", attributes: %{amount: 12} do
      until = fn until -> if not Sidespan.durable?(), do: (Process.sleep(5); until.(until)) end
      until.(until)
      IO.puts(System.pid())
      Process.sleep(:infinity)
    end
  end
  """

  setup do
    node = RealDaemon.new(directory())
    port = RealDaemon.start(node)
    on_exit(fn -> RealDaemon.release(node, port) end)
    %{node: node, port: port}
  end

  test "20,000 live spans arrive once though the daemon is killed and started again", context do
    record(context.node.socket, mark_after_ms: 0)
    root = Sidespan.start_span(nil, "storm")

    port =
      Enum.reduce(1..10, context.port, fn round, port ->
        steps = for number <- 1..2_000, do: step(root, round, number)
        # In one round of three it dies with marks under way, in one with ends, in one not at all.
        port = if rem(round, 3) == 1, do: restart(context.node, port), else: port
        wait_until(fn -> Enum.all?(steps, &Sidespan.durable?/1) end, "2,000 marks")
        Enum.each(steps, &Sidespan.end_span/1)
        if rem(round, 3) == 2, do: restart(context.node, port), else: port
      end)

    assert length(RealDaemon.open_spans(context.node)) == 1
    Sidespan.end_span(root)
    assert :ok = Sidespan.flush(30_000)
    assert %{recorded: 20_001, acked: 20_001, dropped: 0, buffered: 0} = Sidespan.status()
    RealDaemon.stop(context.node, port)

    assert RealDaemon.open_spans(context.node) == []
    shown = RealDaemon.cli(context.node, ["show", "last", "--json"])
    assert shown =~ ~s("duplicate_count": 0)
    ids = for [_, id] <- Regex.scan(~r/\n      "span_id": "([0-9a-f]{16})"/, shown), do: id
    assert {length(ids), length(Enum.uniq(ids))} == {20_001, 20_001}
    assert length(Regex.scan(~r/\n      "state": "ended"/, shown)) == 20_001
  end

  defp step(root, round, number) do
    Sidespan.start_span(root, "step", attributes: [round: round, number: number])
  end

  defp restart(node, port) do
    RealDaemon.kill(node, port)
    RealDaemon.start(node)
  end

  test "what a program that is killed had open is recorded as abandoned", %{node: node} do
    vm = start_vm(@open_for_good, [{"SIDESPAN_SOCKET", node.socket}])
    assert_receive {^vm, {:data, line}}, 20_000
    pid = String.trim(line)

    open = RealDaemon.open_spans(node)
    assert Enum.sort(Enum.map(open, & &1["name"])) == ["charge", "pay"]
    assert Enum.all?(open, &(&1["pid"] == String.to_integer(pid)))

    {_, 0} = System.cmd("kill", ["-KILL", pid])
    states = fn -> Enum.map(RealDaemon.spans(node, "last"), & &1["state"]) end
    wait_until(fn -> states.() == ["abandoned", "abandoned"] end, "the end of the program")
    assert RealDaemon.open_spans(node) == []

    charge = Enum.find(RealDaemon.spans(node, "last"), &(&1["name"] == "charge"))
    assert charge["attributes"] == %{"amount" => 12}
  end

  test "a span that is open is shown with what has happened on it so far", %{node: node} do
    record(node.socket, mark_after_ms: 1)
    other = Sidespan.start_span(nil, "other")

    Sidespan.trace "work", cites: [Sidespan.status().token] do
      wait_until(&Sidespan.durable?/0, "the mark")
      Sidespan.add_event("half way")
      Sidespan.link(other)
      shown = fn -> Enum.find(RealDaemon.spans(node, "last"), &(&1["name"] == "work")) end
      wait_until(fn -> match?(%{"events" => [%{"name" => "half way"}]}, shown.()) end, "the event")
      assert shown.()["state"] == "open"
    end

    Sidespan.end_span(other)
    assert :ok = Sidespan.flush()
    assert RealDaemon.open_spans(node) == []
  end

  test "a stopped daemon holds a durable span up for its time, and no longer", context do
    %{node: node} = context
    record(node.socket, durable_timeout_ms: 50)
    Sidespan.span("first", do: :ok)
    assert :ok = Sidespan.flush()
    RealDaemon.signal(node, "STOP")

    results =
      for n <- 1..3, do: Sidespan.trace("pay", [durable: true], do: {n, Sidespan.durable?()})

    assert results == [{1, false}, {2, false}, {3, false}]
    RealDaemon.signal(node, "CONT")
    assert :ok = Sidespan.flush(20_000)
    assert %{acked: 4, dropped: 0} = Sidespan.status()
    wait_until(fn -> RealDaemon.open_spans(node) == [] end, "the ends")
  end
end
