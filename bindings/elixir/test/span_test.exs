defmodule Sidespan.SpanTest do
  use ExUnit.Case, async: false

  require Sidespan
  import Sidespan.Help
  alias Sidespan.{Context, Peer}

  setup do
    socket = Path.join(directory(), "s")
    {:ok, peer} = Peer.start_link(socket, seed: 1)
    record(socket)
    %{peer: peer}
  end

  defp spans(peer) do
    assert :ok = Sidespan.flush()
    Map.new(Peer.spans(peer), &{&1.name, &1})
  end

  test "trace has a span of its own, and spans nest within it", %{peer: peer} do
    result =
      Sidespan.trace "root", attributes: %{goal: "lunch"} do
        Sidespan.add_event("plain")

        Sidespan.span "step", kind: :client do
          Sidespan.with_attributes(%{n: 1})
          Sidespan.with_attributes(n: 2, m: :x)
          Sidespan.add_event("thought", %{depth: 2})
          :value
        end
      end

    assert result == :value
    assert Sidespan.get_current_context() == nil
    assert %{"root" => root, "step" => step} = spans(peer)
    assert root.parent_id == "" and step.parent_id == root.span_id
    assert root.trace_id == step.trace_id
    assert root.attributes == %{"goal" => "lunch"}
    assert step.attributes == %{"n" => 2, "m" => "x"}
    assert [%{name: "plain"}] = root.events
    assert [%{name: "thought", attributes: %{"depth" => 2}} = event] = step.events
    assert event.time_ns in step.start_ns..step.end_ns
    assert root.start_ns <= step.start_ns and step.end_ns <= root.end_ns
    assert {root.kind, step.kind} == {1, 3}
    assert {step.status, step.flags} == {{0, ""}, 0x101}
  end

  test "trace begins a new one each time, span goes on or begins one", %{peer: peer} do
    Sidespan.trace "outer" do
      Sidespan.trace "other" do
        :ok
      end
    end

    Sidespan.span "alone" do
      :ok
    end

    spans = spans(peer)
    assert spans |> Map.values() |> Enum.map(& &1.trace_id) |> Enum.uniq() |> length() == 3
    assert Enum.all?(spans, fn {_, span} -> span.parent_id == "" end)
  end

  test "the explicit forms do what the blocks do", %{peer: peer} do
    Sidespan.run_trace("root", fn ctx ->
      assert ctx == Sidespan.get_current_context()

      Sidespan.run_span(ctx, "child", fn child ->
        Sidespan.add_event(child, "one")
        Sidespan.add_event(ctx, "two", %{a: 1})
        Sidespan.with_attributes(ctx, b: 2)
      end)

      Sidespan.span ctx, "sibling", kind: :producer do
        Sidespan.clear_current_context()
      end

      assert Sidespan.get_current_context() == ctx
    end)

    %{"root" => root, "child" => child, "sibling" => sibling} = spans(peer)
    assert child.parent_id == root.span_id and sibling.parent_id == root.span_id
    assert [%{name: "one"}] = child.events
    assert [%{name: "two", attributes: %{"a" => 1}}] = root.events
    assert root.attributes == %{"b" => 2}
    assert sibling.kind == 4
  end

  test "a span that no block holds ends once, by whatever process", %{peer: peer} do
    context = Sidespan.start_span(nil, "held")
    assert Sidespan.get_current_context() == nil

    1..50
    |> Task.async_stream(fn number ->
      Sidespan.add_event(context, "from elsewhere", %{number: number})
      Sidespan.with_attributes(context, [{"k#{number}", number}])
    end)
    |> Stream.run()

    1..10 |> Task.async_stream(fn _ -> Sidespan.end_span(context) end) |> Stream.run()
    Sidespan.add_event(context, "too late")
    Sidespan.fail(context, "too late")

    assert %{"held" => span} = spans(peer)
    assert length(span.events) == 50 and map_size(span.attributes) == 50
    assert Sidespan.status().recorded == 1
    assert :ets.info(Sidespan.Runtime.get().additions, :size) == 0
  end

  test "what leaves a block goes on unchanged and is kept", %{peer: peer} do
    assert_raise RuntimeError, "boom", fn ->
      Sidespan.span "raises" do
        raise "boom"
      end
    end

    assert catch_exit(Sidespan.span("exits", do: exit(:broken))) == :broken
    assert catch_exit(Sidespan.span("stops", do: exit(:shutdown))) == :shutdown
    assert catch_throw(Sidespan.span("throws", do: throw(:ball))) == :ball
    assert Sidespan.span("fails", do: Sidespan.fail("no luck")) == :ok
    assert Sidespan.get_current_context() == nil

    spans = spans(peer)
    assert spans["raises"].status == {2, "RuntimeError: boom"}
    assert spans["raises"].attributes == %{"error.type" => "RuntimeError"}
    assert [%{name: "exception", attributes: exception}] = spans["raises"].events
    assert %{"exception.type" => "RuntimeError", "exception.message" => "boom"} = exception
    assert exception["exception.stacktrace"] =~ "span_test.exs"
    assert spans["exits"].status == {2, "exit: :broken"}
    assert spans["stops"].status == {0, ""}
    assert spans["throws"].status == {0, ""}
    assert spans["fails"].status == {2, "no luck"}
  end

  test "a process that is killed closes what it had open", %{peer: peer} do
    owner = self()

    for {name, reason} <- [{"a", :kill}, {"b", {:bad, "thing"}}] do
      pid =
        spawn(fn ->
          Sidespan.trace name do
            Sidespan.span name <> "/inner" do
              Sidespan.with_attributes(seen: true)
              send(owner, :open)
              Process.sleep(:infinity)
            end
          end
        end)

      assert_receive :open
      :ok = Sidespan.Watch.settle(5_000)
      Process.exit(pid, reason)
    end

    wait_until(fn -> Sidespan.status().acked == 4 end, "four spans")
    spans = spans(peer)
    assert spans["a"].status == {2, "process exited: :killed"}
    assert spans["b/inner"].status == {2, ~s(process exited: {:bad, "thing"})}
    assert spans["b/inner"].attributes == %{"seen" => true}
    assert spans["b/inner"].parent_id == spans["b"].span_id
  end

  test "what is too much is cut and counted", %{peer: peer} do
    Sidespan.span String.duplicate("n", 5_000), attributes: Map.new(1..200, &{&1, &1}) do
      for number <- 1..200, do: Sidespan.add_event("e", %{number: number})
    end

    Sidespan.span "large" do
      for number <- 1..9, do: Sidespan.with_attributes([{number, String.duplicate("x", 300_000)}])
      Sidespan.with_attributes(small: 1)
    end

    assert :ok = Sidespan.flush()
    assert [many, large] = Peer.spans(peer)
    assert byte_size(many.name) == 1024
    assert map_size(many.attributes) == 128 and many.dropped_attributes == 72
    assert length(many.events) == 128 and many.dropped_events == 72
    assert large.bytes < 1_100_000
    assert large.attributes["small"] == 1
    assert map_size(large.attributes) + large.dropped_attributes == 10
  end

  test "the trace state of a remote parent stays with its children, and the token is injected",
       %{peer: peer} do
    :ok = Sidespan.flush()
    carrier = %{"traceparent" => "00-#{String.duplicate("a", 32)}-#{String.duplicate("b", 16)}-01"}
    parent = Sidespan.extract(Map.put(carrier, "tracestate", "sidespan=older,x=1"))

    out =
      Sidespan.trace "serve", parent: parent do
        Sidespan.span("inner", do: Sidespan.inject(%{}))
      end

    assert out["tracestate"] == "sidespan=#{Peer.token()},x=1"
    %{"serve" => serve, "inner" => inner} = spans(peer)
    assert serve.parent_id == String.duplicate("b", 16)
    assert {serve.trace_state, inner.trace_state} == {"sidespan=older,x=1", "sidespan=older,x=1"}
    assert {serve.flags, inner.flags} == {0x301, 0x101}
    assert %Context{} = Sidespan.extract(out)
  end

  test "ids are not the host's random numbers, and the host's stay its own" do
    :rand.seed(:exsss, 7)
    expected = :rand.uniform(1_000_000)
    :rand.seed(:exsss, 7)
    Sidespan.span("draws", do: :ok)
    assert :rand.uniform(1_000_000) == expected
  end
end
