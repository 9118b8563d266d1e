"""What the tests of `portolan bench` share: a target, a run of the load, and what it must come to."""

import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from tool import SLOW, ToolTest

SHORT = ("--warm-up", "100ms", "--duration", "500ms")


class BenchTest(ToolTest):
    def target(self, shards=1, *arguments):
        return self.node("--node", "rain", "--service", "bench", "--shards", str(shards),
                         *arguments)

    def bench(self, node, *arguments, code=0):
        """The object that --json prints, of a run that ends with that exit code."""
        got, out, err = self.run_tool("bench", *arguments, "--seed", node.address, "--json",
                                      "--timeout", str(20 * SLOW))
        self.assertEqual(got, code, out + err)
        self.assertEqual(err, "")
        self.assertEqual(out.count("\n"), 1)
        result = json.loads(out)
        self.assertEqual(result["exit"], code)
        return result

    def start_measuring(self, node, *arguments):
        """A run that measures by now."""
        bench = self.start("bench", *arguments, "--seed", node.address, "--json", "--log", "info")
        for line in bench.stderr:
            if "measuring" in line:
                return bench
        self.fail(f"it ended before: {bench.wait()}")

    def assert_whole(self, result):
        """All that was sent has arrived, once and in order, and enough of it to mean something."""
        self.assertEqual((result["lost"], result["reordered"]), (0, 0), result)
        self.assertEqual(result["sent"], result["acknowledged"], result)
        if result["received"] is not None:
            self.assertEqual(result["received"], result["sent"] * result.get("hops", 1) +
                             result.get("bulk", {}).get("sent", 0), result)
        self.assertGreater(result["sent"], 0, result)
        self.assertEqual(result["ending"], "done")
