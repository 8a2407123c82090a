defmodule Sidespan.Proto do
  @moduledoc "Reads what the client writes, in the order of the message, and knows no other way to."

  @doc "Returns [{field, value}] of a message."
  def fields(<<>>), do: []

  def fields(message) do
    {key, rest} = varint(message)
    {value, rest} = value(rem(key, 8), rest)
    [{div(key, 8), value} | fields(rest)]
  end

  defp value(0, rest), do: varint(rest)
  defp value(1, <<value::64-little, rest::binary>>), do: {value, rest}
  defp value(5, <<value::32-little, rest::binary>>), do: {value, rest}

  defp value(2, rest) do
    {size, rest} = varint(rest)
    <<value::binary-size(size), rest::binary>> = rest
    {value, rest}
  end

  defp varint(<<0::1, bits::7, rest::binary>>), do: {bits, rest}

  defp varint(<<1::1, bits::7, rest::binary>>) do
    {more, rest} = varint(rest)
    {more * 128 + bits, rest}
  end

  @doc "Returns the spans of a Records message that have ended, as maps."
  def spans(records), do: for({1, request} <- fields(records), span <- request(request), do: span)

  @doc "Returns the marks of a Records message, as maps of spans."
  def marks(records), do: for({2, request} <- fields(records), span <- request(request), do: span)

  @doc "Returns the {trace id, span id} that a Records message names as ended."
  def ended(records) do
    for {4, ids} <- fields(records), <<trace_id::binary-16, span_id::binary-8 <- ids>> do
      {hex(trace_id), hex(span_id)}
    end
  end

  @doc "Returns the spans of an ExportTraceServiceRequest as maps."
  def request(request) do
    for {1, resource_spans} <- fields(request),
        {2, scope_spans} <- fields(resource_spans),
        {2, span} <- fields(scope_spans),
        do: span(span)
  end

  @doc "Returns an encoded Span as a map."
  def span(message) do
    fields = fields(message)

    one = fn number, default ->
      Enum.find_value(fields, default, &(elem(&1, 0) == number && elem(&1, 1)))
    end

    %{
      trace_id: hex(one.(1, "")),
      span_id: hex(one.(2, "")),
      trace_state: one.(3, ""),
      parent_id: hex(one.(4, "")),
      name: one.(5, ""),
      kind: one.(6, 0),
      start_ns: one.(7, 0),
      end_ns: one.(8, 0),
      attributes: for({9, pair} <- fields, into: %{}, do: pair(pair)),
      dropped_attributes: one.(10, 0),
      events: for({11, event} <- fields, do: event(event)),
      dropped_events: one.(12, 0),
      links: for({13, link} <- fields, do: link(link)),
      dropped_links: one.(14, 0),
      status: status(one.(15, "")),
      flags: one.(16, 0),
      bytes: byte_size(message)
    }
  end

  defp event(message) do
    fields = fields(message)

    %{
      time_ns: fields |> List.keyfind(1, 0) |> elem(1),
      name: fields |> List.keyfind(2, 0) |> elem(1),
      attributes: for({3, pair} <- fields, into: %{}, do: pair(pair)),
      dropped_attributes: elem(List.keyfind(fields, 4, 0, {4, 0}), 1)
    }
  end

  defp link(message) do
    fields = fields(message)

    %{
      trace_id: hex(elem(List.keyfind(fields, 1, 0), 1)),
      span_id: hex(elem(List.keyfind(fields, 2, 0), 1)),
      trace_state: elem(List.keyfind(fields, 3, 0, {3, ""}), 1),
      attributes: for({4, pair} <- fields, into: %{}, do: pair(pair)),
      flags: elem(List.keyfind(fields, 6, 0), 1)
    }
  end

  defp hex(bytes), do: Base.encode16(bytes, case: :lower)

  defp status(message) do
    fields = fields(message)
    {elem(List.keyfind(fields, 3, 0, {3, 0}), 1), elem(List.keyfind(fields, 2, 0, {2, ""}), 1)}
  end

  defp pair(message) do
    fields = fields(message)
    {elem(List.keyfind(fields, 1, 0), 1), any(elem(List.keyfind(fields, 2, 0, {2, ""}), 1))}
  end

  @doc "Returns an AnyValue as a term; bytes as `{:bytes, binary}`."
  def any(message) do
    case fields(message) do
      [] -> nil
      [{1, text}] -> text
      [{2, number}] -> number == 1
      [{3, number}] -> signed(number)
      [{4, bits}] -> double(bits)
      [{5, list}] -> for {1, member} <- fields(list), do: any(member)
      [{6, list}] -> for {1, pair} <- fields(list), into: %{}, do: pair(pair)
      [{7, bytes}] -> {:bytes, bytes}
    end
  end

  defp signed(number) do
    <<signed::signed-64>> = <<number::64>>
    signed
  end

  defp double(bits) do
    case <<bits::64>> do
      <<float::float>> -> float
      _ -> :no_number
    end
  end
end
