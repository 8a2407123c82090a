defmodule Sidespan.RealDaemon do
  @moduledoc "The real daemon as a child process; it ends with the VM at the latest."

  import Sidespan.Help, only: [wait_until: 2]

  # Ends what it started as soon as nobody holds its standard input any more.
  @keeper ~S"""
  exec 2>>"$LOG"
  "$@" >>"$LOG" </dev/null &
  child=$!
  cat >/dev/null
  kill "$child" 2>/dev/null
  wait "$child"
  """

  @doc "Returns the path of the interpreter that has the daemon."
  def python do
    System.get_env("SIDESPAN_TEST_PYTHON") ||
      Path.expand("../../../../.venv/bin/python", __DIR__)
  end

  @doc "Returns a node's places below `root`, with nothing started."
  def new(root) do
    config = Path.join(root, "sidespan.toml")
    File.write!(config, "")

    %{
      config: config,
      data: Path.join(root, "data"),
      run: Path.join(root, "run"),
      socket: Path.join(root, "run/ingest.sock"),
      log: Path.join(root, "daemon.log")
    }
  end

  @doc "Starts it and waits until it accepts; returns the port that keeps it."
  def start(node) do
    arguments =
      ["-c", @keeper, "keeper", python(), "-m", "sidespand", "serve", "--config", node.config] ++
        ["--data", node.data, "--run", node.run, "--otlp-grpc", "off", "--otlp-http", "off"]

    shell = System.find_executable("sh")
    options = [:binary, args: arguments, env: [{~c"LOG", to_charlist(node.log)}]]
    port = Port.open({:spawn_executable, shell}, options)

    wait_until(fn -> accepts?(node.socket) end, "the daemon to start")
    port
  end

  @doc "Stops it as systemd does and waits until it is gone."
  def stop(node, port) do
    signal(node, "TERM")
    gone(node, port)
  end

  @doc "Ends it as a power cut ends a process."
  def kill(node, port) do
    signal(node, "KILL")
    gone(node, port)
  end

  @doc "Sends a signal to the recorder."
  def signal(node, name) do
    pid = node.data |> Path.join("LOCK") |> File.read!() |> String.trim()
    {_, 0} = System.cmd("kill", ["-#{name}", pid])
    :ok
  end

  @doc "Returns what a reading command prints as JSON, without a parser: none is at hand."
  def cli(node, arguments) do
    {output, 0} = System.cmd(python(), ["-m", "sidespand"] ++ arguments ++ ["--data", node.data])
    output
  end

  @doc """
  Returns the spans of a trace, or of `"last"`, as lists of fields.

  `jq` in Python, since the oldest OTP has no JSON: one line a span, tab-separated, then sorted.
  """
  def spans(node, trace) do
    program = """
    import json, sys
    for span in json.load(sys.stdin)["spans"]:
        print("\\t".join(str(x) for x in (span["name"], span["span_id"], span["parent_span_id"],
            span["status"], span["status_message"], span["trace_state"], span["stamp"]["lsn"],
            span["stamp"]["hlc"], json.dumps(span["attributes"], sort_keys=True))))
    """

    shown = cli(node, ["show", trace, "--json"])
    path = node.data <> ".shown.json"
    File.write!(path, shown)
    {lines, 0} = System.cmd("sh", ["-c", ~S("$0" -c "$1" <"$2"), python(), program, path])

    for line <- String.split(lines, "\n", trim: true) do
      fields = [
        :name,
        :span_id,
        :parent_id,
        :status,
        :message,
        :trace_state,
        :lsn,
        :hlc,
        :attributes
      ]

      Map.new(Enum.zip(fields, String.split(line, "\t")))
    end
  end

  defp gone(node, port) do
    wait_until(fn -> not accepts?(node.socket) end, "the daemon to end")
    if Port.info(port), do: Port.close(port)
    :ok
  end

  defp accepts?(socket) do
    case :gen_tcp.connect({:local, socket}, 0, [:binary, active: false], 1_000) do
      {:ok, connection} -> :gen_tcp.close(connection) == :ok
      {:error, _} -> false
    end
  end
end
