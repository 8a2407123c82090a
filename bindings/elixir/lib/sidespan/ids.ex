defmodule Sidespan.Ids do
  @moduledoc false
  # Random ids. They are drawn in blocks, one process a block: a call of :crypto costs more than a
  # block. The host's :rand is left alone, so that a seeded program stays the program it was.

  alias Sidespan.Limits

  @key :sidespan_random
  @trace_id_bytes Limits.trace_id_bytes()
  @span_id_bytes Limits.span_id_bytes()
  @block_bytes 512

  @doc "Returns a trace id in hex, not all zero."
  @spec trace_id() :: String.t()
  def trace_id, do: take(@trace_id_bytes)

  @doc "Returns a span id in hex, not all zero."
  @spec span_id() :: String.t()
  def span_id, do: take(@span_id_bytes)

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
