# What a span costs the process that makes it, in microseconds: 3 attributes and 1 event.
#
#     mix run samples/bench.exs [SPANS]
#
# The daemon is looked for as always. Without one the buffer fills and the rest is dropped, which
# costs the caller the same.

require Sidespan

defmodule Bench do
  require Sidespan

  def spans(0), do: :ok

  def spans(left) do
    Sidespan.span "bench", attributes: %{model: "scripted-1", step: left, temperature: 0.7} do
      Sidespan.add_event("thought", %{depth: 2})
    end

    spans(left - 1)
  end

  def median(rounds, spans) do
    rounds
    |> Enum.map(fn _ ->
      {microseconds, :ok} = :timer.tc(fn -> spans(spans) end)
      # Not timed: the next round begins with an empty buffer where there is a daemon.
      Sidespan.flush(10_000)
      microseconds / spans
    end)
    |> Enum.sort()
    |> Enum.at(div(Enum.count(rounds), 2))
  end
end

spans =
  case System.argv() do
    [count] -> String.to_integer(count)
    [] -> 2_000
  end

off = Bench.median(1..20, spans)
Sidespan.init(service: "bench")
recorded = Bench.median(1..20, spans)
status = Sidespan.status()

IO.puts("caller, µs a span, median of 20 rounds of #{spans}")
IO.puts("  recorded  #{Float.round(recorded, 2)}")
IO.puts("  off       #{Float.round(off, 2)}")
IO.puts("  #{status.recorded} recorded, #{status.acked} acked, #{status.dropped} dropped")
