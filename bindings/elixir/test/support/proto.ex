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

  @doc "Returns the spans of a Records message as maps."
  def spans(records) do
    for {1, request} <- fields(records),
        {1, resource_spans} <- fields(request),
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
      trace_id: Base.encode16(one.(1, ""), case: :lower),
      span_id: Base.encode16(one.(2, ""), case: :lower),
      trace_state: one.(3, ""),
      parent_id: Base.encode16(one.(4, ""), case: :lower),
      name: one.(5, ""),
      kind: one.(6, 0),
      start_ns: one.(7, 0),
      end_ns: one.(8, 0),
      attributes: for({9, pair} <- fields, into: %{}, do: pair(pair)),
      dropped_attributes: one.(10, 0),
      events: for({11, event} <- fields, do: event(event)),
      dropped_events: one.(12, 0),
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
