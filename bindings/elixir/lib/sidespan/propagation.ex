defmodule Sidespan.Propagation do
  @moduledoc """
  Hands a trace to the next program, and takes it from the one before, as W3C headers.

  The same two keys, `traceparent` and `tracestate`, serve HTTP headers, gRPC metadata and job
  arguments. The node's newest token goes with them, leftmost in `tracestate`.
  """

  alias Sidespan.{Context, Runtime, W3C}

  @typedoc "A map, or a list of pairs; keys and values are binaries."
  @type carrier :: %{optional(String.t()) => String.t()} | [{String.t(), String.t()}]

  @traceparent "traceparent"
  @tracestate "tracestate"

  @doc """
  Returns `carrier` with the headers of `context` in place of its own.

  Without a context, and for a carrier that is neither map nor list, it comes back as it is. Never
  raises.
  """
  @spec inject(carrier(), Context.t() | nil) :: carrier()
  def inject(carrier, %Context{} = context) do
    headers = headers(context)

    cond do
      is_map(carrier) and not is_struct(carrier) ->
        carrier |> Map.drop([@traceparent, @tracestate]) |> Map.merge(Map.new(headers))

      is_list(carrier) ->
        Enum.reject(carrier, &(match?({_, _}, &1) and ours?(elem(&1, 0)))) ++ headers

      true ->
        carrier
    end
  catch
    kind, reason ->
      Runtime.note(kind, reason)
      carrier
  end

  def inject(carrier, _context), do: carrier

  @doc "Returns the headers that make the span of `context` a remote parent."
  @spec headers(Context.t()) :: [{String.t(), String.t()}]
  def headers(context) do
    token = Runtime.recall(Runtime.get(), :token)
    parent = {@traceparent, W3C.format_traceparent(context)}

    case W3C.with_token(context.trace_state, token) do
      "" -> [parent]
      state -> [parent, {@tracestate, state}]
    end
  end

  @doc """
  Returns the context that a carrier brought, or `nil`.

  Keys, also atoms and charlists, are matched without regard to case; a value is a binary, a
  charlist or a list of binaries. A malformed `tracestate` is dropped alone. Never raises.
  """
  @spec extract(term()) :: Context.t() | nil
  def extract(carrier) do
    pairs = pairs(carrier)

    with [parent] <- values(pairs, @traceparent),
         {:ok, context} <- W3C.parse_traceparent(parent) do
      state = pairs |> values(@tracestate) |> Enum.join(",") |> W3C.parse_tracestate()
      %{context | trace_state: state}
    else
      _ -> nil
    end
  catch
    kind, reason ->
      Runtime.note(kind, reason)
      nil
  end

  defp pairs(carrier) when is_map(carrier) and not is_struct(carrier), do: Map.to_list(carrier)
  defp pairs(carrier) when is_list(carrier), do: Enum.filter(carrier, &match?({_, _}, &1))
  defp pairs(_), do: []

  defp values(pairs, name) do
    for {key, value} <- pairs, key?(key, name), text <- texts(value), do: text
  end

  defp ours?(key), do: key?(key, @traceparent) or key?(key, @tracestate)

  defp key?(key, name) when is_binary(key), do: String.downcase(key, :ascii) == name
  defp key?(key, name) when is_atom(key), do: key?(Atom.to_string(key), name)
  defp key?(key, name) when is_list(key), do: key?(List.to_string(key), name)
  defp key?(_, _), do: false

  defp texts(value) when is_binary(value), do: [value]
  defp texts([byte | _] = value) when is_integer(byte), do: [List.to_string(value)]
  defp texts(value) when is_list(value), do: Enum.filter(value, &is_binary/1)
  defp texts(_), do: []
end
