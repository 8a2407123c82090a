defmodule Sidespan.RealDaemon do
  @moduledoc "The real daemon as a child process; it ends with the VM at the latest."

  import Sidespan.Help, only: [wait_until: 2]
  alias Sidespan.Json

  # Ends what it started as soon as nobody holds its standard input any more.
  @keeper ~S"""
  exec 2>>"$LOG"
  "$@" >>"$LOG" </dev/null &
  child=$!
  echo "$child" >"$LOG.pid"
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
    start_command(node, serve(node))
  end

  @doc """
  Starts it with a disk of its own for its data, of `disk_bytes`, which ends with it.

  Only the daemon sees that disk; `disk/1` is the way to it from here.
  """
  def start_on_disk(node, disk_bytes) do
    File.mkdir_p!(node.data)
    mount = ~S(mount -t tmpfs -o size="$0",mode=0700 sidespan-test "$1" && shift && exec "$@")

    command = unshare() ++ ["sh", "-c", mount, Integer.to_string(disk_bytes), node.data]
    start_command(node, command ++ serve(node))
  end

  @doc "Returns the directory of the data of a daemon that has a disk of its own."
  def disk(node), do: "/proc/#{String.trim(File.read!(node.log <> ".pid"))}/root#{node.data}"

  @doc "Tells whether a daemon can be given a disk of its own here."
  def disks? do
    [command | arguments] = unshare() ++ ["mount", "-t", "tmpfs", "sidespan-test", "/tmp"]
    match?({_, 0}, System.cmd(command, arguments, stderr_to_stdout: true))
  rescue
    ErlangError -> false
  end

  # Others than root may mount as the root of a namespace of their own.
  defp unshare do
    {uid, 0} = System.cmd("id", ["-u"])
    if String.trim(uid) == "0", do: ["unshare", "-m"], else: ["unshare", "-Urm"]
  end

  defp serve(node) do
    [python(), "-m", "sidespand", "serve", "--config", node.config, "--data", node.data] ++
      ["--run", node.run, "--otlp-grpc", "off", "--otlp-http", "off"]
  end

  defp start_command(node, command) do
    arguments = ["-c", @keeper, "keeper" | command]
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

  @doc "Waits until what `port` keeps has ended, so that it leaves no file behind."
  def release(node, port) do
    if Port.info(port), do: Port.close(port)
    pid = String.trim(File.read!(node.log <> ".pid"))
    ended? = fn -> elem(System.cmd("kill", ["-0", pid], stderr_to_stdout: true), 1) != 0 end
    wait_until(ended?, "the end of the daemon")
  end

  @doc "Sends a signal to the recorder."
  def signal(node, name) do
    pid = node.data |> Path.join("LOCK") |> File.read!() |> String.trim()
    {_, 0} = System.cmd("kill", ["-#{name}", pid])
    :ok
  end

  @doc "Returns what a reading command prints."
  def cli(node, arguments) do
    {output, 0} = System.cmd(python(), ["-m", "sidespand"] ++ arguments ++ ["--data", node.data])
    output
  end

  @doc "Returns the spans that are open, as `sidespan ls --open` has them."
  def open_spans(node), do: Json.decode!(cli(node, ["ls", "--open", "--json"]))["open_spans"]

  @doc "Returns the spans of a trace, or of `\"last\"`, as `sidespan show` has them."
  def spans(node, trace), do: Json.decode!(cli(node, ["show", trace, "--json"]))["spans"]

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
