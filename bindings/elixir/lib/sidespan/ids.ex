defmodule Sidespan.Ids do
  @moduledoc false
  # Random ids. They are drawn in blocks, one process a block: a call of :crypto costs more than a
  # block. The host's :rand is left alone, so that a seeded program stays the program it was.

  @key :sidespan_random
  @block_bytes 128

  @doc "Returns a trace id in hex, not all zero."
  @spec trace_id() :: String.t()
  def trace_id, do: take(16)

  @doc "Returns a span id in hex, not all zero."
  @spec span_id() :: String.t()
  def span_id, do: take(8)

  defp take(size) do
    case Process.get(@key) do
      <<id::binary-size(size), rest::binary>> ->
        Process.put(@key, rest)
        if id == <<0::size(size)-unit(8)>>, do: take(size), else: Base.encode16(id, case: :lower)

      _ ->
        Process.put(@key, :crypto.strong_rand_bytes(@block_bytes))
        take(size)
    end
  end
end
