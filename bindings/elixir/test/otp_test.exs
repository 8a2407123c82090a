defmodule Sidespan.OtpTest do
  use ExUnit.Case, async: false

  require Sidespan
  import Sidespan.Help
  alias Sidespan.Peer

  defmodule Kitchen do
    use GenServer
    use Sidespan.Server
    require Sidespan

    @impl true
    def init(owner), do: {:ok, owner}

    @impl true
    def handle_call({:cook, dish}, _from, owner) do
      Sidespan.span "cook" do
        {:reply, {:done, dish}, owner}
      end
    end

    def handle_call(:context, _from, owner) do
      {:reply, Sidespan.get_current_context(), owner}
    end

    @impl true
    def handle_cast(message, owner) do
      Sidespan.span "cast" do
        send(owner, {:cast, message})
        {:noreply, owner}
      end
    end

    @impl true
    def handle_info(message, owner) do
      Sidespan.span "info" do
        send(owner, {:info, message})
        {:noreply, owner}
      end
    end
  end

  setup do
    socket = Path.join(directory(), "s")
    {:ok, peer} = Peer.start_link(socket, seed: 2)
    record(socket)
    %{peer: peer}
  end

  defp spans(peer) do
    assert :ok = Sidespan.flush()
    Peer.spans(peer)
  end

  test "calls, casts and messages carry the span to a server, and nothing stays behind", context do
    pid = start_supervised!(%{id: Kitchen, start: {GenServer, :start_link, [Kitchen, self()]}})

    Sidespan.trace "order" do
      assert Sidespan.Server.call(pid, {:cook, "noodles"}) == {:done, "noodles"}
      assert Sidespan.Server.cast(pid, :hurry) == :ok
      send(pid, Sidespan.Server.wrap(:bell))
    end

    assert_receive {:cast, :hurry}
    assert_receive {:info, :bell}
    assert GenServer.call(pid, :context) == nil

    spans = Map.new(spans(context.peer), &{&1.name, &1})

    for name <- ["cook", "cast", "info"] do
      assert spans[name].parent_id == spans["order"].span_id, name
    end

    assert Sidespan.Server.call(pid, {:cook, "rice"}) == {:done, "rice"}
    assert %{name: "cook", parent_id: ""} = List.last(spans(context.peer))
  end

  test "tasks run within the caller's span", %{peer: peer} do
    supervisor = start_supervised!(Task.Supervisor)

    Sidespan.trace "root" do
      one = Sidespan.Task.async(fn -> Sidespan.span("async", do: 1) end)
      two = Sidespan.Task.async(supervisor, fn -> Sidespan.span("supervised", do: 2) end)
      assert Task.await_many([one, two]) == [1, 2]

      stream = Sidespan.Task.async_stream(1..3, fn n -> Sidespan.span("stream", do: n) end)
      assert Enum.to_list(stream) == [ok: 1, ok: 2, ok: 3]

      stream = Sidespan.Task.async_stream(supervisor, 1..2, &Sidespan.span("more", do: &1), [])
      assert Enum.to_list(stream) == [ok: 1, ok: 2]
    end

    {[root], children} = Enum.split_with(spans(peer), &(&1.name == "root"))
    assert length(children) == 7
    assert Enum.all?(children, &(&1.parent_id == root.span_id))
  end

  test "a job goes on with the trace that put it, through JSON's types", %{peer: peer} do
    args =
      Sidespan.trace "enqueue" do
        Sidespan.Job.put(%{"user" => 42})
      end

    assert %{"user" => 42, "sidespan" => %{"traceparent" => _}} = args
    assert Enum.all?(args["sidespan"], fn {k, v} -> is_binary(k) and is_binary(v) end)

    job = %{args: args, meta: %{}, id: 7, queue: "default", worker: "W", attempt: 1}
    assert Sidespan.Job.run(job, "perform", fn -> :done end) == :done
    assert Sidespan.Job.run(%{args: %{}, meta: args}, "by meta", fn -> :done end) == :done
    assert Sidespan.Job.run(%{args: %{}}, "without", fn -> :done end) == :done
    assert Sidespan.Job.put(%{}) == %{}
    assert Sidespan.Job.context(nil) == nil

    spans = Map.new(spans(peer), &{&1.name, &1})
    assert spans["perform"].parent_id == spans["enqueue"].span_id
    assert spans["by meta"].parent_id == spans["enqueue"].span_id
    assert spans["without"].parent_id == ""
    assert spans["perform"].kind == 5
    assert %{"job.id" => 7, "job.attempt" => 1} = spans["perform"].attributes
  end
end
