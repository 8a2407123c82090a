defmodule Sidespan.Json do
  @moduledoc """
  Reads JSON (RFC 8259) strictly, for tests alone: the oldest OTP has no reader.

  Objects become maps, `null` becomes `nil`. Raises `ArgumentError` on anything else than one value.
  """

  @space [?\s, ?\t, ?\n, ?\r]
  @escapes %{?" => ?", ?\\ => ?\\, ?/ => ?/, ?b => ?\b, ?f => ?\f, ?n => ?\n, ?r => ?\r, ?t => ?\t}

  def decode!(text) do
    case value(skip(text)) do
      {value, rest} -> if skip(rest) == "", do: value, else: bad(rest)
    end
  end

  defp skip(<<space, rest::binary>>) when space in @space, do: skip(rest)
  defp skip(rest), do: rest

  defp value("null" <> rest), do: {nil, rest}
  defp value("true" <> rest), do: {true, rest}
  defp value("false" <> rest), do: {false, rest}
  defp value(<<?", rest::binary>>), do: string(rest, [])
  defp value(<<?[, rest::binary>>), do: list(skip(rest), [])
  defp value(<<?{, rest::binary>>), do: object(skip(rest), %{})
  defp value(rest), do: number(rest)

  defp list(<<?], rest::binary>>, []), do: {[], rest}

  defp list(rest, members) do
    {member, rest} = value(rest)

    case skip(rest) do
      <<?,, rest::binary>> -> list(skip(rest), [member | members])
      <<?], rest::binary>> -> {Enum.reverse([member | members]), rest}
      rest -> bad(rest)
    end
  end

  defp object(<<?}, rest::binary>>, members) when members == %{}, do: {members, rest}

  defp object(<<?", rest::binary>>, members) do
    {key, rest} = string(rest, [])

    with <<?:, rest::binary>> <- skip(rest), {value, rest} = value(skip(rest)) do
      members = Map.put(members, key, value)

      case skip(rest) do
        <<?,, rest::binary>> -> object_more(skip(rest), members)
        <<?}, rest::binary>> -> {members, rest}
        rest -> bad(rest)
      end
    else
      rest -> bad(rest)
    end
  end

  defp object(rest, _members), do: bad(rest)

  defp object_more(<<?", _::binary>> = rest, members), do: object(rest, members)
  defp object_more(rest, _members), do: bad(rest)

  defp string(<<?", rest::binary>>, parts), do: {IO.iodata_to_binary(Enum.reverse(parts)), rest}

  defp string(<<?\\, ?u, rest::binary>>, parts) do
    case unit(rest) do
      {high, <<?\\, ?u, rest::binary>>} when high in 0xD800..0xDBFF ->
        {low, rest} = unit(rest)
        unless low in 0xDC00..0xDFFF, do: bad(rest)
        char = 0x10000 + (high - 0xD800) * 0x400 + (low - 0xDC00)
        string(rest, [<<char::utf8>> | parts])

      {unit, rest} when unit not in 0xD800..0xDFFF ->
        string(rest, [<<unit::utf8>> | parts])

      _ ->
        bad(rest)
    end
  end

  defp string(<<?\\, escaped, rest::binary>>, parts) when is_map_key(@escapes, escaped),
    do: string(rest, [@escapes[escaped] | parts])

  defp string(<<char::utf8, rest::binary>>, parts) when char >= 0x20 and char != ?\\,
    do: string(rest, [<<char::utf8>> | parts])

  defp string(rest, _parts), do: bad(rest)

  defp unit(<<digits::binary-4, rest::binary>>) do
    case Base.decode16(digits, case: :mixed) do
      {:ok, <<unit::16>>} -> {unit, rest}
      :error -> bad(digits)
    end
  end

  defp unit(rest), do: bad(rest)

  defp number(rest) do
    case Regex.run(~r/\A-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?/, rest) do
      nil -> bad(rest)
      [whole] -> {String.to_integer(whole), after_number(rest, whole)}
      [text, fraction | _] -> {float(text, fraction), after_number(rest, text)}
    end
  end

  # Erlang reads no exponent without a fraction.
  defp float(text, ""), do: text |> String.replace(~r/[eE]/, ".0e") |> String.to_float()
  defp float(text, _fraction), do: String.to_float(text)

  defp after_number(rest, text),
    do: binary_part(rest, byte_size(text), byte_size(rest) - byte_size(text))

  defp bad(rest), do: raise(ArgumentError, "no JSON at #{inspect(rest, printable_limit: 40)}")
end
