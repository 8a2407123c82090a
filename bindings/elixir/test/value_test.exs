defmodule Sidespan.ValueTest do
  use ExUnit.Case, async: true

  alias Sidespan.{Limits, Proto, Protobuf, Value}

  defmodule Hostile do
    defstruct [:x]
  end

  defimpl Inspect, for: Hostile do
    def inspect(_, _), do: throw(:from_inspect)
  end

  defp round_trip(value), do: value |> Value.any_value() |> Proto.any()

  test "text, numbers, lists and maps keep their type" do
    for value <- [
          nil,
          true,
          false,
          "",
          "plain",
          "día",
          0,
          1,
          127,
          128,
          -1,
          -0x8000000000000000,
          0x7FFFFFFFFFFFFFFF,
          1.5,
          -0.0,
          [],
          [1, "two", nil, [3.0]],
          %{},
          %{"a" => 1, "b" => %{"c" => [true]}}
        ] do
      assert round_trip(value) == value
    end
  end

  test "atoms, keywords, dates, sets and exceptions become what reads like them" do
    assert round_trip(:llm) == "llm"
    assert round_trip(model: "m", n: 1) == %{"model" => "m", "n" => 1}
    assert round_trip(~D[2024-02-29]) == "2024-02-29"
    assert round_trip(~U[2024-02-29 12:00:00Z]) == "2024-02-29T12:00:00Z"
    assert round_trip(MapSet.new([1])) == [1]
    assert round_trip(%RuntimeError{message: "boom"}) == "boom"
    assert round_trip({1, :b}) == "{1, :b}"
    assert round_trip(<<255>>) == {:bytes, <<255>>}
    assert round_trip([1 | 2]) == [1, 2]
    assert round_trip(2 ** 70) == Integer.to_string(2 ** 70)
    assert round_trip(2 ** 5000) =~ "integer"
    assert round_trip(%{{1, 2} => 3}) == %{"{1, 2}" => 3}
  end

  test "what raises while it is looked at costs only itself" do
    assert [1, text, 3] = round_trip([1, %Hostile{x: 1}, 3])
    assert text =~ "Hostile"
    assert {key, _} = Value.key_value(%Hostile{}, 1)
    assert key =~ "Hostile"
  end

  test "a megabyte is cut at a whole character and says how long it was" do
    for text <- [String.duplicate("a", 1_000_000), String.duplicate("é€😀", 200_000)] do
      cut = round_trip(text)
      assert byte_size(cut) <= Limits.value_bytes_max()
      assert String.valid?(cut)
      assert cut =~ "<cut: #{String.length(text)} characters>"
      refute cut =~ "?"
    end
  end

  test "depth, number of members and size of one value are bounded" do
    deep = Enum.reduce(1..100, "x", fn _, inner -> [inner] end)
    assert inspect(round_trip(deep)) =~ "below the depth limit"

    for wide <- [Enum.to_list(1..100_000), Map.new(1..100_000, &{&1, &1})] do
      assert byte_size(Value.any_value(wide)) < 64 * 1024
    end

    fat = List.duplicate(String.duplicate("x", 200_000), 50)
    assert byte_size(Value.any_value(fat)) < Limits.value_bytes_max() + 1024
  end

  test "any term comes back as one well-formed value" do
    for seed <- 1..500 do
      :rand.seed(:exsss, seed)
      term = term(4)
      encoded = Value.any_value(term)
      assert {:ok, _} = Protobuf.decode(encoded), "seed #{seed}"
      _ = Proto.any(encoded)
    end
  end

  defp term(0), do: scalar(:rand.uniform(9))

  defp term(depth) do
    case :rand.uniform(14) do
      10 -> for _ <- 1..:rand.uniform(5), do: term(depth - 1)
      11 -> Map.new(1..:rand.uniform(5), fn _ -> {term(0), term(depth - 1)} end)
      12 -> {term(depth - 1), term(depth - 1)}
      13 -> [term(depth - 1) | term(0)]
      14 -> %Hostile{x: term(depth - 1)}
      number -> scalar(number)
    end
  end

  defp scalar(1), do: nil
  defp scalar(2), do: :rand.uniform(2) == 1
  defp scalar(3), do: :rand.uniform(1 <<< 40) - (1 <<< 39)
  defp scalar(4), do: :rand.normal() * 1.0e9
  defp scalar(5), do: :crypto.strong_rand_bytes(:rand.uniform(200))
  defp scalar(6), do: String.duplicate("é", :rand.uniform(100))
  defp scalar(7), do: self()
  defp scalar(8), do: <<1::size(3)>>
  defp scalar(9), do: :some_atom

  defp a <<< b, do: Bitwise.bsl(a, b)

  test "varints agree with the reader at every length" do
    for bits <- 0..63, number <- [Bitwise.bsl(1, bits), Bitwise.bsl(1, bits) - 1] do
      assert {:ok, %{1 => ^number}} = Protobuf.decode(<<0x08, Protobuf.varint(number)::binary>>)
    end
  end

  test "a message that ends anywhere within a field is no message" do
    message = Protobuf.delimited(0x0A, "hello") <> <<0x10, 0x80, 0x01, 0x19, 1::64, 0x25, 1::32>>
    assert {:ok, %{1 => "hello", 2 => 128, 3 => _, 4 => _}} = Protobuf.decode(message)

    whole = [0, 7, 10, 19, 24]

    for size <- 0..byte_size(message), size not in whole do
      assert Protobuf.decode(binary_part(message, 0, size)) == :error
    end
  end
end
