defmodule Sidespan.Recorder do
  @moduledoc false
  # Records the spans of this program: owns the tables, supervises the watcher and the buffer.

  use Supervisor
  alias Sidespan.{Buffer, Runtime, Settings, Watch}

  @doc "Starts recording."
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

    :ok
  end

  @doc "Sends what is buffered, at most for `timeout_ms`; without a daemon it returns at once."
  @spec drain(non_neg_integer()) :: :ok
  def drain(timeout_ms) do
    deadline = System.monotonic_time(:millisecond) + timeout_ms
    Watch.settle(timeout_ms)
    _ = Buffer.drain(max(0, deadline - System.monotonic_time(:millisecond)))
    Runtime.close()
  end

  @impl true
  def init(settings) do
    runtime = Runtime.new(settings.buffer_bytes_max)

    Supervisor.init([{Watch, runtime}, {Buffer, {runtime, settings}}], strategy: :one_for_one)
  end
end
