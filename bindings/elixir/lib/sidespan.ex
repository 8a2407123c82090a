defmodule Sidespan do
  @moduledoc """
  Spans from this program to the node's recorder, which makes them durable.

      require Sidespan

      Sidespan.init(service: "planner")

      Sidespan.trace "agent.handle_message" do
        Sidespan.add_event("request_received", %{message_length: 12})

        Sidespan.span "reasoning_loop", attributes: %{model: "scripted-1"} do
          Sidespan.with_attributes(%{temperature: 0.7})
        end
      end

  `trace/2` begins a trace with a span of its own, `span/2` is a step within it. What leaves the
  block (an error, an exit) goes on unchanged and is kept in the span.

  The current span is that of the process. `Sidespan.Task`, `Sidespan.Server` and `Sidespan.Job`
  carry it to others on this node, `inject/2` and `extract/1` to other programs.

  ## What the host program may rely on

    * Nothing here raises into the program, waits (except `flush/1`, `export/2`, `shutdown/1` and
      spans with `durable: true`, which ask to), prints or logs. What went wrong is in `status/0`.
    * Spans wait in a buffer of 8 MiB. What does not fit is dropped and counted, the newest first.
    * A span belongs to the process that opened it. When that process dies, its open spans end
      with the status error `process exited: reason`.
    * A span that is open for 50 ms is announced to the daemon, and so is what is added to it from
      then on: should the program die, the record shows how far it came.
    * Without `init/1`, a configured service or a service in the environment nothing is recorded,
      and a span costs next to nothing.

  ## Options of a span

    * `:attributes`: a map or keyword list; values may be any term
    * `:kind`: `:internal` (default), `:server`, `:client`, `:producer` or `:consumer`
    * `:parent`: a `Sidespan.Context`, such as `extract/1` returns
    * `:durable`: `true` to have its start on the node's disk before the block runs; after
      `:durable_timeout_ms` it runs all the same, and `durable?/0` tells
    * `:cites`: tokens of what this span acts upon, recorded as `sidespan.cites`

  Bounds are in `Sidespan.Limits`.
  """

  alias Sidespan.{Buffer, Context, FinishedTrace, OpenSpans, Propagation, Recorder, Runtime}

  @typedoc "The result of a block or function that was passed in."
  @type result :: term()

  @doc """
  Begins a trace around a block and returns what the block returns.

  Options as of a span, see above. With `:parent` the trace of the parent goes on.

      Sidespan.trace "handle", parent: Sidespan.extract(headers), kind: :server do
        ...
      end
  """
  defmacro trace(name, block) do
    {block, options} = Keyword.pop!(block, :do)
    around(quote(do: Sidespan.enter_trace(unquote(name), unquote(options))), block)
  end

  @doc "See `trace/2`."
  defmacro trace(name, options, do: block) do
    around(quote(do: Sidespan.enter_trace(unquote(name), unquote(options))), block)
  end

  @doc """
  Makes a span around a block and returns what the block returns.

  It is a child of the current span; without one it begins a trace. The context may also be given:

      Sidespan.span "plan" do ... end
      Sidespan.span "plan", attributes: %{goal: "lunch"} do ... end
      Sidespan.span ctx, "plan" do ... end
      Sidespan.span ctx, "plan", kind: :client do ... end
  """
  defmacro span(name, block) do
    {block, options} = Keyword.pop!(block, :do)
    around(quote(do: Sidespan.enter_span(unquote(name), unquote(options))), block)
  end

  @doc "See `span/2`."
  defmacro span(name_or_context, options_or_name, block) do
    case Keyword.pop!(block, :do) do
      {block, []} ->
        around(
          quote(do: Sidespan.enter_span(unquote(name_or_context), unquote(options_or_name))),
          block
        )

      {block, options} ->
        around(enter_quoted(name_or_context, options_or_name, options), block)
    end
  end

  @doc "See `span/2`."
  defmacro span(context, name, options, do: block) do
    around(enter_quoted(context, name, options), block)
  end

  defp enter_quoted(context, name, options) do
    quote(do: Sidespan.enter_span(unquote(context), unquote(name), unquote(options)))
  end

  defp around(enter, block) do
    quote do
      entered = unquote(enter)

      try do
        unquote(block)
      catch
        kind, reason ->
          Sidespan.failed(entered, kind, reason, __STACKTRACE__)
          :erlang.raise(kind, reason, __STACKTRACE__)
      after
        Sidespan.leave(entered)
      end
    end
  end

  @doc """
  Begins a trace around a function of one argument, the context, or of none.

  Returns what the function returns. Options as of a span.
  """
  @spec run_trace(term(), (Context.t() | nil -> result()) | (() -> result()), keyword()) :: result()
  def run_trace(name, fun, options \\ []) do
    trace name, options do
      call(fun)
    end
  end

  @doc """
  Makes a span around a function of one argument, the context, or of none.

  Returns what the function returns. `context` is the parent; `nil` begins a trace.
  """
  @spec run_span(
          Context.t() | nil,
          term(),
          (Context.t() | nil -> result()) | (() -> result()),
          keyword()
        ) ::
          result()
  def run_span(context, name, fun, options \\ []) do
    span context, name, options do
      call(fun)
    end
  end

  defp call(fun) when is_function(fun, 1), do: fun.(Context.current())
  defp call(fun), do: fun.()

  @doc """
  Opens a span that no block can hold; it does not become current.

  `parent` `nil` begins a trace. It ends with `end_span/1`, by whatever process, or with the process
  that opened it. Returns `nil` while nothing is recorded, which every function here takes.
  """
  @spec start_span(Context.t() | nil, term(), keyword()) :: Context.t() | nil
  def start_span(parent, name, options \\ []) do
    recording(nil, &open(&1, parent, name, options))
  end

  @doc "Ends a span; one that is not open stays as it is."
  @spec end_span(Context.t() | nil) :: :ok
  def end_span(context), do: on(context, &OpenSpans.close(&1, context))

  @doc """
  Adds an event, which happens now, to the current span or to that of a context.

      Sidespan.add_event("cache_hit")
      Sidespan.add_event("cache_hit", %{key: "k"})
      Sidespan.add_event(ctx, "cache_hit")
  """
  @spec add_event(term()) :: :ok
  def add_event(name), do: add_event(Context.current(), name, [])

  @doc "See `add_event/1`."
  @spec add_event(Context.t() | nil | term(), term()) :: :ok
  def add_event(%Context{} = context, name), do: add_event(context, name, [])
  def add_event(name, attributes), do: add_event(Context.current(), name, attributes)

  @doc "See `add_event/1`."
  @spec add_event(Context.t() | nil, term(), map() | keyword()) :: :ok
  def add_event(context, name, attributes),
    do: on(context, &OpenSpans.add_event(&1, context, name, attributes))

  @doc """
  Links the current span, or that of a context, to the span of another context.

      Sidespan.link(other)
      Sidespan.link(other, %{why: "retry"})
      Sidespan.link(ctx, other)
      Sidespan.link(ctx, other, %{why: "retry"})
  """
  @spec link(Context.t() | nil) :: :ok
  def link(other), do: link(Context.current(), other, [])

  @doc "See `link/1`."
  @spec link(Context.t() | nil, Context.t() | map() | keyword()) :: :ok
  def link(context, %Context{} = other), do: link(context, other, [])
  def link(other, attributes), do: link(Context.current(), other, attributes)

  @doc "See `link/1`."
  @spec link(Context.t() | nil, Context.t() | nil, map() | keyword()) :: :ok
  def link(context, %Context{} = other, attributes),
    do: on(context, &OpenSpans.link(&1, context, other, attributes))

  def link(_context, _other, _attributes), do: :ok

  @doc "Sets attributes of the current span, in place of older ones of the same key."
  @spec with_attributes(map() | keyword()) :: :ok
  def with_attributes(attributes), do: with_attributes(Context.current(), attributes)

  @doc "Sets attributes of the span of a context, in place of older ones of the same key."
  @spec with_attributes(Context.t() | nil, map() | keyword()) :: :ok
  def with_attributes(context, attributes),
    do: on(context, &OpenSpans.set_attributes(&1, context, attributes))

  @doc "Marks the current span as failed, for an `{:error, _}` that is returned rather than raised."
  @spec fail(term()) :: :ok
  def fail(message), do: fail(Context.current(), message)

  @doc "Marks the span of a context as failed."
  @spec fail(Context.t() | nil, term()) :: :ok
  def fail(context, message), do: on(context, &OpenSpans.fail(&1, context, message))

  @doc "Tells whether the start of the current span, which is open, is on the node's disk."
  @spec durable?() :: boolean()
  def durable?, do: durable?(Context.current())

  @doc "Tells whether the start of the span of a context, which is open, is on the node's disk."
  @spec durable?(Context.t() | nil) :: boolean()
  def durable?(%Context{owner: owner} = context) when owner != nil,
    do: recording(false, &OpenSpans.durable?(&1, context))

  def durable?(_), do: false

  @doc "Returns the current context of this process, or `nil`."
  @spec get_current_context() :: Context.t() | nil
  defdelegate get_current_context, to: Context, as: :current

  @doc "Makes `context` the current one of this process."
  @spec set_current_context(Context.t() | nil) :: :ok
  defdelegate set_current_context(context), to: Context, as: :set

  @doc "Leaves this process without a current context."
  @spec clear_current_context() :: :ok
  def clear_current_context, do: Context.set(nil)

  @doc "Puts back what `get_current_context/0` had returned, `nil` too."
  @spec restore_current_context(Context.t() | nil) :: :ok
  defdelegate restore_current_context(context), to: Context, as: :set

  @doc "Returns headers or metadata with the current span in them. See `Sidespan.Propagation`."
  @spec inject(Propagation.carrier(), Context.t() | nil) :: Propagation.carrier()
  def inject(carrier, context \\ Context.current()), do: Propagation.inject(carrier, context)

  @doc "Returns the context that headers or metadata brought, or `nil`. See `Sidespan.Propagation`."
  @spec extract(term()) :: Context.t() | nil
  defdelegate extract(carrier), to: Propagation

  @doc """
  Sends a finished trace, waits until it is durable, and returns its place in the journal.

  `trace` has the shape of an `AITrace.Trace`. Returns `{:ok, receipt}` with `commit_lsn` (`"X/X"`,
  upper-case hex), `commit_hlc` (`%{"w" => ns, "l" => logical, "n" => node}`), `source_node_ref` and
  `token`; the first two are `nil` when the daemon had made it durable but its answer was lost.

  Errors: `{:error, :timeout}`: not yet, it is still sent when the daemon comes back.
  `{:error, :buffer_full}`, `{:error, :not_recording}`, `{:error, :no_spans}`: nothing is sent.
  `{:error, text}`: the daemon refused it.
  """
  @spec export(map(), timeout_ms :: non_neg_integer()) :: {:ok, map()} | {:error, term()}
  def export(trace, timeout_ms \\ 5_000), do: FinishedTrace.export(trace, timeout_ms)

  @doc """
  Starts recording and begins to connect in the background; a second call replaces the first.

    * `:service`: name of this program; else `config :sidespan, service: …`, `SIDESPAN_SERVICE`,
      `OTEL_SERVICE_NAME`
    * `:socket`: the daemon's address, a path or `unix://PATH`; else `config :sidespan, socket: …`,
      `SIDESPAN_SOCKET`, `$XDG_RUNTIME_DIR/sidespan/ingest.sock` if it exists,
      `/run/sidespan/ingest.sock`
    * `:buffer_bytes_max`: memory for spans that wait, 8 MiB
    * `:mark_after_ms`: a span that is open longer is announced to the daemon, 50
    * `:durable_timeout_ms`: how long a span with `durable: true` waits for the disk, 1,000
    * `:exit_timeout_ms`: how long the stop of the application may be held up, 1,000

  `SIDESPAN_DISABLED=1` keeps it off. Always `:ok`; what is wrong with the address is in `status/0`.
  """
  @spec init(keyword()) :: :ok
  def init(options \\ []) do
    with {:ok, _} <- Application.ensure_all_started(:sidespan), do: Recorder.start(options)
    :ok
  end

  @doc """
  Waits until all that has ended before is durable and the node's newest token is known.

  Returns `:ok` also when nothing is recorded, `{:error, :dropped}` when a span was lost meanwhile,
  `{:error, :timeout}` when the time ran out.
  """
  @spec flush(timeout_ms :: non_neg_integer()) :: :ok | {:error, atom()}
  def flush(timeout_ms \\ 5_000) do
    if Runtime.get(), do: Buffer.flush(timeout_ms), else: :ok
  end

  @doc """
  Returns what became of the spans so far; `recorded == acked + dropped + buffered`.

    * `recorded`: spans that have ended since `init/1`
    * `acked`: of them, on the node's disk
    * `dropped`: of them, lost: the buffer was full, or the daemon refused them
    * `buffered`: of them, on their way
    * `token`: the node's newest token, `""` before the daemon has been heard
    * `last_error`: the last thing that went wrong, for people
  """
  @spec status() :: %{
          recorded: non_neg_integer(),
          acked: non_neg_integer(),
          dropped: non_neg_integer(),
          buffered: non_neg_integer(),
          token: String.t(),
          last_error: String.t()
        }
  def status do
    runtime = Runtime.get()
    {recorded, acked, dropped} = if runtime, do: Runtime.counts(runtime), else: {0, 0, 0}

    %{
      recorded: recorded,
      acked: acked,
      dropped: dropped,
      buffered: recorded - acked - dropped,
      token: Runtime.recall(runtime, :token),
      last_error: Runtime.recall(runtime, :last_error)
    }
  end

  @doc """
  Stops recording: sends what is buffered, says goodbye. The stop of the application does it too.

  Waits at most `timeout_ms`; without a daemon that answers it returns at once.
  """
  @spec shutdown(timeout_ms :: non_neg_integer()) :: :ok
  def shutdown(timeout_ms \\ 5_000), do: Recorder.stop(timeout_ms)

  @doc false
  def enter_trace(name, options), do: enter(parent(options, nil), name, options)

  @doc false
  def enter_span(%Context{} = parent, name), do: enter(parent, name, [])
  def enter_span(nil, name), do: enter(nil, name, [])
  def enter_span(name, options), do: enter(parent(options, Context.current()), name, options)

  @doc false
  def enter_span(parent, name, options), do: enter(parent, name, options)

  defp parent(options, default) do
    case is_list(options) && List.keyfind(options, :parent, 0) do
      {:parent, %Context{} = parent} -> parent
      _ -> default
    end
  end

  # Returns what `leave/1` needs: the span's context and the one to put back.
  defp enter(parent, name, options) do
    recording(nil, fn runtime ->
      context = open(runtime, parent, name, options)
      previous = Context.current()
      Context.set(context)
      {context, previous}
    end)
  end

  defp open(runtime, parent, name, options) do
    context = OpenSpans.open(runtime, parent, name, options)

    if options[:durable] == true,
      do: Buffer.announce(OpenSpans.key(context), runtime.durable_timeout_ms)

    context
  end

  @doc false
  def leave(nil), do: :ok

  def leave({context, previous}) do
    Context.set(previous)
    end_span(context)
  end

  @doc false
  def failed(nil, _kind, _reason, _stacktrace), do: :ok

  def failed({context, _}, kind, reason, stacktrace) do
    on(context, fn runtime ->
      Sidespan.Failure.record(runtime, context, kind, reason, stacktrace)
    end)
  end

  defp on(%Context{owner: owner}, fun) when owner != nil, do: recording(:ok, fun)
  defp on(_, _), do: :ok

  defp recording(default, fun) do
    case Runtime.get() do
      nil ->
        default

      runtime ->
        try do
          fun.(runtime)
        catch
          kind, reason ->
            Runtime.note(kind, reason)
            default
        end
    end
  end
end
