defmodule Sidespan.ProgramTest do
  use ExUnit.Case, async: true
  @moduletag timeout: 120_000

  import Sidespan.Help
  alias Sidespan.Peer

  @root Path.expand("..", __DIR__)
  @many ~S"""
  require Sidespan
  Sidespan.init(service: "s")
  for n <- 1..1_000, do: Sidespan.span("step", attributes: [n: n], do: :ok)
  """

  setup do
    socket = Path.join(directory(), "s")
    {:ok, peer} = Peer.start_link(socket, seed: 11)
    %{peer: peer, environment: [{"SIDESPAN_SOCKET", socket}]}
  end

  test "the programs of the README run, silently, and their spans arrive", context do
    readme = File.read!(Path.join(@root, "README.md"))
    programs = for [_, text] <- Regex.scan(~r/```elixir\n(.*?)```/s, readme), do: text
    assert [_dependency | programs] = programs
    assert length(programs) == 4

    for program <- programs, do: assert({0, ""} = run_vm(program, context.environment))

    spans = Map.new(Peer.spans(context.peer), &{&1.name, &1})

    expected =
      ~w(agent.handle_message reasoning_loop handle plan call choose pay order serve perform)

    assert Enum.sort(Map.keys(spans)) == Enum.sort(expected)
    assert spans["serve"].parent_id == spans["order"].span_id
    assert spans["perform"].parent_id == spans["order"].span_id
    assert spans["call"].attributes == %{"rpc.method" => "Run"}
    assert spans["pay"].attributes == %{"sidespan.cites" => [Peer.token()]}
    assert [%{span_id: chosen}] = spans["pay"].links
    assert chosen == spans["choose"].span_id
  end

  test "the README names every public function" do
    readme = File.read!(Path.join(@root, "README.md"))
    {:docs_v1, _, _, _, _, _, docs} = Code.fetch_docs(Sidespan)

    names =
      for {{kind, name, _}, _, _, doc, _} <- docs,
          kind in [:function, :macro],
          doc != :hidden,
          do: name

    left_out =
      [:get_current_context, :set_current_context, :clear_current_context] ++
        [:restore_current_context]

    missing = for name <- Enum.uniq(names) -- left_out, not (readme =~ ~r/\b#{name}\b/), do: name
    assert missing == []
  end

  test "the sample prints its answer, and its spans are one trace", context do
    program = File.read!(Path.join(@root, "samples/basic/agent.exs"))
    assert {0, "rain jacket for Sunday\n"} = run_vm(program, context.environment)
    spans = Peer.spans(context.peer)
    root = Enum.find(spans, &(&1.parent_id == ""))
    assert length(spans) == 4
    assert Enum.all?(spans -- [root], &(&1.parent_id == root.span_id))
  end

  for {name, ending} <- [stop: "System.stop(0); Process.sleep(:infinity)", end: ""] do
    test "what is buffered is sent before the VM ends: #{name}", context do
      assert {0, ""} = run_vm(@many <> unquote(ending), context.environment)
      assert length(Peer.spans(context.peer)) == 1_000
      assert <<3, 0::64>> = List.last(Peer.heard(context.peer))
    end
  end

  test "what is buffered is sent before the VM ends: SIGTERM", context do
    program = @many <> ~S'System.cmd("kill", ["-TERM", System.pid()]); Process.sleep(:infinity)'
    assert {0, _} = run_vm(program, context.environment)
    assert length(Peer.spans(context.peer)) == 1_000
  end

  test "the end does not wait for a daemon that is not there, and says nothing" do
    assert {0, ""} = run_vm(@many, [{"SIDESPAN_SOCKET", "/nonexistent/socket"}])
  end

  test "a service in the environment starts recording; SIDESPAN_DISABLED stops it", context do
    program = ~S'require Sidespan; Sidespan.span("only", do: :ok)'
    named = [{"SIDESPAN_SERVICE", "s"} | context.environment]
    assert {0, ""} = run_vm(program, context.environment)
    assert {0, ""} = run_vm(program, [{"SIDESPAN_DISABLED", "1"} | named])
    assert Peer.heard(context.peer) == []
    assert {0, ""} = run_vm(program, named)
    assert [%{name: "only"}] = Peer.spans(context.peer)
  end

  test "the user's socket is taken when there is one", context do
    [{_, socket}] = context.environment
    directory = Path.join(Path.dirname(socket), "sidespan")
    File.mkdir_p!(directory)
    {:ok, peer} = Peer.start_link(Path.join(directory, "ingest.sock"), seed: 12)
    program = ~S'require Sidespan; Sidespan.span("found", do: :ok)'
    environment = [{"XDG_RUNTIME_DIR", Path.dirname(socket)}, {"SIDESPAN_SERVICE", "s"}]
    assert {0, ""} = run_vm(program, environment)
    assert [%{name: "found"}] = Peer.spans(peer)
  end
end
