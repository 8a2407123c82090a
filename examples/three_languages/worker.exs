# The acting part of the agent. From bindings/elixir:
#
#     mix run ../../examples/three_languages/worker.exs --port-file FILE --tool HOST:PORT
#
# It serves HTTP on a free port of 127.0.0.1, one call at a time, and writes that port to FILE.

require Sidespan

defmodule Http do
  @moduledoc "As much of HTTP/1.1 as two calls need, on what Erlang brings along."

  @timeout_ms 20_000

  def listen do
    {:ok, listener} =
      :gen_tcp.listen(0, [:binary, ip: {127, 0, 0, 1}, active: false, packet: :http_bin])

    listener
  end

  def serve(listener, answer) do
    {:ok, socket} = :gen_tcp.accept(listener)
    {:ok, {:http_request, _method, _path, _version}} = :gen_tcp.recv(socket, 0, @timeout_ms)
    {headers, body} = read(socket)
    reply = answer.(headers, body)

    :gen_tcp.send(socket, [
      "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n",
      "content-length: #{byte_size(reply)}\r\n\r\n",
      reply
    ])

    :gen_tcp.close(socket)
    serve(listener, answer)
  end

  def post(address, path, headers, body) do
    [host, port] = String.split(address, ":")

    {:ok, socket} =
      :gen_tcp.connect(
        to_charlist(host),
        String.to_integer(port),
        [:binary, active: false, packet: :http_bin],
        @timeout_ms
      )

    lines = for {name, value} <- headers, do: [name, ": ", value, "\r\n"]

    :ok =
      :gen_tcp.send(socket, [
        "POST #{path} HTTP/1.1\r\nhost: #{address}\r\nconnection: close\r\n",
        "content-length: #{byte_size(body)}\r\n",
        lines,
        "\r\n",
        body
      ])

    {:ok, {:http_response, _version, 200, _text}} = :gen_tcp.recv(socket, 0, @timeout_ms)
    {_headers, reply} = read(socket)
    :gen_tcp.close(socket)
    reply
  end

  defp read(socket, headers \\ []) do
    case :gen_tcp.recv(socket, 0, @timeout_ms) do
      {:ok, {:http_header, _, name, _, value}} ->
        read(socket, [{String.downcase(to_string(name)), value} | headers])

      {:ok, :http_eoh} ->
        :ok = :inet.setopts(socket, packet: :raw)
        {_, length} = List.keyfind(headers, "content-length", 0, {"", "0"})
        {headers, body(socket, String.to_integer(length))}
    end
  end

  defp body(_socket, 0), do: ""

  defp body(socket, length) do
    {:ok, body} = :gen_tcp.recv(socket, length, @timeout_ms)
    body
  end
end

defmodule Worker do
  require Sidespan

  def pack(headers, body, tool) do
    Sidespan.trace "POST /pack", parent: Sidespan.extract(headers), kind: :server do
      Sidespan.span "choose tool" do
        Sidespan.with_attributes(%{"gen_ai.tool.name" => "forecast"})
      end

      # The choice is on disk before the tool is called: its token travels with the call.
      Sidespan.flush(5_000)

      Sidespan.span "POST /forecast", kind: :client do
        Http.post(tool, "/forecast", Sidespan.inject([]), body)
      end
    end
  end
end

{options, [], []} = OptionParser.parse(System.argv(), strict: [port_file: :string, tool: :string])

# The runtime's report of its own stop is nobody's news.
:logger.set_primary_config(:level, :error)
Sidespan.init(service: "worker")
listener = Http.listen()
{:ok, port} = :inet.port(listener)
partial = options[:port_file] <> ".partial"
File.write!(partial, Integer.to_string(port))
File.rename!(partial, options[:port_file])
Http.serve(listener, &Worker.pack(&1, &2, options[:tool]))
