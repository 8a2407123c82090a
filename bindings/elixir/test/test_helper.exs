python = Sidespan.RealDaemon.python()
present? = File.exists?(python)
ci? = System.get_env("CI") not in [nil, ""]

unless present? do
  IO.puts("No daemon at #{python}: tests that need one are left out. Set SIDESPAN_TEST_PYTHON.")
  if ci?, do: System.halt(1)
end

# The tests choose for themselves what is recorded where.
for name <- ~w(SIDESPAN_SERVICE OTEL_SERVICE_NAME SIDESPAN_SOCKET SIDESPAN_DISABLED) do
  System.delete_env(name)
end

# Tests look at what is logged: nothing.
{:ok, _} = Application.ensure_all_started(:logger)

ExUnit.start(exclude: if(present?, do: [], else: [:daemon]))
