defmodule Sidespan.Application do
  @moduledoc false
  # Records from the start when the configuration or the environment names a service.

  use Application
  alias Sidespan.{Recorder, Settings}

  @impl true
  def start(_type, _arguments) do
    {:ok, supervisor} = Supervisor.start_link([], strategy: :one_for_one, name: Sidespan.Supervisor)
    # A script ends in a halt, which stops no application.
    System.at_exit(fn _status -> Recorder.drain_at_end() end)
    if Settings.named?(), do: Recorder.start([])
    {:ok, supervisor}
  end

  @impl true
  def prep_stop(state) do
    Recorder.drain_at_end()
    state
  end
end
