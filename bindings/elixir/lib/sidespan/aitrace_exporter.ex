defmodule Sidespan.AITraceExporter do
  @moduledoc """
  The callbacks of `AITrace.Exporter`: finished traces of that library go to the node's recorder.

      config :aitrace, exporters: [{Sidespan.AITraceExporter, on_commit: &MyApp.keep/1}]

  Options: `:timeout_ms` (5,000) bounds the wait for the acknowledgement of one trace;
  `:on_commit` is called with the receipt, as `Sidespan.export/2` returns it. The receipt is also
  in the state, under `commit_lsn`, `commit_hlc`, `source_node_ref` and `token`.

  Recording must be on, see `Sidespan.init/1`. There is no dependency on AITrace: it takes
  whatever has the shape of its traces.
  """

  if Code.ensure_loaded?(AITrace.Exporter), do: @behaviour(AITrace.Exporter)

  @doc "Returns the state; options are a map or a keyword list."
  @spec init(map() | keyword()) :: {:ok, map()}
  def init(options), do: {:ok, Map.merge(%{timeout_ms: 5_000, on_commit: nil}, Map.new(options))}

  @doc "Returns the state with the receipt; errors are those of `Sidespan.export/2`."
  @spec export(map(), map()) :: {:ok, map()} | {:error, term()}
  def export(trace, state) do
    with {:ok, receipt} <- Sidespan.export(trace, state.timeout_ms) do
      if state.on_commit, do: state.on_commit.(receipt)
      {:ok, Map.merge(state, receipt)}
    end
  end

  @doc "Does nothing: the recorder goes on."
  @spec shutdown(map()) :: :ok
  def shutdown(_state), do: :ok
end
