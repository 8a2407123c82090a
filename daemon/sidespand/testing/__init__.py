"""What authors of sinks test theirs with: the contract that every sink of the daemon keeps.

    from sidespand.testing import SinkContract

    class TestMySink(SinkContract):
        @asynccontextmanager
        async def side(self, place):
            async with my_server() as server:
                yield MySide(server)

Run by pytest, the suite carries spans out of a real journal to the sink: all of them, in order,
again, after trouble, and after a restart. docs/sinks.md has a sink as an example.
"""

from sidespand.testing.sink_contract import Side, SinkContract
from sidespand.testing.stores import eventually, written

__all__ = ["Side", "SinkContract", "eventually", "written"]
