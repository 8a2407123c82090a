defmodule Sidespan.Wire do
  @moduledoc false
  # The frames of ingest.sock: `u8 type | u64 seq | protobuf body`. The driver writes and cuts by
  # the u32 length before them (`packet: 4`). The messages are those of
  # proto/sidespan/v1/recorder.proto.

  import Sidespan.Protobuf

  @protocol_version 1
  @hello 1
  @records 2
  @bye 3
  @hello_ack 16
  @ack 17
  @nack 18
  @control 19

  @type hello_ack :: %{
          version: non_neg_integer(),
          last_seq: non_neg_integer(),
          message_bytes_max: non_neg_integer(),
          unacked_bytes_max: non_neg_integer(),
          token: binary(),
          node_ref: binary()
        }
  @type ack :: %{
          first_lsn: non_neg_integer(),
          last_lsn: non_neg_integer(),
          hlc_wall_ns: non_neg_integer(),
          hlc_logical: non_neg_integer(),
          token: binary(),
          rejected_items: non_neg_integer(),
          rejected_reason: binary(),
          duplicate: boolean()
        }
  @type nack :: %{
          code: non_neg_integer(),
          text: binary(),
          retry_after_ms: non_neg_integer()
        }

  @doc "The frame protocol that this client speaks."
  def protocol_version, do: @protocol_version

  @doc "NACK: over a limit; when the frame itself was, the daemon closes."
  def too_large, do: 2

  @doc "NACK: an earlier seq is missing."
  def out_of_order, do: 4

  @doc "Returns the payload of a HELLO frame; `decided_seq` is 0 before the first answer."
  @spec hello(<<_::128>>, non_neg_integer(), String.t()) :: binary()
  def hello(instance_id, decided_seq, client) do
    decided = if decided_seq == 0, do: <<>>, else: <<0x28, varint(decided_seq)::binary>>

    <<@hello, 0::64, delimited(0x0A, instance_id)::binary, 0x10, @protocol_version, 0x18,
      @protocol_version, delimited(0x22, client)::binary, decided::binary>>
  end

  @doc """
  Returns the payload of a RECORDS frame.

  `traces` and `marks` are encoded ExportTraceServiceRequests, of spans that have ended and of spans
  that have not; `ended` is 24 bytes for each announced span that has. What is empty is left out.
  """
  @spec records(pos_integer(), binary(), binary(), binary()) :: binary()
  def records(seq, traces, marks, ended) do
    <<@records, seq::64, optional(0x0A, traces)::binary, optional(0x12, marks)::binary,
      optional(0x22, ended)::binary>>
  end

  defp optional(_tag, <<>>), do: <<>>
  defp optional(tag, data), do: delimited(tag, data)

  @doc "Returns the payload of a BYE frame."
  @spec bye() :: binary()
  def bye, do: <<@bye, 0::64>>

  @doc "Returns what a frame of the daemon says, `:error` when it is none."
  @spec decode(binary()) ::
          {:hello_ack, hello_ack()}
          | {:ack, non_neg_integer(), ack()}
          | {:nack, non_neg_integer(), nack()}
          | {:control, %{drain: boolean()}}
          | :error
  def decode(<<type, seq::64, body::binary>>) do
    with {:ok, fields} <- decode_fields(body), do: message(type, seq, fields)
  end

  def decode(_), do: :error

  defp decode_fields(body), do: Sidespan.Protobuf.decode(body)

  defp message(@hello_ack, _seq, fields) do
    {:hello_ack,
     %{
       version: number(fields, 1),
       last_seq: number(fields, 2),
       message_bytes_max: number(fields, 3),
       unacked_bytes_max: number(fields, 4),
       token: text(fields, 5),
       node_ref: text(fields, 6)
     }}
  end

  defp message(@ack, seq, fields) do
    {:ack, seq,
     %{
       first_lsn: number(fields, 1),
       last_lsn: number(fields, 2),
       hlc_wall_ns: number(fields, 3),
       hlc_logical: number(fields, 4),
       token: text(fields, 5),
       rejected_items: number(fields, 6),
       rejected_reason: text(fields, 7),
       duplicate: number(fields, 8) == 1
     }}
  end

  defp message(@nack, seq, fields) do
    {:nack, seq,
     %{code: number(fields, 1), text: text(fields, 2), retry_after_ms: number(fields, 3)}}
  end

  defp message(@control, _seq, fields), do: {:control, %{drain: number(fields, 1) == 1}}
  defp message(_, _, _), do: :error

  defp number(fields, field) do
    case fields do
      %{^field => value} when is_integer(value) -> value
      _ -> 0
    end
  end

  # A copy: a part of the frame would keep all of it in memory.
  defp text(fields, field) do
    case fields do
      %{^field => value} when is_binary(value) -> :binary.copy(value)
      _ -> ""
    end
  end
end
