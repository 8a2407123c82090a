# Run from bindings/elixir: mix run samples/basic/agent.exs

require Sidespan

defmodule Forecast do
  @moduledoc "A tool behind a GenServer; its spans are children of the caller's."
  use GenServer
  use Sidespan.Server
  require Sidespan

  def start_link, do: GenServer.start_link(__MODULE__, nil)
  def get(pid, day), do: Sidespan.Server.call(pid, {:get, day})

  @impl true
  def init(state), do: {:ok, state}

  @impl true
  def handle_call({:get, day}, _from, state) do
    Sidespan.span "execute_tool get_forecast", attributes: %{day: day} do
      Sidespan.with_attributes(%{"gen_ai.tool.name" => "get_forecast"})
      {:reply, %{day: day, rain: day == "Sunday"}, state}
    end
  end
end

Sidespan.init(service: "packing-agent")
{:ok, forecast} = Forecast.start_link()

answer =
  Sidespan.trace "agent.handle_message", attributes: %{"gen_ai.agent.name" => "packing"} do
    Sidespan.add_event("request_received", %{message_length: 24})

    plan =
      Sidespan.span "reasoning_loop" do
        Sidespan.with_attributes(%{"gen_ai.request.model" => "scripted-1", temperature: 0.7})
        Sidespan.add_event("thought", %{depth: 2})
        ["Saturday", "Sunday"]
      end

    plan
    |> Sidespan.Task.async_stream(&Forecast.get(forecast, &1))
    |> Enum.filter(fn {:ok, day} -> day.rain end)
    |> Enum.map_join(", ", fn {:ok, day} -> "rain jacket for #{day.day}" end)
  end

IO.puts(answer)
