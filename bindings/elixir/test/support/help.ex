defmodule Sidespan.Help do
  @moduledoc "What several tests need."

  import ExUnit.Assertions

  @doc "Returns as soon as `true?` says so; fails after `ms_max`."
  def wait_until(true?, what, ms_max \\ 20_000) do
    wait_until(true?, what, ms_max, System.monotonic_time(:millisecond))
  end

  defp wait_until(true?, what, ms_max, began) do
    cond do
      true?.() ->
        :ok

      System.monotonic_time(:millisecond) - began > ms_max ->
        flunk("waited #{ms_max} ms for #{what}; #{inspect(Sidespan.status())}")

      true ->
        receive do
        after
          10 -> wait_until(true?, what, ms_max, began)
        end
    end
  end

  @doc "Makes a directory whose sockets have short paths; it is gone after the test."
  def directory do
    path =
      Path.join(System.tmp_dir!(), "sidespan-#{System.pid()}-#{System.unique_integer([:positive])}")

    File.mkdir_p!(path)
    ExUnit.Callbacks.on_exit(fn -> File.rm_rf!(path) end)
    path
  end

  @doc "Starts recording to `socket`; recording stops after the test."
  def record(socket, options \\ []) do
    ExUnit.Callbacks.on_exit(fn -> Sidespan.shutdown(0) end)
    :ok = Sidespan.init([service: "tests", socket: socket] ++ options)
  end

  @doc "Returns a program's (exit status, output) when run in a VM of its own with this library."
  def run_vm(program, environment \\ []) do
    paths = for app <- [:sidespan], do: to_string(:code.lib_dir(app, :ebin))
    arguments = Enum.flat_map(paths, &["-pa", &1]) ++ ["--app", "sidespan", "-e", program]
    {output, status} = System.cmd("elixir", arguments, env: environment, stderr_to_stdout: true)
    {status, output}
  end
end
