defmodule Sidespan.Settings do
  @moduledoc false
  # What a recorder is made from: options, then the application's environment, then the process's.

  alias Sidespan.Limits

  @enforce_keys [:service, :address, :buffer_bytes_max, :mark_after_ms, :durable_timeout_ms] ++
                  [:exit_timeout_ms]
  defstruct @enforce_keys

  @type t :: %__MODULE__{
          service: String.t(),
          address: String.t(),
          buffer_bytes_max: pos_integer(),
          mark_after_ms: non_neg_integer(),
          durable_timeout_ms: non_neg_integer(),
          exit_timeout_ms: non_neg_integer()
        }

  @system_socket "/run/sidespan/ingest.sock"

  @doc "Returns the settings for `options`; `service` falls back to a name that says it is unknown."
  @spec new(keyword()) :: t()
  def new(options) do
    %__MODULE__{
      service: to_string(option(options, :service) || service() || "unknown_service:elixir"),
      address: to_string(option(options, :socket) || ""),
      buffer_bytes_max: option(options, :buffer_bytes_max) || Limits.buffer_bytes_max(),
      mark_after_ms: option(options, :mark_after_ms) || Limits.mark_after_ms(),
      durable_timeout_ms: option(options, :durable_timeout_ms) || Limits.durable_timeout_ms(),
      exit_timeout_ms: option(options, :exit_timeout_ms) || Limits.exit_timeout_ms()
    }
  end

  @doc "Tells whether the environment of the application or of the process names a service."
  @spec named?() :: boolean()
  def named?, do: Application.get_env(:sidespan, :service) != nil or service() != nil

  @doc "Tells whether SIDESPAN_DISABLED is set to 1, true, yes or on."
  @spec disabled?() :: boolean()
  def disabled? do
    value = variable("SIDESPAN_DISABLED") || ""
    String.downcase(String.trim(value)) in ["1", "true", "yes", "on"]
  end

  @doc """
  Returns the path of the daemon's socket: what the program gave, else `SIDESPAN_SOCKET`, else the
  socket of this user when there is one, else that of the system.

  `given` is a path, `unix://PATH`, or `""` for nothing. It is to be asked at each connect.
  """
  @spec path(String.t(), (String.t() -> String.t() | nil), (String.t() -> boolean())) ::
          {:ok, String.t()} | {:error, String.t()}
  def path(given, variable \\ &variable/1, exists? \\ &File.exists?/1) do
    address = if given == "", do: variable.("SIDESPAN_SOCKET") || "", else: given

    cond do
      address == "" ->
        {:ok, default_socket(variable.("XDG_RUNTIME_DIR"), exists?)}

      String.starts_with?(address, "unix://") ->
        {:ok, String.replace_prefix(address, "unix://", "")}

      address =~ "://" ->
        {:error, "address #{inspect(address)}: expected a path or unix://PATH"}

      true ->
        {:ok, address}
    end
  end

  defp default_socket(nil, _exists?), do: @system_socket

  defp default_socket(directory, exists?) do
    path = Path.join(directory, "sidespan/ingest.sock")
    if exists?.(path), do: path, else: @system_socket
  end

  defp option(options, key), do: options[key] || Application.get_env(:sidespan, key)
  defp service, do: variable("SIDESPAN_SERVICE") || variable("OTEL_SERVICE_NAME")

  defp variable(name) do
    case System.get_env(name) do
      "" -> nil
      value -> value
    end
  end
end
