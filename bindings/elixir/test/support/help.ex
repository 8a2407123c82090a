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
    ExUnit.Callbacks.on_exit(fn -> File.rm_rf(path) end)
    path
  end

  @doc "Starts recording to `socket`; recording stops after the test."
  def record(socket, options \\ []) do
    ExUnit.Callbacks.on_exit(fn -> Sidespan.shutdown(0) end)
    :ok = Sidespan.init([service: "tests", socket: socket] ++ options)
  end

  @doc "Returns a program's (exit status, output) when run in a VM of its own with this library."
  def run_vm(program, environment \\ []) do
    options = [env: environment, stderr_to_stdout: true]
    {output, status} = System.cmd("elixir", vm_arguments(program), options)
    {status, output}
  end

  @doc "Starts a program in a VM of its own; returns the port that sends what it prints."
  def start_vm(program, environment) do
    environment = for {name, value} <- environment, do: {to_charlist(name), to_charlist(value)}
    options = [:binary, args: vm_arguments(program), env: environment]
    Port.open({:spawn_executable, System.find_executable("elixir")}, options)
  end

  defp vm_arguments(program) do
    ["-pa", to_string(:code.lib_dir(:sidespan, :ebin)), "--app", "sidespan", "-e", program]
  end
end
