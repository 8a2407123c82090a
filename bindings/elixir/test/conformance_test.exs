defmodule Sidespan.ConformanceTest do
  @moduledoc """
  Every vector of bindings/conformance that this binding has a part in.

  It has no gRPC (`messages.json`: RecordRequest, ClientMessage, Bye, RecorderMessage; `retry.json`:
  statuses), and takes a token for an opaque text (`tokens.json`: invalid; `tracestate.json`:
  find_token).
  """

  use ExUnit.Case, async: true

  import Sidespan.Help
  alias Sidespan.{Buffer, Context, Json, Limits, Otlp, Peer, Proto, Session, Settings, Value}
  alias Sidespan.{W3C, Wire}

  @vectors Path.expand("../../conformance", __DIR__)
  @of_grpc ~w(RecordRequest ClientMessage Bye RecorderMessage)

  defp read(file) do
    found = @vectors |> Path.join(file <> ".json") |> File.read!() |> Json.decode!()
    assert %{"format" => 1} = found
    found
  end

  defp cases(file, key) do
    assert [_ | _] = read(file)[key]
  end

  defp hex(text), do: Base.decode16!(text, case: :lower)
  defp types, do: read("frames")["types"]

  describe "frames" do
    test "types" do
      hello = Wire.hello(<<0::128>>, 0, "")
      written = %{"HELLO" => hello, "RECORDS" => Wire.records(1, "", "", ""), "BYE" => Wire.bye()}

      for {name, number} <- types() do
        case written do
          %{^name => <<type, _::binary>>} -> assert type == number
          _ -> assert {name, Wire.decode(<<number, 0::64>>)} != {name, :error}
        end
      end
    end

    # The driver writes and cuts the length: what goes through a real socket is what counts.
    test "encode" do
      {ours, theirs} = connection()

      for one <- cases("frames", "encode") do
        seq = String.to_integer(one["seq"])
        payload = <<types()[one["type"]], seq::64, hex(one["body"])::binary>>
        :ok = :gen_tcp.send(ours, payload)
        frame = hex(one["frame"])
        assert {:ok, ^frame} = :gen_tcp.recv(theirs, byte_size(frame), 5_000), one["name"]
        if one["type"] == "BYE", do: assert(Wire.bye() == payload)
      end
    end

    test "split" do
      for one <- cases("frames", "split") do
        {ours, theirs} = connection()
        for chunk <- one["chunks"], do: :ok = :gen_tcp.send(theirs, hex(chunk))

        for frame <- one["frames"] do
          payload =
            <<types()[frame["type"]], String.to_integer(frame["seq"])::64,
              hex(frame["body"])::binary>>

          assert_receive {:tcp, ^ours, ^payload}, 5_000, one["name"]
          :inet.setopts(ours, active: :once)
        end

        # The rest is kept: with what completes it, it is a frame.
        bytes = one["chunks"] |> Enum.map_join(&hex/1)
        rest = binary_part(bytes, byte_size(bytes), -one["rest_bytes"])
        refute_received {:tcp, ^ours, _}

        if rest != "" do
          <<size::32, part::binary>> = rest
          missing = :binary.copy(<<0>>, size - byte_size(part))
          :ok = :gen_tcp.send(theirs, missing)
          payload = part <> missing
          assert_receive {:tcp, ^ours, ^payload}, 5_000, one["name"]
        end
      end
    end

    test "malformed" do
      {session, _} = Session.hello(session())

      for one <- cases("frames", "malformed") do
        {ours, theirs} = connection()
        :ok = :gen_tcp.send(theirs, hex(one["bytes"]))

        receive do
          {:tcp, ^ours, payload} ->
            assert {:close, _, _, _} = Session.receive_frame(session, payload), one["name"]

          {:tcp_error, ^ours, reason} ->
            assert reason == :emsgsize
        after
          5_000 -> flunk(one["name"])
        end
      end
    end
  end

  # Two ends of a socket, the first with the options of the client's.
  defp connection do
    path = Path.join(directory(), "s")
    raw = [:binary, packet: :raw, active: false]
    {:ok, listener} = :gen_tcp.listen(0, [{:ifaddr, {:local, path}} | raw])
    {:ok, ours} = :gen_tcp.connect({:local, path}, 0, Buffer.socket_options())
    {:ok, theirs} = :gen_tcp.accept(listener)
    :gen_tcp.close(listener)
    {ours, theirs}
  end

  describe "messages" do
    test "encode" do
      for %{"fields" => fields} = one <- cases("messages", "encode") do
        case one["message"] do
          "Hello" ->
            seq = String.to_integer(fields["acked_seq"])
            assert {fields["protocol_version_min"], fields["protocol_version_max"]} == {"1", "1"}

            assert <<1, 0::64, body::binary>> =
                     Wire.hello(hex(fields["instance_id"]), seq, fields["client"])

            assert body == hex(one["bytes"]), one["name"]

          "Records" ->
            [traces, marks, ended] = for name <- ~w(traces marks ended), do: hex(fields[name])
            <<2, 1::64, body::binary>> = Wire.records(1, traces, marks, ended)
            # This binding sends no logs.
            if fields["logs"] == "", do: assert(body == hex(one["bytes"]), one["name"])

          message ->
            assert message in @of_grpc
        end
      end
    end

    test "decode" do
      for %{"message" => message} = one <- cases("messages", "decode"), message not in @of_grpc do
        found = decoded(message, hex(one["bytes"]))

        for {name, expected} <- one["fields"] do
          value = Map.fetch!(found, field(message, name))
          value = if is_integer(value), do: Integer.to_string(value), else: value
          assert {one["name"], name, value} == {one["name"], name, expected}
        end
      end
    end

    test "malformed" do
      for %{"message" => message} = one <- cases("messages", "malformed"),
          message not in @of_grpc do
        assert decoded(message, hex(one["bytes"])) == :error, one["name"]
      end
    end
  end

  @types %{"HelloAck" => 16, "Ack" => 17, "Nack" => 18, "Control" => 19}

  defp decoded(message, body) do
    case Wire.decode(<<@types[message], 1::64, body::binary>>) do
      :error -> :error
      decoded -> decoded |> Tuple.to_list() |> List.last()
    end
  end

  defp field("HelloAck", "protocol_version"), do: :version
  defp field("HelloAck", "source_node_ref"), do: :node_ref
  defp field(_message, name), do: String.to_existing_atom(name)

  describe "otlp" do
    test "values" do
      for one <- cases("otlp", "values"), not infinite?(one["value"]) do
        bytes = hex(one["bytes"])
        written = Value.any_value(value(one["value"]))
        # Erlang's maps have an order of their own.
        if one["value"]["map"],
          do: assert(Proto.any(written) == Proto.any(bytes), one["name"]),
          else: assert(written == bytes, one["name"])
      end
    end

    test "spans" do
      for one <- cases("otlp", "spans") do
        assert Proto.span(span(one["span"])) == Proto.span(hex(one["bytes"])), one["name"]
      end
    end

    test "requests" do
      for one <- cases("otlp", "requests") do
        resource = Otlp.resource(attributes(one["resource"]))
        scope = Otlp.scope(one["scope"]["name"], one["scope"]["version"])
        request = Otlp.request(resource, scope, Enum.map(one["spans"], &span/1))
        expected = hex(one["bytes"])
        assert Proto.request(request) == Proto.request(expected), one["name"]
        assert heads(request) == heads(expected), one["name"]
      end
    end
  end

  # Erlang has no such number.
  defp infinite?(value), do: value["double"] in ["Infinity", "-Infinity"]

  defp value(%{"string" => text}), do: text
  defp value(%{"bool" => bool}), do: bool
  defp value(%{"int" => digits}), do: String.to_integer(digits)
  defp value(%{"double" => digits}), do: Json.decode!(digits)
  defp value(%{"bytes" => bytes}), do: hex(bytes)
  defp value(%{"array" => members}), do: Enum.map(members, &value/1)
  defp value(%{"map" => pairs}), do: Map.new(pairs, fn [key, member] -> {key, value(member)} end)
  defp value(empty) when empty == %{}, do: nil

  defp attributes(pairs), do: for([key, one] <- pairs || [], do: {key, value(one)})

  # The resources and scopes of a request.
  defp heads(request) do
    for {1, resource_spans} <- Proto.fields(request),
        {number, message} <- Proto.fields(resource_spans) do
      if number == 1, do: message, else: List.keyfind(Proto.fields(message), 1, 0)
    end
  end

  @kinds {:internal, :server, :client, :producer, :consumer}

  defp span(given) do
    context = %Context{
      trace_id: given["trace_id"],
      span_id: given["span_id"],
      trace_flags: Bitwise.band(given["flags"], 0xFF),
      trace_state: given["trace_state"] || ""
    }

    parent =
      if id = given["parent_span_id"],
        do: %{context | span_id: id, remote?: Bitwise.band(given["flags"], 0x200) != 0}

    kind = elem(@kinds, given["kind"] - 1)
    start_ns = String.to_integer(given["start_ns"])

    events =
      for event <- given["events"] || [] do
        time_ns = String.to_integer(event["time_ns"])
        Otlp.event(event["name"], time_ns, attributes(event["attributes"]))
      end

    links =
      for link <- given["links"] || [] do
        other = %Context{
          trace_id: link["trace_id"],
          span_id: link["span_id"],
          trace_flags: Bitwise.band(link["flags"], 0xFF),
          trace_state: link["trace_state"] || "",
          remote?: Bitwise.band(link["flags"], 0x200) != 0
        }

        Otlp.link(other, attributes(link["attributes"]))
      end

    status = given["status"]
    assert status == nil or status["code"] == 2

    content = %{
      attributes: Otlp.attributes(attributes(given["attributes"])),
      events: events,
      links: links,
      status: if(status, do: Otlp.error(status["message"]), else: <<>>),
      dropped: {0, 0, 0}
    }

    Otlp.span(
      Otlp.head(context, parent, given["name"], kind, start_ns),
      given["end_ns"] && String.to_integer(given["end_ns"]),
      content,
      Otlp.flags(context, parent)
    )
  end

  describe "tokens and trace context" do
    test "tokens: carried and valid" do
      for one <- cases("tokens", "carried") do
        assert W3C.token?(one["text"]) == one["carried"], one["name"]
      end

      for one <- cases("tokens", "valid"), do: assert(W3C.token?(one["text"]))
    end

    test "tracestate: traceparent, read and written" do
      for one <- cases("tracestate", "traceparent") do
        found =
          case W3C.parse_traceparent(one["text"]) do
            {:ok, c} ->
              %{"trace_id" => c.trace_id, "span_id" => c.span_id, "flags" => c.trace_flags}

            :error ->
              nil
          end

        assert found == one["expected"], one["name"]
      end

      for %{"trace_id" => trace_id, "span_id" => span_id} = one <-
            cases("tracestate", "traceparent_written") do
        context = %Context{trace_id: trace_id, span_id: span_id, trace_flags: one["flags"]}
        assert W3C.format_traceparent(context) == one["text"]
      end
    end

    test "tracestate: parse and with_token" do
      for one <- cases("tracestate", "parse") do
        assert W3C.parse_tracestate(one["text"]) == one["expected"], one["name"]
      end

      for one <- cases("tracestate", "with_token") do
        assert W3C.with_token(one["tracestate"], one["token"]) == one["expected"], one["name"]
      end
    end
  end

  defp session, do: Session.new(<<1::128>>, "", "", "tests/1")
  defp item(number), do: {<<0x2A, 8, number::64>>, ""}

  # A session with one span under way in each of `seqs`.
  defp under_way(first..last) do
    started = %{session() | next_seq: first, decided_seq: first - 1, phase: :ready}

    Enum.reduce(first..last//1, started, fn seq, session ->
      # Not held back by what is under way before it.
      {session, [<<2, ^seq::64, _::binary>>]} =
        Session.take(%{Session.put(session, [item(seq)]) | sent_bytes: 0})

      session
    end)
  end

  describe "retry" do
    test "answers" do
      for one <- cases("retry", "answers") do
        assert {one["name"], decision(one["answer"])} == {one["name"], one["decision"]}
      end
    end

    test "resume" do
      for one <- cases("retry", "resume") do
        pending = Enum.map(one["pending"], &String.to_integer/1)
        last_seq = String.to_integer(one["last_seq"])
        first = List.first(pending) || last_seq + 1
        {session, _hello} = Session.hello(under_way(first..(first + length(pending) - 1)//1))
        {:ok, session, events} = Session.receive_frame(session, Peer.hello_ack(last_seq))
        stored = for {:decided, 1, 0, _, _, {:ok, _}} <- events, do: :stored
        {_, payloads} = Session.take(session)
        assert length(stored) == length(one["stored"]), one["name"]
        resent = for <<2, seq::64, _::binary>> <- payloads, do: Integer.to_string(seq)
        assert resent == one["resend"], one["name"]
      end
    end

    test "back_off_ms" do
      ceilings = read("retry")["back_off_ms"]
      assert Enum.map(1..length(ceilings), &Buffer.back_off_ceiling_ms/1) == ceilings
    end
  end

  # What the client does about an answer, in the words of the vectors.
  defp decision(%{"type" => "EOF"}),
    do: decided(Session.offline(under_way(1..1)), [], "reopen", 0)

  defp decision(%{"type" => "CONTROL"}) do
    {:ok, session, events} = Session.receive_frame(under_way(1..1), Peer.drain())
    # Answers that are due are still read; nothing more is sent before the next HELLO.
    assert {_, []} = Session.take(Session.put(session, [item(2)]))
    decided(Session.offline(session), events, "reopen", 0)
  end

  defp decision(answer) do
    case Session.receive_frame(under_way(1..1), payload(answer)) do
      {:ok, session, events} ->
        decided(session, events, "keep", List.keyfind(events, :pause, 0, {:pause, 0}) |> elem(1))

      {:close, session, events, delay_ms} ->
        decided(session, events, "reopen", delay_ms)
    end
  end

  defp decided(session, events, connection, wait_ms) do
    spans =
      case List.keyfind(events, :decided, 0) do
        {:decided, 1, _, _, _, {:ok, _}} -> "stored"
        {:decided, 1, 1, _, _, {:error, _}} -> "dropped"
        nil -> if Session.idle?(session), do: "lost", else: "kept"
      end

    %{"spans" => spans, "connection" => connection, "wait_ms" => wait_ms}
  end

  defp payload(%{"type" => "ACK", "seq" => seq} = answer) do
    rejected = if count = answer["rejected_items"], do: <<0x30, count>>, else: ""
    duplicate = if answer["duplicate"], do: <<0x40, 1>>, else: ""
    Peer.ack(String.to_integer(seq), rejected <> duplicate)
  end

  defp payload(%{"type" => "NACK", "seq" => seq} = answer),
    do: Peer.nack(String.to_integer(seq), answer["code_number"], answer["retry_after_ms"])

  describe "limits" do
    test "limits" do
      for one <- cases("limits", "limits") do
        # Here the unit comes before first and max.
        name = String.replace(one["name"], ~r/^(retry_.*)_(first|max)_ms$/, "\\1_ms_\\2")
        own = apply(Limits, String.to_existing_atom(name), [])

        if String.starts_with?(one["over"], "exact"),
          do: assert({name, own} == {name, one["value"]}),
          else: assert(own <= one["value"], name)
      end
    end

    test "cuts" do
      for one <- cases("limits", "cuts") do
        assert Value.text(one["text"], one["bytes_max"]) == one["expected"], one["name"]
      end
    end
  end

  test "address" do
    for one <- cases("address", "cases") do
      variable = fn name -> if (value = one["environment"][name]) != "", do: value end
      found = Settings.path(one["given"], variable, &(&1 in one["exists"]))

      case one["expected"] do
        %{"transport" => "frames", "target" => path} -> assert found == {:ok, path}, one["name"]
        _ -> assert {:error, _} = found, one["name"]
      end
    end
  end
end
