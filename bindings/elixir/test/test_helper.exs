python = Sidespan.RealDaemon.python()
present? = File.exists?(python)
ci? = System.get_env("CI") not in [nil, ""]

unless present? do
  IO.puts("No daemon at #{python}: tests that need one are left out. Set SIDESPAN_TEST_PYTHON.")
  if ci?, do: System.halt(1)
end

disks? = present? and Sidespan.RealDaemon.disks?()

if present? and not disks? do
  IO.puts("No mount of its own for a process: the test on a full disk is left out.")
  if ci?, do: System.halt(1)
end

# The tests choose for themselves what is recorded where.
for name <- ~w(SIDESPAN_SERVICE OTEL_SERVICE_NAME SIDESPAN_SOCKET SIDESPAN_DISABLED) do
  System.delete_env(name)
end

# Tests look at what is logged: nothing.
{:ok, _} = Application.ensure_all_started(:logger)

left_out = for {tag, false} <- [daemon: present?, disk: disks?], do: tag
ExUnit.start(exclude: left_out)
