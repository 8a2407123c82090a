defmodule Sidespan.Job do
  @moduledoc """
  The current span in the arguments of a job, and back; for Oban and whatever keeps jobs as JSON.

      %{"user" => 42} |> Sidespan.Job.put() |> MyApp.Worker.new() |> Oban.insert()

      def perform(%Oban.Job{} = job) do
        Sidespan.Job.run(job, "perform", fn -> ... end)
      end

  The context lies under the key `"sidespan"`, as a map of the two W3C headers.
  """

  require Sidespan
  alias Sidespan.{Context, Propagation}

  @key "sidespan"

  @doc "Returns a job's arguments, or its meta map, with the current context; without one as it is."
  @spec put(map()) :: map()
  def put(arguments) when is_map(arguments) do
    case Context.current() do
      nil -> arguments
      context -> Map.put(arguments, @key, Propagation.inject(%{}, context))
    end
  end

  @doc """
  Returns the context that a job brought, or `nil`; never raises.

  `job` is a map or struct with `args` and perhaps `meta`, or the arguments themselves.
  """
  @spec context(term()) :: Context.t() | nil
  def context(%{args: arguments} = job) do
    context(arguments) || context(Map.get(job, :meta))
  end

  def context(%{@key => carrier}), do: Propagation.extract(carrier)
  def context(_), do: nil

  @doc """
  Calls `fun` in a CONSUMER span that goes on with the job's trace, and returns what it returns.

  The span has `job.id`, `job.queue`, `job.worker` and `job.attempt` where the job has them.
  """
  @spec run(term(), term(), (() -> result)) :: result when result: term()
  def run(job, name, fun) do
    attributes =
      for key <- [:id, :queue, :worker, :attempt],
          is_map(job),
          value = Map.get(job, key),
          do: {"job.#{key}", value}

    Sidespan.trace name, parent: context(job), kind: :consumer, attributes: attributes do
      fun.()
    end
  end
end
