"""
perf/peers/portolan.py - portolan among its peers: a node of its own, loaded by `portolan bench`.
"""
from systems import System


class Portolan(System):
    def __init__(self):
        super().__init__("portolan", "portolan", "")

    def missing(self, builds):
        return ["portolan bench"]
