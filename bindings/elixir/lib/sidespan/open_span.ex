defmodule Sidespan.OpenSpan do
  @moduledoc false
  # The row of an open span in its table.
  #
  #   * `key`: the owner and the span id, so that the spans of one process lie side by side
  #   * `head`, `flags`: parts of its encoding that do not change
  #   * `start_ns`, `start_monotonic_ns`: one reading, by both clocks
  #   * `attributes`: those it was opened with
  #   * `bytes`, `events`, `links`: what it holds, against its bounds
  #   * `dropped_attributes`: how many were refused
  #   * `told`: how many additions the daemon has been told of, `-1` before the first mark
  #   * `news`: below zero before the first mark; then additions since the last one
  #   * `durable?`: whether a mark is on the node's disk

  require Record

  # No span has as many additions as would make this positive.
  @young -0x0100000000000000

  Record.defrecord(:open_span, __MODULE__,
    key: nil,
    head: <<>>,
    flags: 0,
    start_ns: 0,
    start_monotonic_ns: 0,
    attributes: [],
    bytes: 0,
    events: 0,
    links: 0,
    dropped_attributes: 0,
    told: -1,
    news: @young,
    durable?: false
  )

  @type key :: {owner :: pid(), span_id :: String.t()}

  @doc "The value of `news` before the first mark."
  def young, do: @young

  @doc "The position of a field in the row, as ETS counts."
  defmacro at(field) do
    quote do: Sidespan.OpenSpan.open_span(unquote(field)) + 1
  end
end
