"""The yardstick of the network's speed, and how much arithmetic it is."""

from panodepth.lab.bench.flops import network_flops
from panodepth.lab.bench.plain import plain_forward

__all__ = ["network_flops", "plain_forward"]
