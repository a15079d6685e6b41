"""accelerate underneath: devices, processes, precision; the same code on one CPU and many GPUs.

`accelerate launch -m panodepth train ...` starts the processes. Gradients are averaged by DDP, or
by FSDP version 2, which also splits weights, average and optimiser over the processes. bfloat16 is
accelerate's mixed precision; parameters, the network's head and the loss stay float32.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any

import torch
from torch import Tensor, nn

from panodepth.device import choose_device, has_fast_bfloat16
from panodepth.errors import ConfigError

COLLECTIVE_HOURS = 2  # others wait this long while rank 0 validates or a rank renders
# What FSDP gathers at a time. A block's attention bias is computed outside of its forward pass.
SHARD_UNITS = ("Block", "GreatCircleBias")

# What gloo and NCCL say when a process that they talk to is gone.
LOST_PROCESS = ("gloo/transport", "Connection closed by peer", "remote process exited")


def lost_process(error: BaseException) -> bool:
    """Whether it comes of another process of the run that ended, or cannot be reached any more."""
    return isinstance(error, RuntimeError) and any(words in str(error) for words in LOST_PROCESS)


def use_bf16(precision: str, device: torch.device) -> bool:
    """Whether to compute in bfloat16; precision: bf16, fp32, or auto: where the hardware has it."""
    return has_fast_bfloat16(device) if precision == "auto" else precision == "bf16"


def import_accelerate() -> Any:
    """The accelerate package. Raises ConfigError that says how to install it."""
    try:
        import accelerate
    except ImportError:
        raise ConfigError(
            'training needs accelerate, which is not installed: pip install "panodepth[train]"'
        ) from None
    return accelerate


class Engine:
    """One process of a run.

    device_name: as in `run.device`. precision: as in `run.precision`. unused_parameters: whether
    some trained parameter may stay without a gradient. rank, world: number of this process, and how
    many there are. Raises ConfigError for a device or a launch that
    is not supported.
    """

    def __init__(self, device_name: str, precision: str, *, unused_parameters: bool) -> None:
        accelerate = import_accelerate()
        device = choose_device(device_name)
        launched = int(os.environ.get("WORLD_SIZE", "1")) > 1
        if device.index is not None:
            if launched:
                raise ConfigError(f"run.device is {device_name!r}; with several processes leave it")
            torch.cuda.set_device(device)
        _forget_earlier_runs(accelerate, launched)
        self.bf16 = use_bf16(precision, device)
        handlers = [
            accelerate.DistributedDataParallelKwargs(find_unused_parameters=unused_parameters),
            accelerate.InitProcessGroupKwargs(timeout=timedelta(hours=COLLECTIVE_HOURS)),
        ]
        try:
            self.accelerator = accelerate.Accelerator(
                mixed_precision="bf16" if self.bf16 else "no",
                cpu=device.type == "cpu",
                kwargs_handlers=handlers,
            )
        except (ValueError, NotImplementedError) as error:
            raise ConfigError(f"accelerate cannot start: {error}") from None
        self.device: torch.device = self.accelerator.device
        self.rank: int = self.accelerator.process_index
        self.world: int = self.accelerator.num_processes
        self.sharded = self._check_kind()

    @property
    def is_main(self) -> bool:
        """Whether this process writes files and prints."""
        return self.rank == 0

    def _check_kind(self) -> bool:
        kind = str(getattr(self.accelerator.distributed_type, "value", ""))
        if kind == "FSDP":
            plugin = self.accelerator.state.fsdp_plugin
            if plugin.fsdp_version != 2:
                raise ConfigError(
                    "FSDP version 1 cannot be resumed: use accelerate launch --fsdp_version 2"
                )
            # autocast does the bfloat16, so that the head keeps its float32 weights
            plugin.mixed_precision_policy = None
            plugin.cpu_ram_efficient_loading = False  # every process has the weights already
            return True
        if kind not in ("NO", "MULTI_CPU", "MULTI_GPU", "MULTI_XPU", "MULTI_NPU"):
            raise ConfigError(f"accelerate's {kind} is not supported: use DDP or FSDP version 2")
        return False

    def prepare(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> tuple[Any, Any]:
        """The model to call and the optimiser to step; the given model's names stay as they are."""
        if self.world > 1 and not self.sharded:
            keep_strides(model)
        found = {type(module).__name__ for module in model.modules()}
        model._no_split_modules = [n for n in SHARD_UNITS if n in found]  # type: ignore[assignment]
        prepared, stepper = self.accelerator.prepare(model, optimizer)
        # accelerate puts autocast into `forward`; here it is around the call (`autocast`), outside
        # of what is compiled
        for name in ("forward", "_original_forward"):
            model.__dict__.pop(name, None)
        if self.sharded:
            gather_for_methods(model)
        return prepared, stepper

    def autocast(self) -> Any:
        """Context of the forward pass."""
        return self.accelerator.autocast()

    @contextlib.contextmanager
    def gather_gradients(self, model: nn.Module, *, now: bool) -> Iterator[None]:
        """Context of one batch's forward and backward pass.

        now: whether processes exchange gradients; else they are added up for a later batch.
        """
        if now:
            yield
        else:
            with self.accelerator.no_sync(model):
                yield

    def clip(self, model: nn.Module, limit: float) -> Tensor:
        """Scale the gradients down to a total norm of `limit`; returns the norm before, ()."""
        norm = self.accelerator.clip_grad_norm_(model.parameters(), limit)
        return full_tensor(norm)

    def any(self, flags: Tensor) -> Tensor:
        """Whether each flag is set in some process; the CPU does not wait for it. All (n,) bool."""
        if self.world == 1:
            return flags
        counts: Tensor = self.accelerator.reduce(flags.float(), reduction="sum")
        return counts > 0

    def mean(self, values: Mapping[str, float]) -> dict[str, float]:
        """The mean over the processes; all of them call it with the same names."""
        if self.world == 1 or not values:
            return dict(values)
        numbers = torch.tensor(list(values.values()), dtype=torch.float32, device=self.device)
        means = self.accelerator.reduce(numbers, reduction="mean").tolist()
        return dict(zip(values, means, strict=True))

    def gather(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Whole tensors, in rank 0 alone; others get an empty dict. All processes call it.

        tensors: (...) each. Those that are not sharded are passed on as they are.
        """
        gathered = {}
        for name, tensor in tensors.items():
            whole = full_tensor(tensor)
            if self.is_main:
                gathered[name] = whole.cpu() if whole is not tensor else tensor
        return gathered

    def wait(self) -> None:
        """Until all processes are here."""
        if self.world > 1:
            self.accelerator.wait_for_everyone()

    def close(self) -> None:
        """Leave the group of processes; nothing can be trained afterwards."""
        if self.world > 1:
            torch.distributed.destroy_process_group()


def full_tensor(tensor: Tensor) -> Tensor:
    """The whole of a sharded tensor (...), from all processes; any other tensor itself."""
    if hasattr(tensor, "full_tensor"):
        whole: Tensor = tensor.full_tensor()
        return whole
    return tensor


def gather_for_methods(model: nn.Module) -> None:
    """Let FSDP also gather a unit's weights for the methods that are called beside `forward`."""
    from torch.distributed.fsdp import FSDPModule, register_fsdp_forward_method

    for module in model.modules():
        if isinstance(module, FSDPModule) and hasattr(module, "by_row"):
            register_fsdp_forward_method(module, "by_row")


def local(tensor: Tensor) -> Tensor:
    """This process's part of a sharded tensor (...); any other tensor itself."""
    if hasattr(tensor, "to_local"):
        part: Tensor = tensor.to_local()
        return part
    return tensor


def shard_like(whole: Tensor, like: Tensor) -> Tensor:
    """`whole` (...) on the device of `like` (...), and sharded as `like` is."""
    moved = whole.to(device=like.device, dtype=like.dtype)
    if not hasattr(like, "to_local"):
        return moved
    from torch.distributed.tensor import DTensor, distribute_tensor

    assert isinstance(like, DTensor)
    return distribute_tensor(moved, like.device_mesh, like.placements)


def launched_first() -> bool:
    """Whether this is the first process of a launch, or the only one."""
    return os.environ.get("RANK", "0") == "0"


def keep_strides(model: nn.Module) -> None:
    """Lay gradients out as their parameters are, as DDP's buckets want them: else it warns.

    Convolutions of 1x1 give the same numbers with other strides along sides of length one.
    """

    def like(parameter: nn.Parameter) -> Callable[[Tensor], Tensor]:
        def laid_out(gradient: Tensor) -> Tensor:
            if gradient.stride() == parameter.stride():
                return gradient
            return torch.empty_like(parameter).copy_(gradient)

        return laid_out

    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.register_hook(like(parameter))  # type: ignore[no-untyped-call]


def _forget_earlier_runs(accelerate: Any, launched: bool) -> None:
    """Reset accelerate's state of this process: a second run in it may want another precision."""
    accelerate.state.AcceleratorState._reset_state(reset_partial_state=not launched)
    accelerate.state.GradientState._reset_state()
