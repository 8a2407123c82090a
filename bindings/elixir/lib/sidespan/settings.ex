defmodule Sidespan.Settings do
  @moduledoc false
  # What a recorder is made from: options, then the application's environment, then the process's.

  alias Sidespan.Limits

  @enforce_keys [:service, :address, :buffer_bytes_max, :exit_timeout_ms]
  defstruct @enforce_keys

  @type t :: %__MODULE__{
          service: String.t(),
          address: String.t(),
          buffer_bytes_max: pos_integer(),
          exit_timeout_ms: non_neg_integer()
        }

  @system_socket "/run/sidespan/ingest.sock"

  @doc "Returns the settings for `options`; `service` falls back to a name that says it is unknown."
  @spec new(keyword()) :: t()
  def new(options) do
    %__MODULE__{
      service: to_string(option(options, :service) || service() || "unknown_service:elixir"),
      address: to_string(option(options, :socket) || variable("SIDESPAN_SOCKET") || ""),
      buffer_bytes_max: option(options, :buffer_bytes_max) || Limits.buffer_bytes_max(),
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
  Returns the path of an address: a path, `unix://PATH`, or `""` for the socket of this user when
  there is one, else that of the system. It is looked for at each connect.
  """
  @spec path(String.t()) :: {:ok, String.t()} | {:error, String.t()}
  def path(""), do: {:ok, default_socket()}
  def path("unix://" <> path), do: {:ok, path}

  def path(address) do
    if String.contains?(address, "://"),
      do: {:error, "address #{inspect(address)}: expected a path or unix://PATH"},
      else: {:ok, address}
  end

  defp default_socket do
    with directory when directory != nil <- variable("XDG_RUNTIME_DIR"),
         path = Path.join(directory, "sidespan/ingest.sock"),
         true <- File.exists?(path) do
      path
    else
      _ -> @system_socket
    end
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
