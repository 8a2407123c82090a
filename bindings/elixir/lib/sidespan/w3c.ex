defmodule Sidespan.W3C do
  @moduledoc false
  # W3C Trace Context, Level 2: `traceparent` and `tracestate`, read strictly. Nothing here raises,
  # whatever binary it is given. https://www.w3.org/TR/trace-context-2/, sections 3.2 and 3.3

  import Bitwise
  alias Sidespan.{Context, Limits}

  @member_key "sidespan"
  # Bit 0 says sampled, bit 1 that the trace id is random; unknown bits are not passed on.
  @known_flags 0x03
  @members_max Limits.tracestate_members_max()

  @doc """
  Returns the context that a `traceparent` names, or `:error`.

  A later version is read as far as version 00 goes, as section 3.2.2 asks.
  """
  @spec parse_traceparent(binary()) :: {:ok, Context.t()} | :error
  def parse_traceparent(
        <<version::binary-2, ?-, trace::binary-32, ?-, span::binary-16, ?-, flags::binary-2,
          rest::binary>>
      ) do
    with {:ok, <<version>>} <- hex(version),
         {:ok, trace_bytes} <- hex(trace),
         {:ok, span_bytes} <- hex(span),
         {:ok, <<flags>>} <- hex(flags),
         true <- version != 0xFF and rest_allowed?(version, rest),
         true <- any?(trace_bytes) and any?(span_bytes) do
      {:ok,
       %Context{
         trace_id: :binary.copy(trace),
         span_id: :binary.copy(span),
         trace_flags: flags &&& @known_flags,
         remote?: true
       }}
    else
      _ -> :error
    end
  end

  def parse_traceparent(_), do: :error

  @doc "Returns the `traceparent` of version 00 that names a span."
  @spec format_traceparent(Context.t()) :: String.t()
  def format_traceparent(context) do
    flags = Base.encode16(<<context.trace_flags &&& @known_flags>>, case: :lower)
    "00-#{context.trace_id}-#{context.span_id}-#{flags}"
  end

  @doc """
  Returns a `tracestate` without optional spaces and empty members; `""` when it is malformed.

  One bad or repeated member condemns the whole, as section 3.3.1 lets a receiver decide.
  """
  @spec parse_tracestate(binary()) :: String.t()
  def parse_tracestate(text) do
    if byte_size(text) > Limits.tracestate_characters_max(), do: "", else: parse_members(text)
  end

  defp parse_members(text) do
    members =
      for part <- :binary.split(text, ",", [:global]), member = trim(part), member != "", do: member

    keys = for member <- members, do: hd(:binary.split(member, "="))

    if length(members) <= @members_max and Enum.uniq(keys) == keys and
         Enum.all?(members, &member?/1) do
      Enum.join(members, ",")
    else
      ""
    end
  end

  @doc """
  Returns `tracestate` with `sidespan=<token>` as its leftmost member.

  Our own older member goes, the others stay as they are. Without a token nothing changes.
  """
  @spec with_token(String.t(), String.t()) :: String.t()
  def with_token(tracestate, ""), do: tracestate

  def with_token(tracestate, token) do
    others =
      for member <- String.split(tracestate, ",", trim: true),
          not String.starts_with?(member, @member_key <> "="),
          do: member

    Enum.join(["#{@member_key}=#{token}" | Enum.take(others, @members_max - 1)], ",")
  end

  @doc "Tells whether `text` can be a member's value and is not the first to be dropped."
  @spec token?(binary()) :: boolean()
  def token?(text) do
    byte_size(@member_key) + 1 + byte_size(text) <= Limits.member_characters_max() and
      value?(text)
  end

  defp member?(text) do
    case :binary.split(text, "=") do
      [key, value] -> Regex.match?(~r/\A[a-z0-9][a-z0-9_\-*\/@]{0,255}\z/, key) and value?(value)
      _ -> false
    end
  end

  defp value?(text) do
    Regex.match?(~r/\A[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]\z/, text)
  end

  # Optional whitespace is space and tab, nothing else; the text need not be UTF-8.
  defp trim(text), do: Regex.replace(~r/\A[ \t]+|[ \t]+\z/, text, "")

  defp rest_allowed?(0, rest), do: rest == ""
  defp rest_allowed?(_later, rest), do: rest == "" or match?("-" <> _, rest)

  defp hex(text), do: Base.decode16(text, case: :lower)
  defp any?(bytes), do: :binary.decode_unsigned(bytes) != 0
end
