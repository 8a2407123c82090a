defmodule Sidespan.Recorder do
  @moduledoc false
  # Records the spans of this program: owns the tables, supervises the watcher and the buffer.

  use Supervisor
  alias Sidespan.{Buffer, Runtime, Settings, Watch}

  @doc "Records from here on, unless the environment forbids it; an earlier recorder ends."
  @spec start(keyword()) :: :ok
  def start(options) do
    settings = Settings.new(options)
    stop(settings.exit_timeout_ms)

    unless Settings.disabled?(),
      do: Supervisor.start_child(Sidespan.Supervisor, child_spec(settings))

    :ok
  catch
    # The application is on its way out.
    :exit, _ -> :ok
  end

  @doc "Starts the processes of a recorder."
  @spec start_link(Settings.t()) :: Supervisor.on_start()
  def start_link(settings), do: Supervisor.start_link(__MODULE__, settings, name: __MODULE__)

  # Temporary: when it cannot go on it stays away, and the host goes on without it.
  @doc false
  def child_spec(settings) do
    %{
      id: __MODULE__,
      start: {__MODULE__, :start_link, [settings]},
      type: :supervisor,
      restart: :temporary
    }
  end

  @doc "Sends what is buffered, at most for `timeout_ms`, and lets nothing more be recorded."
  @spec stop(non_neg_integer()) :: :ok
  def stop(timeout_ms) do
    if Process.whereis(__MODULE__) do
      drain(timeout_ms)
      _ = Supervisor.terminate_child(Sidespan.Supervisor, __MODULE__)
    end

    # One that died by itself has left its runtime behind.
    Runtime.close()
  end

  @doc "Sends what is buffered, at most for `timeout_ms`; without a daemon it returns at once."
  @spec drain(non_neg_integer()) :: :ok
  def drain(timeout_ms) do
    deadline = System.monotonic_time(:millisecond) + timeout_ms
    Watch.settle(timeout_ms)
    _ = Buffer.drain(max(0, deadline - System.monotonic_time(:millisecond)))
    Runtime.close()
  end

  @doc "Drains when the program ends, as long as the settings allow."
  @spec drain_at_end() :: :ok
  def drain_at_end do
    with %{} = runtime <- Runtime.get(), do: drain(runtime.exit_timeout_ms)
    :ok
  end

  @impl true
  def init(settings) do
    runtime = Runtime.new(settings)
    Supervisor.init([{Watch, runtime}, {Buffer, {runtime, settings}}], strategy: :one_for_one)
  end
end
