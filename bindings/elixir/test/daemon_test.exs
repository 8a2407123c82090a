defmodule Sidespan.DaemonTest do
  use ExUnit.Case, async: false
  @moduletag :daemon
  @moduletag timeout: 120_000

  require Sidespan
  import Sidespan.Help
  alias Sidespan.RealDaemon

  setup do
    node = RealDaemon.new(directory())
    port = RealDaemon.start(node)
    on_exit(fn -> RealDaemon.release(node, port) end)
    record(node.socket)
    %{node: node, port: port}
  end

  test "spans arrive with their parents, and the token of the first is cited by the next program",
       %{node: node, port: port} do
    :ok = Sidespan.flush()

    headers =
      Sidespan.trace "agent.handle_message" do
        Sidespan.span "reasoning_loop" do
          Sidespan.with_attributes(%{model: "scripted-1", temperature: 0.7})
          Sidespan.add_event("thought", %{depth: 2})
        end

        :ok = Sidespan.flush()
        Sidespan.inject([])
      end

    token = Sidespan.status().token
    assert {"tracestate", "sidespan=" <> token} == List.keyfind(headers, "tracestate", 0)

    Sidespan.trace "serve", parent: Sidespan.extract(headers), kind: :server do
      :done
    end

    :ok = Sidespan.flush()
    assert %{recorded: 3, acked: 3, dropped: 0, buffered: 0} = Sidespan.status()
    RealDaemon.stop(node, port)

    spans = Map.new(RealDaemon.spans(node, "last"), &{&1["name"], &1})
    assert %{"agent.handle_message" => root, "reasoning_loop" => step, "serve" => serve} = spans
    assert {step["parent_span_id"], serve["parent_span_id"]} == {root["span_id"], root["span_id"]}
    assert step["attributes"] == %{"model" => "scripted-1", "temperature" => 0.7}
    assert serve["trace_state"] == "sidespan=" <> token
    assert [_version, _lineage, lsn | _] = String.split(token, "-")
    assert String.to_integer(lsn, 16) == String.to_integer(step["stamp"]["lsn"])
  end

  test "20,000 spans arrive once though the daemon is killed and started again", context do
    %{node: node, port: port} = context
    owner = self()

    writer =
      spawn_link(fn ->
        Sidespan.run_trace("storm", fn ctx ->
          for number <- 1..19_999 do
            Sidespan.run_span(ctx, "step", fn -> Sidespan.with_attributes(number: number) end)
            if rem(number, 4_000) == 0, do: send(owner, {:written, self()})
            if rem(number, 4_000) == 0, do: receive(do: (:go_on -> :ok))
          end
        end)

        send(owner, :finished)
      end)

    port =
      Enum.reduce(1..3, port, fn _, port ->
        assert_receive {:written, ^writer}, 20_000
        send(writer, :go_on)
        RealDaemon.kill(node, port)
        RealDaemon.start(node)
      end)

    assert_receive {:written, ^writer}, 20_000
    send(writer, :go_on)
    assert_receive :finished, 20_000
    assert :ok = Sidespan.flush(30_000)
    assert %{recorded: 20_000, acked: 20_000, dropped: 0, buffered: 0} = Sidespan.status()
    RealDaemon.stop(node, port)

    assert RealDaemon.cli(node, ["ls", "--json"]) =~ "20000"
    shown = RealDaemon.cli(node, ["show", "last", "--json"])
    assert shown =~ ~s("duplicate_count": 0)
    ids = for [_, id] <- Regex.scan(~r/\n      "span_id": "([0-9a-f]{16})"/, shown), do: id
    assert {length(ids), length(Enum.uniq(ids))} == {20_000, 20_000}
  end

  test "a stopped daemon changes nothing for the host; what came meanwhile arrives", context do
    %{node: node, port: port} = context
    :ok = Sidespan.flush()
    RealDaemon.signal(node, "STOP")

    results =
      for number <- 1..2_000 do
        Sidespan.span "while stopped" do
          number
        end
      end

    assert results == Enum.to_list(1..2_000)
    assert {:error, :timeout} = Sidespan.flush(10)
    assert Sidespan.status().buffered > 0

    # It has taken everything over and does not hang in a send.
    wait_until(fn -> message_count(Sidespan.Buffer) == 0 end, "the buffer process")
    RealDaemon.signal(node, "CONT")
    assert :ok = Sidespan.flush(20_000)
    assert %{acked: 2_000, dropped: 0} = Sidespan.status()
    RealDaemon.stop(node, port)
  end

  defp message_count(name) do
    {:message_queue_len, count} = Process.info(Process.whereis(name), :message_queue_len)
    count
  end

  test "a process that is killed leaves its spans, closed with the reason", context do
    %{node: node, port: port} = context
    owner = self()

    pid =
      spawn(fn ->
        Sidespan.trace "doomed", attributes: %{step: 1} do
          Sidespan.add_event("last words")
          send(owner, :open)
          Process.sleep(:infinity)
        end
      end)

    assert_receive :open
    :ok = Sidespan.Watch.settle(5_000)
    Process.exit(pid, :kill)
    wait_until(fn -> Sidespan.status().acked == 1 end, "the span")
    RealDaemon.stop(node, port)

    assert [%{"name" => "doomed", "status" => "error"} = span] = RealDaemon.spans(node, "last")
    assert span["status_message"] == "process exited: :killed"
  end

  test "a finished trace is exported, and its receipt names its place", context do
    %{node: node, port: port} = context
    now = DateTime.utc_now()

    span = %{
      span_id: String.duplicate("ab", 16),
      parent_span_id: nil,
      name: "reasoning",
      start_time: 1_000,
      end_time: 2_500,
      start_wall_time: now,
      attributes: %{model: "scripted-1"},
      events: [%{name: "thought", wall_time: now, attributes: %{}}],
      status: :ok
    }

    child = %{span | span_id: "step-1", parent_span_id: span.span_id, name: "tool", status: :error}
    trace = %{trace_id: String.duplicate("cd", 16), spans: [span, child]}

    owner = self()
    options = %{on_commit: &send(owner, {:committed, &1})}
    {:ok, state} = Sidespan.AITraceExporter.init(options)
    assert {:ok, state} = Sidespan.AITraceExporter.export(trace, state)
    assert :ok = Sidespan.AITraceExporter.shutdown(state)
    assert_received {:committed, %{commit_lsn: lsn, commit_hlc: hlc}}
    assert %{commit_lsn: ^lsn, commit_hlc: ^hlc} = state
    RealDaemon.stop(node, port)

    spans = Map.new(RealDaemon.spans(node, trace.trace_id), &{&1["name"], &1})
    assert spans["tool"]["parent_span_id"] == spans["reasoning"]["span_id"]
    # The receipt names the last item of the record.
    stamp = spans["tool"]["stamp"]
    assert lsn == "0/" <> Integer.to_string(String.to_integer(stamp["lsn"]), 16)
    assert [wall, logical] = String.split(stamp["hlc"], ".")
    assert hlc["w"] == String.to_integer(wall) and hlc["l"] == String.to_integer(logical)
    assert hlc["n"] =~ "node://"
  end
end
