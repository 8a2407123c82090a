defmodule Sidespan.PropagationTest do
  use ExUnit.Case, async: true

  alias Sidespan.{Context, W3C}

  @trace "4bf92f3577b34da6a3ce929d0e0e4736"
  @span "00f067aa0ba902b7"
  @parent "00-#{@trace}-#{@span}-01"

  test "a traceparent is read strictly" do
    assert {:ok, %Context{trace_id: @trace, span_id: @span, trace_flags: 1, remote?: true}} =
             W3C.parse_traceparent(@parent)

    assert {:ok, %{trace_flags: 3}} = W3C.parse_traceparent("00-#{@trace}-#{@span}-ff")
    assert {:ok, _} = W3C.parse_traceparent("01-#{@trace}-#{@span}-01-more")
    assert {:ok, _} = W3C.parse_traceparent("cc-#{@trace}-#{@span}-01")

    for text <- [
          "",
          "00",
          "ff-#{@trace}-#{@span}-01",
          "00-#{@trace}-#{@span}-01-more",
          "01-#{@trace}-#{@span}-01more",
          "00-#{String.upcase(@trace)}-#{@span}-01",
          "00-#{String.duplicate("0", 32)}-#{@span}-01",
          "00-#{@trace}-#{String.duplicate("0", 16)}-01",
          "00-#{@trace}-#{@span}-0",
          "00-#{@trace}-#{@span}-0g",
          "00_#{@trace}-#{@span}-01",
          " " <> @parent,
          @parent <> "\n"
        ] do
      assert W3C.parse_traceparent(text) == :error, inspect(text)
    end
  end

  test "a tracestate loses spaces and empty members, and is nothing when one member is bad" do
    assert W3C.parse_tracestate(" a=1 ,, b@v=2\t,") == "a=1,b@v=2"
    assert W3C.parse_tracestate("sidespan=1-2-3") == "sidespan=1-2-3"

    for text <- ["a", "=1", "A=1", "a=1,a=2", "a=é", "a=1=2", "a=1\n", <<"a=", 0>>, <<255>>] do
      assert W3C.parse_tracestate(text) == "", inspect(text)
    end

    members = Enum.map_join(1..32, ",", &"k#{&1}=v")
    assert W3C.parse_tracestate(members) == members
    assert W3C.parse_tracestate(members <> ",k33=v") == ""
    assert W3C.parse_tracestate(String.duplicate("a=1,", 5_000)) == ""
  end

  test "the token is leftmost, once, and others keep their place" do
    assert W3C.with_token("", "T") == "sidespan=T"
    assert W3C.with_token("a=1,sidespan=old,b=2", "T") == "sidespan=T,a=1,b=2"
    assert W3C.with_token("a=1", "") == "a=1"
    members = Enum.map_join(1..32, ",", &"k#{&1}=v")
    assert length(String.split(W3C.with_token(members, "T"), ",")) == 32
  end

  test "a token is what can be a member and is not the first to be dropped" do
    assert W3C.token?(Sidespan.Peer.token())
    assert W3C.token?(String.duplicate("x", 119))

    for text <- ["", String.duplicate("x", 120), "a,b", "a=b", "a ", "é", "a\n", <<0>>] do
      refute W3C.token?(text), inspect(text)
    end
  end

  test "maps, lists, atoms, charlists and several values are carriers" do
    for carrier <- [
          %{"traceparent" => @parent, "tracestate" => "a=1"},
          %{"TraceParent" => @parent, "Tracestate" => "a=1"},
          %{traceparent: @parent, tracestate: "a=1"},
          [{"x", "y"}, {"traceparent", @parent}, {"tracestate", "a=1"}],
          [{~c"traceparent", to_charlist(@parent)}, {~c"tracestate", ~c"a=1"}],
          [{"traceparent", [@parent]}, {"tracestate", ["a=1"]}]
        ] do
      assert %Context{trace_id: @trace, trace_state: "a=1"} = Sidespan.extract(carrier)
    end

    two = [{"traceparent", @parent}, {"tracestate", "a=1"}, {"tracestate", "b=2"}]
    assert %{trace_state: "a=1,b=2"} = Sidespan.extract(two)
    assert %{trace_state: ""} = Sidespan.extract(%{"traceparent" => @parent, "tracestate" => "bad"})
    assert Sidespan.extract([{"traceparent", @parent}, {"traceparent", @parent}]) == nil
  end

  test "no carrier, whatever it is, makes it raise" do
    for carrier <- [
          nil,
          1,
          "x",
          :a,
          [],
          [1],
          [{1, 2}],
          %{1 => 2},
          %{"traceparent" => 5},
          {1},
          [1 | 2]
        ] do
      assert Sidespan.extract(carrier) == nil
      context = %Context{trace_id: @trace, span_id: @span}
      _ = Sidespan.inject(carrier, context)
    end
  end

  test "what is injected is extracted, and older headers are replaced" do
    context = %Context{trace_id: @trace, span_id: @span, trace_state: "a=1"}
    assert %{"x" => "y"} = map = Sidespan.inject(%{"x" => "y", "traceparent" => "old"}, context)
    assert %{trace_id: @trace, span_id: @span, trace_state: "a=1"} = Sidespan.extract(map)

    list = Sidespan.inject([{"Traceparent", "old"}, {"x", "y"}], context)
    assert [{"x", "y"}, {"traceparent", @parent}, {"tracestate", "a=1"}] = list
    assert Sidespan.inject([], nil) == []
  end

  test "any text is read without raising, and what is read is written back" do
    for seed <- 1..500 do
      :rand.seed(:exsss, seed)
      text = @parent |> mutate() |> mutate()

      with {:ok, context} <- W3C.parse_traceparent(text) do
        assert {:ok, ^context} = W3C.parse_traceparent(W3C.format_traceparent(context))
      end

      state = W3C.parse_tracestate(mutate("a=1,b@v=2,sidespan=" <> Sidespan.Peer.token()))
      assert W3C.parse_tracestate(state) == state
    end
  end

  defp mutate(text) do
    at = :rand.uniform(byte_size(text)) - 1
    <<before::binary-size(at), _, rest::binary>> = text
    before <> Enum.random(["", <<:rand.uniform(256) - 1>>, ",", "00"]) <> rest
  end
end
