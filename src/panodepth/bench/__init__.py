"""The yardstick of the network's speed, and how much arithmetic it is."""

from panodepth.bench.flops import network_flops
from panodepth.bench.plain import plain_forward

__all__ = ["network_flops", "plain_forward"]
