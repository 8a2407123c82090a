defmodule Sidespan.Application do
  @moduledoc false
  # Records from the start when the configuration or the environment names a service.

  use Application
  alias Sidespan.{Recorder, Settings}

  @impl true
  def start(_type, _arguments) do
    {:ok, supervisor} = Supervisor.start_link([], strategy: :one_for_one, name: Sidespan.Supervisor)
    if Settings.named?(), do: Sidespan.init()
    {:ok, supervisor}
  end

  @impl true
  def prep_stop(state) do
    Recorder.drain(Settings.new([]).exit_timeout_ms)
    state
  end
end
