defmodule Sidespan.MixProject do
  use Mix.Project

  @version "0.1.0"

  def project do
    [
      app: :sidespan,
      version: @version,
      elixir: "~> 1.14",
      description: "Spans from Elixir to Sidespan, the flight recorder for AI agents",
      deps: [],
      elixirc_paths: elixirc_paths(Mix.env()),
      # Tests implement protocols of their own.
      consolidate_protocols: Mix.env() != :test,
      package: [licenses: ["MIT"], links: %{}, files: ~w(lib mix.exs .formatter.exs README.md)]
    ]
  end

  def application do
    [mod: {Sidespan.Application, []}, extra_applications: [:crypto]]
  end

  defp elixirc_paths(:test), do: ["lib", "test/support"]
  defp elixirc_paths(_), do: ["lib"]
end
