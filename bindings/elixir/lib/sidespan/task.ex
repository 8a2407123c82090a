defmodule Sidespan.Task do
  @moduledoc """
  Elixir's tasks, with the current span of the caller current in them too.

  The functions are those of `Task` and `Task.Supervisor` with the same arguments and results.
  """

  alias Sidespan.Context

  @doc "Returns `fun` such that the caller's current context is current whenever it runs, anywhere."
  @spec wrap((() -> result) | (term() -> result)) :: (() -> result) | (term() -> result)
        when result: term()
  def wrap(fun) when is_function(fun, 0) do
    context = Context.current()
    fn -> Context.within(context, fun) end
  end

  def wrap(fun) when is_function(fun, 1) do
    context = Context.current()
    fn argument -> Context.within(context, fn -> fun.(argument) end) end
  end

  @doc "Promise of `Task.async/1`."
  @spec async((() -> term())) :: Task.t()
  def async(fun), do: Elixir.Task.async(wrap(fun))

  @doc "Promise of `Task.Supervisor.async/2`."
  @spec async(Supervisor.supervisor(), (() -> term())) :: Task.t()
  def async(supervisor, fun), do: Elixir.Task.Supervisor.async(supervisor, wrap(fun))

  @doc "Promise of `Task.start/1`."
  @spec start((() -> term())) :: {:ok, pid()}
  def start(fun), do: Elixir.Task.start(wrap(fun))

  @doc "Promise of `Task.async_stream/3`."
  @spec async_stream(Enumerable.t(), (term() -> term()), keyword()) :: Enumerable.t()
  def async_stream(enumerable, fun, options \\ []) when is_list(options) do
    Elixir.Task.async_stream(enumerable, wrap(fun), options)
  end

  @doc "Promise of `Task.Supervisor.async_stream/4`."
  @spec async_stream(Supervisor.supervisor(), Enumerable.t(), (term() -> term()), keyword()) ::
          Enumerable.t()
  def async_stream(supervisor, enumerable, fun, options) do
    Elixir.Task.Supervisor.async_stream(supervisor, enumerable, wrap(fun), options)
  end
end
