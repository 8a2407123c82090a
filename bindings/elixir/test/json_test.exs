defmodule Sidespan.JsonTest do
  use ExUnit.Case, async: true

  alias Sidespan.Json

  test "values of every kind are read" do
    for {text, value} <- [
          {~S( {"a":[1,-2,0.5,1e3,-1.5E-2],"b":{"c":null}} ),
           %{"a" => [1, -2, 0.5, 1000.0, -0.015], "b" => %{"c" => nil}}},
          {~S([true,false,[],{}]), [true, false, [], %{}]},
          {~S("\u00e9\ud83d\ude42\"\\\/\b\f\n\r\té"), "é🙂\"\\/\b\f\n\r\té"}
        ] do
      assert Json.decode!(text) == value
    end
  end

  test "anything else raises" do
    for text <- [
          "",
          "[1,]",
          "{,}",
          ~S({"a":1,}),
          ~S({a:1}),
          "01",
          "1 2",
          "nul",
          "\"\n\"",
          ~S("\x"),
          ~S("\ud83d"),
          ~S("\ud83d\u0041"),
          ~S("open),
          <<?", 255, ?">>,
          "[1",
          "NaN"
        ] do
      assert_raise ArgumentError, fn -> Json.decode!(text) end
    end
  end
end
