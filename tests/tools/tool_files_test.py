#!/usr/bin/env python3
"""`portolan run` and the descriptors that it may have: all that there are, and none left."""

import socket
import unittest

from tool import LIMIT, SECRET, Node, ToolTest

FILES = 90  # of the node: some 40 of them are its own
STRANGERS = 200


class FilesTest(ToolTest):
    def limited_node(self, soft, hard):
        node = Node(self.home, "--bind", "127.0.0.1:0", "--shards", "2", "--secret", SECRET,
                    "--service", "echo", files=(soft, hard))
        self.addCleanup(node.kill)
        return node

    def test_soft_limit_is_raised_to_the_hard_one_and_told(self):
        node = self.limited_node(128, 1000)
        self.assertEqual(node.stop()[0], 0)
        self.assertIn("at most 1000 open files", node.logged())

    def test_node_whose_descriptors_strangers_hold_lets_its_peers_in_and_says_so_once(self):
        node = self.limited_node(FILES, FILES)
        host, port = node.address.rsplit(":", 1)
        strangers = []
        for i in range(3):
            for _ in range(STRANGERS // 3):
                strangers.append(socket.create_connection(
                    (host, int(port)), LIMIT, source_address=("127.0.0.2", 0)))
            self.assert_prints([i], "cal", f"{node.id}#echo", "say", str(i), "--seed", node.address,
                               "--secret", SECRET)
        for stranger in strangers:
            stranger.close()
        self.assertEqual(node.stop()[0], 0)
        self.assertEqual(node.logged().count("no descriptor is left"), 1)


if __name__ == "__main__":
    unittest.main()
