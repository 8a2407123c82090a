defmodule Sidespan.HostSafetyTest do
  use ExUnit.Case, async: false

  require Sidespan
  import ExUnit.CaptureIO
  import ExUnit.CaptureLog
  import Sidespan.Help
  alias Sidespan.Peer

  defmodule Raising do
    defstruct [:x]
  end

  defimpl Inspect, for: Raising do
    def inspect(_, _), do: raise("from inspect")
  end

  defp work(value) do
    Sidespan.trace "work", attributes: %{value: value} do
      Sidespan.add_event("seen", %{value: value})
      Sidespan.with_attributes(%{value: value})
      :result
    end
  end

  defp silent(fun) do
    output =
      capture_io(:stderr, fn ->
        log = capture_log(fn -> assert capture_io(fn -> fun.() end) == "" end)
        assert log == ""
      end)

    assert output == ""
  end

  test "without a daemon, with a wrong path and with a file in its place the host goes on" do
    root = directory()
    file = Path.join(root, "file")
    File.write!(file, "")

    for socket <- [
          Path.join(root, "absent"),
          file,
          root,
          "/" <> String.duplicate("long", 60),
          "http://localhost:4318",
          "bad\0path"
        ] do
      silent(fn ->
        record(socket)
        assert work(1) == :result
        assert {:error, _} = Sidespan.flush(20)
        assert %{recorded: 1, acked: 0, dropped: 0, buffered: 1} = status = Sidespan.status()
        assert status.last_error != ""
        assert Sidespan.shutdown(1_000) == :ok
      end)
    end
  end

  test "values that are huge, hostile or strange are recorded as what they are" do
    socket = Path.join(directory(), "s")
    {:ok, peer} = Peer.start_link(socket, seed: 3)

    strange = [
      String.duplicate("x", 1_000_000),
      %Raising{x: 1},
      [%Raising{x: 1} | :improper],
      %{%Raising{x: 1} => self()},
      <<255, 254>>,
      <<1::3>>,
      fn -> :ok end,
      Enum.reduce(1..1_000, [], fn _, inner -> [inner] end)
    ]

    silent(fn ->
      record(socket)
      for value <- strange, do: assert(work(value) == :result)
      assert :ok = Sidespan.flush()
    end)

    assert length(Peer.spans(peer)) == length(strange)
  end

  test "names, options and attributes of any type do not reach the host as errors" do
    socket = Path.join(directory(), "s")
    {:ok, _peer} = Peer.start_link(socket, seed: 4)
    record(socket)

    for junk <- [nil, 1, "x", {1}, [1], %{1 => 2}, %Raising{x: 1}, [1 | 2], self()] do
      assert Sidespan.run_span(nil, junk, fn -> :result end) == :result
      assert Sidespan.run_trace("t", fn -> :result end, attributes: junk) == :result
      assert Sidespan.run_trace("t", fn -> :result end, kind: junk, parent: junk) == :result
      assert Sidespan.add_event("e", junk) == :ok

      Sidespan.span "s" do
        assert Sidespan.add_event(junk, junk) == :ok
        assert Sidespan.with_attributes(junk) == :ok
        assert Sidespan.fail(junk) == :ok
      end
    end

    assert Sidespan.end_span(nil) == :ok
    assert :ok = Sidespan.flush()
    assert Sidespan.status().dropped == 0
  end

  test "the buffer is bounded, the newest are dropped and counted" do
    record("/nonexistent/socket", buffer_bytes_max: 100_000)
    for _ <- 1..2_000, do: assert(work(1) == :result)
    assert %{recorded: 2_000, acked: 0} = status = Sidespan.status()
    assert status.dropped > 1_000
    # No span of these is smaller than 100 bytes.
    assert status.buffered in 1..1_000
  end

  test "a storm of processes, some of them killed, loses and keeps nothing" do
    socket = Path.join(directory(), "s")
    {:ok, peer} = Peer.start_link(socket, seed: 5)
    record(socket)

    pids =
      for number <- 1..5_000 do
        spawn(fn ->
          Sidespan.trace "storm", attributes: %{number: number} do
            if rem(number, 10) == 0, do: Process.exit(self(), :kill)
          end
        end)
      end

    for pid <- pids do
      reference = Process.monitor(pid)
      assert_receive {:DOWN, ^reference, _, _, _}, 10_000
    end

    wait_until(fn -> Sidespan.status().acked == 5_000 end, "all spans")
    killed = Enum.filter(Peer.spans(peer), &(elem(&1.status, 0) == 2))
    assert length(killed) == 500
    assert :ets.info(Sidespan.Runtime.get().open, :size) == 0
    assert %{dropped: 0, buffered: 0} = Sidespan.status()
  end

  test "a client process that dies costs what it held, counted, and recording goes on" do
    socket = Path.join(directory(), "s")
    {:ok, peer} = Peer.start_link(socket, seed: 6)
    record(socket)
    work(1)
    assert :ok = Sidespan.flush()

    for name <- [Sidespan.Buffer, Sidespan.Watch] do
      pid = Process.whereis(name)
      Process.exit(pid, :kill)
      wait_until(fn -> Process.whereis(name) not in [nil, pid] end, "#{name} to be back")
    end

    assert work(2) == :result
    wait_until(fn -> match?(%{recorded: 2, acked: 2, buffered: 0}, Sidespan.status()) end, "it")
    assert length(Peer.spans(peer)) >= 1
  end

  test "when the client cannot go on it stays away, and the host does not notice" do
    record("/nonexistent/socket")

    # What the supervisor says of it is the only thing that is ever logged.
    capture_log(fn ->
      wait_until(fn -> kill_buffer() == :recorder_gone end, "the end of the recorder")
    end)

    assert work(2) == :result
    assert Sidespan.flush() in [:ok, {:error, :not_running}]
    assert Process.whereis(Sidespan.Supervisor) != nil
    assert %{recorded: _} = Sidespan.status()
  end

  defp kill_buffer do
    assert work(1) == :result
    with pid when pid != nil <- Process.whereis(Sidespan.Buffer), do: Process.exit(pid, :kill)
    if Process.whereis(Sidespan.Recorder), do: :recorder_there, else: :recorder_gone
  end

  test "whatever is answered, records are sent again with the same bytes until there is an ack" do
    socket = Path.join(directory(), "s")
    counter = :counters.new(1, [])

    reply = fn
      {:records, seq}, _spans ->
        :counters.add(counter, 1, 1)

        case :counters.get(counter, 1) do
          1 -> :close
          2 -> [Peer.nack(seq, 3, 5)]
          3 -> [binary_part(Peer.ack(seq), 0, 5)]
          4 -> [{:raw, <<0x7FFFFFFF::32, 17, 1::64>>}]
          5 -> [<<99, 0::64>>]
          _ -> [Peer.ack(seq)]
        end

      request, spans ->
        Peer.default_reply(request, spans)
    end

    {:ok, peer} = Peer.start_link(socket, seed: 7, reply: reply)
    record(socket)
    work(1)
    wait_until(fn -> Sidespan.status().acked == 1 end, "the span")
    records = for <<2, _::binary>> = payload <- Peer.heard(peer), do: payload
    assert length(records) == 6
    assert [_] = Enum.uniq(records)
  end

  test "off by the environment, and without a service, nothing runs and nothing is recorded" do
    System.put_env("SIDESPAN_DISABLED", "yes")
    on_exit(fn -> System.delete_env("SIDESPAN_DISABLED") end)
    record("/nonexistent/socket")
    assert Process.whereis(Sidespan.Buffer) == nil
    assert work(1) == :result
    assert Sidespan.get_current_context() == nil
    assert Sidespan.start_span(nil, "x") == nil
    assert Sidespan.flush() == :ok
    assert Sidespan.status().recorded == 0
    assert Sidespan.export(%{trace_id: "x", spans: []}) == {:error, :not_recording}
  end
end
