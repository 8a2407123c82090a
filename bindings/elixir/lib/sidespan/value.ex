defmodule Sidespan.Value do
  @moduledoc false
  # Any term as an OTLP AnyValue. Text, numbers, booleans, lists and maps keep their type; atoms,
  # dates and exceptions become text; anything else is inspected. What is too large, too deep or
  # raises becomes a text in angle brackets that says so, and the rest of the value is kept.

  import Bitwise, only: [&&&: 2]
  import Sidespan.Protobuf
  alias Sidespan.Limits

  @key_bytes_max Limits.key_bytes_max()
  @value_bytes_max Limits.value_bytes_max()
  @value_items_max Limits.value_items_max()
  @value_depth_max Limits.value_depth_max()

  @int64_min -0x8000000000000000
  @int64_max 0x7FFFFFFFFFFFFFFF
  # Longer than this a decimal number takes noticeable time to write.
  @integer_max 2 ** 4096
  @short_bytes 100

  @doc "Returns one KeyValue message; never raises."
  @spec key_value(term(), term()) :: {binary(), binary()}
  def key_value(key, value) do
    key = key(key)
    {key, pair(key, any_value(value))}
  end

  @doc "Returns an encoded AnyValue of about `value_bytes_max`; never raises."
  @spec any_value(term()) :: binary()
  def any_value(value) when is_binary(value) and byte_size(value) <= @short_bytes do
    if valid?(value), do: delimited(0x0A, value), else: delimited(0x3A, value)
  end

  def any_value(value) when is_integer(value) and value >= 0 and value <= @int64_max,
    do: <<0x18, varint(value)::binary>>

  def any_value(value) when is_float(value), do: <<0x21, value::float-little>>

  def any_value(value) do
    {encoded, _} = encode(value, @value_depth_max, {@value_bytes_max, @value_items_max})
    encoded
  end

  @doc "Returns an attribute's key in UTF-8, at most `key_bytes_max` long; never raises."
  @spec key(term()) :: binary()
  def key(key) when is_atom(key) do
    # The text of an atom is UTF-8.
    key = Atom.to_string(key)
    if byte_size(key) <= @key_bytes_max, do: key, else: text(key, @key_bytes_max)
  end

  def key(key) when is_binary(key), do: text(key, @key_bytes_max)
  def key(key), do: text(inspected(key), @key_bytes_max)

  @doc "Returns a name: a text or an atom as it is, any other term inspected; never raises."
  @spec name(term()) :: binary()
  def name(name) when is_binary(name), do: text(name, Limits.name_bytes_max())
  def name(name) when is_atom(name), do: text(Atom.to_string(name), Limits.name_bytes_max())
  def name(name), do: text(inspected(name), Limits.name_bytes_max())

  @doc """
  Returns `text` as UTF-8; over `bytes_max` its beginning and a note of its length in code points.

  A byte that is no UTF-8 becomes a question mark.
  """
  @spec text(binary(), non_neg_integer()) :: binary()
  def text(text, bytes_max) when byte_size(text) <= bytes_max do
    if valid?(text), do: text, else: scrub(text, <<>>)
  end

  def text(text, bytes_max) do
    note = "…<cut: #{characters(text, 0)} characters>"
    kept = binary_part(text, 0, boundary(text, max(0, bytes_max - byte_size(note)), 3))
    # A copy: a part would keep the whole of a large text in memory.
    text(kept, byte_size(kept)) <> note
  end

  @doc "Returns `inspect(term)`, bounded; never raises."
  @spec inspected(term()) :: binary()
  def inspected(term) do
    inspect(term, limit: 50, printable_limit: 4096)
  catch
    kind, _ -> "<#{type(term)}: #{kind} in inspect>"
  end

  # ASCII goes seven bytes at a time: so many fit a number that needs no memory.
  defp valid?(<<seven::56, rest::binary>>) when (seven &&& 0x80808080808080) == 0,
    do: valid?(rest)

  defp valid?(rest), do: String.valid?(rest)

  # Every byte that does not go on with a character begins one.
  defp characters(<<seven::56, rest::binary>>, count) when (seven &&& 0x80808080808080) == 0,
    do: characters(rest, count + 7)

  defp characters(<<2::2, _::6, rest::binary>>, count), do: characters(rest, count)
  defp characters(<<_, rest::binary>>, count), do: characters(rest, count + 1)
  defp characters(<<>>, count), do: count

  # A byte 10xxxxxx belongs to the character before it; at most three do.
  defp boundary(text, size, steps) when size > 0 and steps > 0 do
    case text do
      <<_::binary-size(size), 2::2, _::6, _::binary>> -> boundary(text, size - 1, steps - 1)
      _ -> size
    end
  end

  defp boundary(_text, size, _steps), do: size

  defp scrub(<<char::utf8, rest::binary>>, acc), do: scrub(rest, <<acc::binary, char::utf8>>)
  defp scrub(<<_, rest::binary>>, acc), do: scrub(rest, <<acc::binary, ??>>)
  defp scrub(<<>>, acc), do: acc

  defp type(%module{}), do: Atom.to_string(module)
  defp type(term) when is_map(term), do: "map"
  defp type(_), do: "term"

  # How much of one value may still be written, all nesting together: {bytes, items}.
  defp encode(value, depth, left) do
    typed(value, depth, left)
  catch
    kind, _ -> put_text("<#{type(value)}: #{kind} while it was read>", left)
  end

  defp typed(nil, _depth, left), do: {<<>>, left}
  defp typed(true, _depth, left), do: {<<0x10, 1>>, left}
  defp typed(false, _depth, left), do: {<<0x10, 0>>, left}
  defp typed(value, _depth, left) when is_atom(value), do: put_text(Atom.to_string(value), left)
  defp typed(value, _depth, left) when is_binary(value), do: put_binary(value, left)
  defp typed(value, _depth, left) when is_float(value), do: {<<0x21, value::float-little>>, left}
  defp typed(value, _depth, left) when is_integer(value), do: put_integer(value, left)
  defp typed(%module{} = value, depth, left), do: put_struct(module, value, depth, left)

  defp typed(value, 0, left) when is_map(value) or (is_list(value) and value != []),
    do: put_text("<#{if is_map(value), do: "map", else: "list"} below the depth limit>", left)

  defp typed(value, depth, left) when is_map(value) do
    put_pairs(:maps.next(:maps.iterator(value)), map_size(value), depth, left, <<>>)
  end

  defp typed(value, depth, left) when is_list(value) do
    if match?([{key, _} | _] when is_atom(key), value) and Keyword.keyword?(value) do
      put_pairs(value, length(value), depth, left, <<>>)
    else
      put_members(value, depth, left, <<>>)
    end
  end

  defp typed(value, _depth, left), do: put_text(inspected(value), left)

  defp put_struct(module, value, _depth, left)
       when module in [Date, Time, DateTime, NaiveDateTime],
       do: put_text(module.to_iso8601(value), left)

  defp put_struct(_module, %{__exception__: true} = error, _depth, left),
    do: put_text(Exception.message(error), left)

  defp put_struct(MapSet, value, depth, left), do: typed(MapSet.to_list(value), depth, left)
  defp put_struct(_module, value, _depth, left), do: put_text(inspected(value), left)

  defp put_binary(value, {bytes, _} = left) do
    # What is over the budget is cut as text; whether the rest is text does not matter.
    if byte_size(value) > bytes or valid?(value) do
      put_text(value, left)
    else
      {delimited(0x3A, value), spend(left, byte_size(value))}
    end
  end

  defp put_text(text, {bytes, _} = left) do
    text = text(text, max(bytes, 0))
    {delimited(0x0A, text), spend(left, byte_size(text))}
  end

  defp put_integer(value, left) when value >= @int64_min and value <= @int64_max do
    <<unsigned::64>> = <<value::64>>
    {<<0x18, varint(unsigned)::binary>>, left}
  end

  defp put_integer(value, left) when abs(value) < @integer_max,
    do: put_text(Integer.to_string(value), left)

  defp put_integer(_value, left), do: put_text("<integer of more than 4096 bits>", left)

  defp put_members([], _depth, left, acc), do: {delimited(0x2A, acc), left}

  defp put_members(_rest, _depth, {bytes, items} = left, acc) when bytes <= 0 or items <= 0 do
    {note, left} = put_text("<more>", bytes_for_note(left))
    {delimited(0x2A, <<acc::binary, delimited(0x0A, note)::binary>>), left}
  end

  defp put_members([member | rest], depth, left, acc) do
    {encoded, left} = encode(member, depth - 1, spend_item(left))
    put_members(rest, depth, left, <<acc::binary, delimited(0x0A, encoded)::binary>>)
  end

  # The tail of an improper list.
  defp put_members(tail, depth, left, acc), do: put_members([tail], depth, left, acc)

  defp put_pairs(rest, size, _depth, {bytes, items} = left, acc)
       when (bytes <= 0 or items <= 0) and rest not in [:none, []] do
    {note, left} = put_text("<some of #{size} left out>", bytes_for_note(left))
    {delimited(0x32, <<acc::binary, delimited(0x0A, pair("…", note))::binary>>), left}
  end

  defp put_pairs({key, value, iterator}, size, depth, left, acc) do
    {encoded, left} = put_pair(key, value, depth, left)
    put_pairs(:maps.next(iterator), size, depth, left, <<acc::binary, encoded::binary>>)
  end

  defp put_pairs([{key, value} | rest], size, depth, left, acc) do
    {encoded, left} = put_pair(key, value, depth, left)
    put_pairs(rest, size, depth, left, <<acc::binary, encoded::binary>>)
  end

  defp put_pairs(_done, _size, _depth, left, acc), do: {delimited(0x32, acc), left}

  defp put_pair(key, value, depth, left) do
    key = key(key)
    {encoded, left} = encode(value, depth - 1, left |> spend_item() |> spend(byte_size(key)))
    {delimited(0x0A, pair(key, encoded)), left}
  end

  defp pair(key, value) when byte_size(key) < 0x80 and byte_size(value) < 0x80 do
    <<0x0A, byte_size(key), key::binary, 0x12, byte_size(value), value::binary>>
  end

  defp pair(key, value), do: delimited(0x0A, key) <> delimited(0x12, value)

  defp spend({bytes, items}, size), do: {bytes - size, items}
  defp spend_item({bytes, items}), do: {bytes, items - 1}
  defp bytes_for_note({bytes, items}), do: {max(bytes, 64), items}
end
