"""What a service is started with: every option, once."""

from __future__ import annotations

from dataclasses import dataclass

from panodepth.errors import ConfigError
from panodepth.options import option
from panodepth.strict import check_numbers

KEY_VARIABLE = "PANODEPTH_API_KEY"  # of the environment; a command line is seen by other users


@dataclass(frozen=True, kw_only=True)
class ServeOptions:
    """Limits of one service. Raises ConfigError for values that cannot be.

    host, port: where it listens; only this machine sees 127.0.0.1. port 0: any that is free.
    queue: pictures that wait or are worked on; one more is refused with 429.
    max_megabytes, max_megapixels: of a picture, checked before it is decoded.
    seconds: that one picture may take, waiting included; then 503. body_seconds: that sending it
        may take; then 408.
    cache_megabytes: results kept in memory; 0 = none. jobs, job_megabytes: finished ones that are
        kept, the last one whatever its size.
    stop_seconds: that pictures in work get after SIGTERM.
    """

    host: str = option("127.0.0.1", "Address to listen on; 0.0.0.0 = for other machines too.")
    port: int = option(8360, "Port; 0 = any that is free.", min=0, max=65535)
    queue: int = option(32, "Pictures in progress or waiting; more get 429.", min=1)
    max_megabytes: float = option(64.0, "Largest file of a picture.", min=0.001)
    max_megapixels: float = option(140.0, "Largest picture.", min=0.001)
    seconds: float = option(120.0, "Longest time for a picture [s].", min=0.1)
    body_seconds: float = option(30.0, "Longest time for sending a picture [s].", min=0.1)
    cache_megabytes: float = option(256.0, "Results kept in memory; 0 = none.", min=0)
    jobs: int = option(64, "Finished jobs kept.", min=1)
    job_megabytes: float = option(1000.0, "Results of finished jobs kept in memory.", min=0)
    stop_seconds: float = option(
        60.0, "Time to finish pictures in progress when stopped [s].", min=0
    )

    def __post_init__(self) -> None:
        if not self.host:
            raise ConfigError("--host is empty; 127.0.0.1 is this machine alone")
        check_numbers(self)
