"""What the demo is started with: every option, once."""

from __future__ import annotations

from dataclasses import dataclass

from panodepth.errors import ConfigError
from panodepth.options import option
from panodepth.strict import check_numbers


@dataclass(frozen=True, kw_only=True)
class AppOptions:
    """Limits of one demo. Raises ConfigError for values that cannot be.

    host, port: where it listens; only this machine sees 127.0.0.1. port 0: any that is free.
    queue: pictures of all visitors that wait or are worked on; one more is refused.
    pictures: of one visitor at a time. max_megabytes, max_megapixels: of a picture, checked before
        it is decoded. seconds: that one picture may take, waiting included.
    kept_minutes: that a result is kept after it was last asked for. kept_megabytes: of all results
        in memory, of which the oldest go first and at least one stays; and of all uploads on the
        disk, above which no more are taken.
    """

    host: str = option("127.0.0.1", "Address to listen on; 0.0.0.0 = for other machines too.")
    port: int = option(7860, "Port; 0 = any that is free.", min=0, max=65535)
    queue: int = option(16, "Pictures in progress or waiting; more are refused.", min=1)
    pictures: int = option(16, "Pictures at a time from one visitor.", min=1)
    max_megabytes: float = option(64.0, "Largest file of a picture.", min=0.001)
    max_megapixels: float = option(34.0, "Largest picture; 8192x4096 is 34.", min=0.001)
    seconds: float = option(120.0, "Longest time for a picture [s].", min=0.1)
    kept_minutes: float = option(30.0, "How long a result is kept [minutes].", min=0.1)
    kept_megabytes: float = option(
        2000.0, "Results kept in memory [MB], and as much of uploads on disk.", min=1
    )

    def __post_init__(self) -> None:
        if not self.host:
            raise ConfigError("--host is empty; 127.0.0.1 is this machine alone")
        check_numbers(self)
