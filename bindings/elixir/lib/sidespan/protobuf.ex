defmodule Sidespan.Protobuf do
  @moduledoc false
  # The wire format: varints, length-delimited fields, and a reader that passes over what it does
  # not know. https://protobuf.dev/programming-guides/encoding/

  import Bitwise

  @uint64 0xFFFFFFFFFFFFFFFF
  @varint_bytes_max 10

  @doc "Returns a number from 0 to 2^64 - 1 as a varint."
  @spec varint(non_neg_integer()) :: binary()
  def varint(n) when n < 0x80, do: <<n>>
  def varint(n) when n < 0x4000, do: <<1::1, n::7, n >>> 7>>
  def varint(n) when n < 0x200000, do: <<1::1, n::7, 1::1, n >>> 7::7, n >>> 14>>
  def varint(n), do: <<1::1, n::7, varint(n >>> 7)::binary>>

  @doc "Returns a field: its tag, the length of `data`, `data`."
  @spec delimited(byte(), binary()) :: binary()
  def delimited(tag, data) when byte_size(data) < 0x80 do
    <<tag, byte_size(data), data::binary>>
  end

  def delimited(tag, data), do: <<tag, varint(byte_size(data))::binary, data::binary>>

  @doc """
  Returns the fields of a message by number; of a repeated one, the last.

  `:error` when the message ends within a field or holds what protobuf does not know.
  """
  @spec decode(binary()) :: {:ok, %{pos_integer() => non_neg_integer() | binary()}} | :error
  def decode(message), do: decode(message, %{})

  defp decode(<<>>, fields), do: {:ok, fields}

  defp decode(message, fields) do
    with {:ok, key, rest} <- read_varint(message, 0, 0),
         {:ok, value, rest} <- read_value(key &&& 7, rest) do
      decode(rest, Map.put(fields, key >>> 3, value))
    end
  end

  defp read_value(0, rest), do: read_varint(rest, 0, 0)
  defp read_value(1, <<value::64-little, rest::binary>>), do: {:ok, value, rest}
  defp read_value(5, <<value::32-little, rest::binary>>), do: {:ok, value, rest}

  defp read_value(2, rest) do
    with {:ok, size, rest} <- read_varint(rest, 0, 0) do
      case rest do
        <<value::binary-size(size), rest::binary>> -> {:ok, value, rest}
        _ -> :error
      end
    end
  end

  defp read_value(_, _), do: :error

  defp read_varint(<<more::1, bits::7, rest::binary>>, index, value)
       when index < @varint_bytes_max do
    value = value ||| bits <<< (7 * index)
    if more == 1, do: read_varint(rest, index + 1, value), else: {:ok, value &&& @uint64, rest}
  end

  defp read_varint(_, _, _), do: :error
end
