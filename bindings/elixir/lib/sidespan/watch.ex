defmodule Sidespan.Watch do
  @moduledoc false
  # Ends the spans of a process that died with spans open: `after` blocks do not run in a process
  # that is killed.

  use GenServer
  alias Sidespan.{OpenSpans, Runtime, Value}

  @reason_bytes_max 512

  @doc "Starts the process; spans that are open already are watched too."
  @spec start_link(Runtime.t()) :: GenServer.on_start()
  def start_link(runtime), do: GenServer.start_link(__MODULE__, runtime, name: __MODULE__)

  @doc "Returns when the processes that are known to have died are dealt with."
  @spec settle(timeout :: non_neg_integer()) :: :ok
  def settle(timeout_ms) do
    GenServer.call(__MODULE__, :settle, timeout_ms)
  catch
    :exit, _ -> :ok
  end

  @impl true
  def init(tables) do
    Enum.each(OpenSpans.owners(tables), &Process.monitor/1)
    {:ok, tables}
  end

  @impl true
  def handle_call(:settle, _from, tables), do: {:reply, :ok, tables}

  @impl true
  def handle_info({:watch, pid}, tables) do
    Process.monitor(pid)
    {:noreply, tables}
  end

  def handle_info({:DOWN, _ref, :process, pid, reason}, tables) do
    # The tables are those of the recorder; the counters are those of the buffer of the moment.
    with %{} = runtime <- Runtime.get() do
      OpenSpans.close_all(runtime, pid, "process exited: #{describe(reason)}")
    end

    {:noreply, tables}
  catch
    kind, reason ->
      Runtime.note(kind, reason)
      {:noreply, tables}
  end

  def handle_info(_, tables), do: {:noreply, tables}

  # It was gone before it could be watched.
  defp describe(:noproc), do: "unknown"
  defp describe(reason), do: reason |> Value.inspected() |> Value.text(@reason_bytes_max)
end
