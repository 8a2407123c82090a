# What a span costs the process that makes it, in microseconds: 3 attributes and 1 event.
#
#     mix run samples/bench.exs [SPANS]
#
# Each span is timed by itself, so that what else runs on the machine, the daemon too, shows in the
# 99th percentile and not in the median. What an empty call costs is taken off. Without a daemon the
# buffer fills and the rest is dropped, which costs the caller less.

require Sidespan

defmodule Bench do
  require Sidespan

  @warm_up 2_000
  @round 500

  def span(n) do
    Sidespan.span "bench", attributes: %{model: "scripted-1", step: n, temperature: 0.7} do
      Sidespan.add_event("thought", %{depth: 2})
    end
  end

  def nothing(_), do: :ok

  def times_ns(fun, count) do
    for n <- 1..@warm_up, do: fun.(n)

    Enum.sort(
      for n <- 1..count do
        # Not timed: as in life, the buffer is mostly empty.
        if rem(n, @round) == 0, do: Sidespan.flush(1_000)
        began = System.monotonic_time(:nanosecond)
        fun.(n)
        System.monotonic_time(:nanosecond) - began
      end
    )
  end

  def row(name, fun, count) do
    empty = times_ns(&nothing/1, count)
    times = times_ns(fun, count)

    for share <- [0.0, 0.5, 0.99] do
      ns = at(times, share) - at(empty, min(share, 0.5))
      ns |> Kernel./(1_000) |> :erlang.float_to_binary(decimals: 2) |> String.pad_leading(8)
    end
    |> then(&IO.puts([String.pad_trailing(name, 10) | &1]))
  end

  defp at(sorted, share), do: Enum.at(sorted, trunc(share * (length(sorted) - 1)))
end

count =
  case System.argv() do
    [count] -> String.to_integer(count)
    [] -> 20_000
  end

IO.puts("µs a span    least  median     p99")
Bench.row("off", &Bench.span/1, count)
Sidespan.init(service: "bench")
Sidespan.flush(1_000)
Bench.row("recorded", &Bench.span/1, count)
Sidespan.flush(1_000)
status = Sidespan.status()
IO.puts("#{status.recorded} recorded, #{status.acked} acked, #{status.dropped} dropped")
