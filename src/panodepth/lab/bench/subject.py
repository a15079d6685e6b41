"""What is measured: a preset's network (bundled or random weights) or a model file; a picture."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from panodepth.errors import ModelError
from panodepth.model import ModelConfig, SphereViT, load_model, save_model
from panodepth.predict.models import bundled_weights, find_model
from panodepth.size import Size

BRANCH_SCALE = 0.2  # of each residual branch: all of them matter, and the sum stays of order one
LOG_SPREAD = 0.5  # standard deviation of the log-distance, about a room's
TRIAL_STEPS = (8, 16)  # size at which the spread is set, in steps of the backbone


@dataclass(frozen=True)
class Subject:
    """A network and the files to load it from.

    file: .safetensors; onnx: what the route of this name loads. A preset has neither until
    `with_files` makes them. weights: what they hold, shown in the report.
    """

    config: ModelConfig
    file: Path | None = None
    onnx: Path | None = None
    weights: str = "random"


def find_subject(name_or_path: str) -> Subject:
    """Any model that `panodepth predict` takes. Raises ModelError, also without onnxruntime."""
    name, path = find_model(name_or_path)
    if path.suffix.lower() != ".onnx":
        return Subject(load_model(path).config, file=path, weights=name)
    from panodepth.predict.onnx_backend import load_onnx

    facts = load_onnx(path, device="cpu").facts
    size = (int(facts["height"]), int(facts["width"]))
    config = replace(ModelConfig.from_json(facts["config"]), size=size)
    return Subject(config, onnx=path, weights=f"{name}, {facts['precision']}")


def with_files(subject: Subject, folder: Path, *, onnx: bool) -> Subject:
    """The subject with the files it lacks, made in a folder. onnx: an ONNX file too."""
    if subject.file is None and subject.onnx is None:
        subject = _with_weights(subject, folder)
    if onnx and subject.onnx is None and subject.file is not None:
        from panodepth.onnx.onnx_file import OnnxOptions, build_onnx, write_onnx

        path = folder / f"{subject.config.name}.onnx"
        write_onnx(build_onnx(load_model(subject.file), OnnxOptions()), path)
        subject = replace(subject, onnx=path)
    return subject


def _with_weights(subject: Subject, folder: Path) -> Subject:
    """The bundled weights, if they are of this network, else random ones; float32."""
    try:
        bundled = bundled_weights()
        if load_model(bundled).config == subject.config:
            return replace(subject, file=bundled, weights="bundled")
    except ModelError:  # not shipped
        pass
    path = folder / f"{subject.config.name}.safetensors"
    return replace(subject, file=save_model(random_network(subject.config), path))


def random_network(config: ModelConfig) -> SphereViT:
    """A random network in which every layer changes the result, so that a wrong one is noticed.

    As initialised for training, LayerScale would hide the blocks and small weights would make
    attention uniform. Here linear layers keep the variance, residual branches are scaled by
    BRANCH_SCALE, and the result to LOG_SPREAD.
    """
    torch.manual_seed(0)
    network = SphereViT(config).eval()
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith(("scale_attention", "scale_mlp", "gamma")):
                parameter.fill_(BRANCH_SCALE)
        for module in network.modules():
            if isinstance(module, nn.Linear):
                module.weight *= module.in_features**-0.5 / module.weight.std()
        size = (TRIAL_STEPS[0] * config.step, TRIAL_STEPS[1] * config.step)
        spread = network.forward_raw(sample_picture(size))[0].std()
        network.head.out.weight *= LOG_SPREAD / spread.clamp(min=1e-6)
    return network


def sample_picture(size: Size, batch: int = 1) -> Tensor:
    """(batch, 3, h, w) in [0, 1]: the same soft blobs of colour and a little noise, `batch` times.

    size: (h, w).
    """
    generator = torch.Generator().manual_seed(0)
    blobs = torch.rand(1, 3, 9, 18, generator=generator)
    soft = F.interpolate(blobs, size=size, mode="bicubic")
    noise = 0.05 * torch.randn(1, 3, *size, generator=generator)
    return (soft + noise).clamp(0, 1).expand(batch, -1, -1, -1).contiguous()
