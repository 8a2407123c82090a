defmodule Sidespan.FinishedTrace do
  @moduledoc false
  # A trace that another library has recorded, in the shape of an AITrace.Trace: to OTLP, and its
  # place in the journal back.

  import Bitwise
  alias Sidespan.{Buffer, Context, Otlp, Runtime}

  @doc "Promise of `Sidespan.export/2`."
  @spec export(map(), non_neg_integer()) :: {:ok, map()} | {:error, term()}
  def export(trace, timeout_ms) do
    with %{} = runtime <- Runtime.get() || {:error, :not_recording},
         [_ | _] = spans <- spans(trace),
         {:ok, ack} <- Buffer.export(spans, timeout_ms),
         do: receipt(runtime, ack)
  catch
    kind, reason -> {:error, {kind, reason}}
  end

  defp receipt(_runtime, %{rejected_items: rejected, rejected_reason: reason}) when rejected > 0,
    do: {:error, "#{rejected} spans refused: #{reason}"}

  defp receipt(runtime, ack) do
    node_ref = Runtime.recall(runtime, :node_ref)
    known? = ack != nil and ack.last_lsn > 0

    {:ok,
     %{
       source_node_ref: node_ref,
       commit_lsn: if(known?, do: lsn(ack.last_lsn)),
       commit_hlc:
         if(known?, do: %{"w" => ack.hlc_wall_ns, "l" => ack.hlc_logical, "n" => node_ref}),
       token: if(ack, do: ack.token, else: Runtime.recall(runtime, :token))
     }}
  end

  # As PostgreSQL writes one: the upper and the lower 32 bits.
  defp lsn(lsn),
    do: Integer.to_string(lsn >>> 32, 16) <> "/" <> Integer.to_string(lsn &&& 0xFFFFFFFF, 16)

  defp spans(%{trace_id: trace_id, spans: spans}) when is_binary(trace_id) do
    list = if is_map(spans), do: Map.values(spans), else: spans

    case for(%{} = span <- list, do: span(trace_id, span)) do
      [] -> {:error, :no_spans}
      encoded -> encoded
    end
  end

  defp spans(_), do: {:error, :no_spans}

  defp span(trace, span) do
    context = %Context{trace_id: trace_id(trace), span_id: span_id(span.span_id)}
    parent_id = Map.get(span, :parent_span_id)
    parent = parent_id && %{context | span_id: span_id(parent_id)}
    start_ns = wall_ns(span.start_wall_time)
    duration_us = max(0, (Map.get(span, :end_time) || span.start_time) - span.start_time)

    # The ids of the seed are longer, or names; what they were is kept.
    given = [{"aitrace.trace_id", trace}, {"aitrace.span_id", span.span_id}]
    attributes = Otlp.attributes(Map.get(span, :attributes, %{})) ++ Otlp.attributes(given)

    events =
      for event <- Map.get(span, :events, []) do
        Otlp.event(event.name, wall_ns(event.wall_time), Map.get(event, :attributes, %{}))
      end

    status = if Map.get(span, :status) == :error, do: Otlp.error(""), else: <<>>

    Otlp.span(
      Otlp.head(context, parent, span.name, :internal, start_ns),
      start_ns + duration_us * 1_000,
      %{attributes: attributes, events: events, links: [], status: status, dropped: {0, 0, 0}},
      Otlp.flags(context, parent)
    )
  end

  defp wall_ns(%DateTime{} = time), do: DateTime.to_unix(time, :nanosecond)

  # A generated id is 32 hex digits. Anything else is a name that somebody gave.
  defp trace_id(id) do
    if hex?(id, 32), do: id, else: digest(id, 16)
  end

  # The last half of a random number is as random as the whole.
  defp span_id(id) do
    cond do
      hex?(id, 32) -> binary_part(id, 16, 16)
      hex?(id, 16) -> id
      true -> digest(id, 8)
    end
  end

  defp hex?(id, size) do
    byte_size(id) == size and match?({:ok, _}, Base.decode16(id, case: :lower)) and
      String.trim(id, "0") != ""
  end

  defp digest(id, size) do
    :sha256 |> :crypto.hash(id) |> binary_part(0, size) |> Base.encode16(case: :lower)
  end
end
