defmodule Sidespan.Failure do
  @moduledoc false
  # What a span says of what left its block.

  alias Sidespan.{Limits, OpenSpans, Runtime, Value}

  @stacktrace_bytes_max Limits.stacktrace_bytes_max()

  @doc """
  Adds an `exception` event, and the status error.

  A throw and an exit by plan (`:normal`, `:shutdown`) steer the program; they fail nothing.
  """
  @spec record(Runtime.t(), Sidespan.Context.t(), atom(), term(), list()) :: :ok
  def record(runtime, context, kind, reason, stacktrace) do
    {type, message} = describe(kind, reason)

    OpenSpans.add_event(runtime, context, "exception", %{
      "exception.type" => type,
      "exception.message" => message,
      "exception.stacktrace" => stacktrace(stacktrace)
    })

    if failure?(kind, reason) do
      OpenSpans.set_attributes(runtime, context, %{"error.type" => type})
      OpenSpans.fail(runtime, context, "#{type}: #{message}")
    end

    :ok
  end

  defp failure?(:error, _reason), do: true
  defp failure?(:exit, {:shutdown, _}), do: false
  defp failure?(:exit, reason), do: reason not in [:normal, :shutdown]
  defp failure?(:throw, _value), do: false

  defp describe(:error, reason) do
    error = Exception.normalize(:error, reason)
    {Value.inspected(error.__struct__), Exception.message(error)}
  catch
    _, _ -> {"error", Value.inspected(reason)}
  end

  defp describe(kind, reason), do: {Atom.to_string(kind), Value.inspected(reason)}

  # The end of a long one is cut: the call that failed comes first.
  defp stacktrace(stacktrace) do
    text = Exception.format_stacktrace(stacktrace)
    Value.text(text, @stacktrace_bytes_max)
  catch
    _, _ -> ""
  end
end
