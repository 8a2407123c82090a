defmodule Sidespan.FullDiskTest do
  use ExUnit.Case, async: false
  @moduletag :disk
  @moduletag timeout: 120_000

  require Sidespan
  import Sidespan.Help
  alias Sidespan.RealDaemon

  @disk_bytes 32 * 1024 * 1024
  @spans 3_000

  test "a full disk changes nothing for the host; with room again everything is stored once" do
    node = RealDaemon.new(directory())
    # Segments as small as can be are soon full, and no older one gives way to the next.
    File.write!(node.config, ~s([journal]\nsegment_bytes = "1MiB"\ndisk_free_min = "0%"\n))
    port = RealDaemon.start_on_disk(node, @disk_bytes)
    on_exit(fn -> RealDaemon.release(node, port) end)
    record(node.socket, durable_timeout_ms: 50)
    Sidespan.span("before", do: :ok)
    assert :ok = Sidespan.flush()

    filler = Path.join(RealDaemon.disk(node), "filler")
    fill(filler)

    for number <- 1..@spans do
      # Random, so that no compression makes it fit.
      attributes = [noise: Base.encode16(:crypto.strong_rand_bytes(1_000))]
      assert Sidespan.span("during", [attributes: attributes], do: number) == number
    end

    wait_until(fn -> Sidespan.status().last_error =~ "not taken" end, "the refusal")

    assert Sidespan.trace("pay", [durable: true], do: {:paid, Sidespan.durable?()}) ==
             {:paid, false}

    assert {:error, :timeout} = Sidespan.flush(200)
    status = Sidespan.status()
    assert status.recorded == @spans + 2 and status.dropped == 0
    assert status.acked < status.recorded
    assert status.last_error =~ "not taken"

    File.rm!(filler)
    assert :ok = Sidespan.flush(60_000)
    assert %{acked: acked, recorded: acked, dropped: 0, buffered: 0} = Sidespan.status()
  end

  # Writes until there is no room, to a file that only a disk of its own can hold.
  defp fill(path) do
    file = File.open!(path, [:raw, :write])
    fill(file, div(@disk_bytes, 4096))
    :ok = :file.close(file)
  end

  defp fill(_file, 0), do: flunk("the disk has more room than was given to it")

  defp fill(file, left) do
    with :ok <- :file.write(file, :binary.copy(<<0>>, 4096)), do: fill(file, left - 1)
  end
end
