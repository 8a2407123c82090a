defmodule Sidespan.Server do
  @moduledoc """
  Calls and casts that carry the current span to a GenServer.

      defmodule Kitchen do
        use GenServer
        use Sidespan.Server

        def init(argument), do: {:ok, argument}

        def handle_call({:cook, dish}, _from, state) do
          Sidespan.span "cook" do          # a child of the caller's span
            {:reply, {:done, dish}, state}
          end
        end
      end

      Sidespan.Server.call(pid, {:cook, "noodles"})

  `use Sidespan.Server` comes after `use GenServer`. The callbacks see the message that was sent,
  and plain `GenServer.call/3` goes on to work. A server without it must not be called with
  `call/3`: it would see the message in its wrapping; `unwrap/1` takes that off by hand.
  """

  alias Sidespan.Context

  @callbacks [handle_call: 3, handle_cast: 2, handle_info: 2]

  @doc false
  defmacro __using__(_options) do
    quote do
      @before_compile Sidespan.Server
    end
  end

  @doc false
  defmacro __before_compile__(environment) do
    for {name, arity} = callback <- @callbacks, written?(environment.module, callback) do
      [message | rest] = arguments = Macro.generate_arguments(arity, __MODULE__)

      quote do
        defoverridable [{unquote(name), unquote(arity)}]

        def unquote(name)(unquote_splicing(arguments)) do
          Sidespan.Server.handle(unquote(message), fn unquote(message) ->
            super(unquote(message), unquote_splicing(rest))
          end)
        end
      end
    end
  end

  # Not one of those that `use GenServer` brings; they may not be called with super.
  defp written?(module, callback) do
    case Module.get_definition(module, callback) do
      {_version, :def, meta, _clauses} -> meta[:context] != GenServer
      _ -> false
    end
  end

  @doc "Promise of `GenServer.call/3`."
  @spec call(GenServer.server(), term(), timeout()) :: term()
  def call(server, request, timeout \\ 5_000), do: GenServer.call(server, wrap(request), timeout)

  @doc "Promise of `GenServer.cast/2`."
  @spec cast(GenServer.server(), term()) :: :ok
  def cast(server, request), do: GenServer.cast(server, wrap(request))

  @doc "Returns `message` with the current context around it; as it is when there is none."
  @spec wrap(term()) :: term()
  def wrap(message) do
    case Context.current() do
      nil -> message
      context -> {__MODULE__, context, message}
    end
  end

  @doc "Returns the context and the message of what `wrap/1` returned; of others `nil` and itself."
  @spec unwrap(term()) :: {Context.t() | nil, term()}
  def unwrap({__MODULE__, %Context{} = context, message}), do: {context, message}
  def unwrap(message), do: {nil, message}

  @doc false
  def handle(message, callback) do
    case unwrap(message) do
      {nil, message} -> callback.(message)
      {context, message} -> Context.within(context, fn -> callback.(message) end)
    end
  end
end
