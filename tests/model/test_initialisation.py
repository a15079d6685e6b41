"""Starting from DINOv2, from the DA² release and from files of ours: what is taken, and exactly."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor

from panodepth.errors import ModelError
from panodepth.model import SphereViT, load_model, save_model
from panodepth.model.initialisation import APART, initialise
from panodepth.model.keymap import dinov2_keys, released_keys

Build = Callable[..., SphereViT]
State = dict[str, Tensor]

DIM, DEPTH, GRID = 128, 4, 37  # two heads of 64, as wide as every DINOv2's
SIZES: dict[str, Any] = {"dim": DIM, "depth": DEPTH, "heads": 2, "position_grid": GRID}
OWN: dict[str, Any] = {"wrap_padding": True, "periodic_embedding": True, "latitude_positions": True}


def random_tensor(*shape: int, scale: float = 0.05) -> Tensor:
    return scale * torch.randn(*shape)


def transformers_state() -> State:
    """Random DINOv2 weights under the names and in the shapes of `transformers`."""
    torch.manual_seed(3)
    state = {
        "embeddings.cls_token": random_tensor(1, 1, DIM),
        "embeddings.mask_token": torch.zeros(1, DIM),
        "embeddings.position_embeddings": random_tensor(1, 1 + GRID**2, DIM, scale=0.3),
        "embeddings.patch_embeddings.projection.weight": random_tensor(DIM, 3, 14, 14),
        "embeddings.patch_embeddings.projection.bias": random_tensor(DIM),
        "layernorm.weight": 1 + random_tensor(DIM),
        "layernorm.bias": random_tensor(DIM),
    }
    for i in range(DEPTH):
        layer = f"encoder.layer.{i}"
        shapes = {f"attention.attention.{x}": (DIM, DIM) for x in ("query", "key", "value")}
        shapes |= {"attention.output.dense": (DIM, DIM)}
        shapes |= {"mlp.fc1": (4 * DIM, DIM), "mlp.fc2": (DIM, 4 * DIM)}
        for name, (rows, columns) in shapes.items():
            state[f"{layer}.{name}.weight"] = random_tensor(rows, columns, scale=0.1)
            state[f"{layer}.{name}.bias"] = random_tensor(rows)
        for norm in ("norm1", "norm2"):
            state[f"{layer}.{norm}.weight"] = 1 + random_tensor(DIM)
            state[f"{layer}.{norm}.bias"] = random_tensor(DIM)
        for scale in ("layer_scale1", "layer_scale2"):
            state[f"{layer}.{scale}.lambda1"] = 0.5 + random_tensor(DIM)
    return state


def original_state(state: State) -> State:
    """The same weights in the layout of the original code: q, k and v fused."""
    plain = {
        "embeddings.cls_token": "cls_token",
        "embeddings.mask_token": "mask_token",
        "embeddings.position_embeddings": "pos_embed",
        "embeddings.patch_embeddings.projection": "patch_embed.proj",
        "attention.output.dense": "attn.proj",
        "layer_scale1.lambda1": "ls1.gamma",
        "layer_scale2.lambda1": "ls2.gamma",
        "encoder.layer": "blocks",
        "layernorm": "norm",
    }
    fused: State = {}
    for name, tensor in state.items():
        if ".attention.attention." in name:
            continue
        for theirs, original in plain.items():
            name = name.replace(theirs, original)
        fused[name] = tensor
    for i in range(DEPTH):
        parts = [f"encoder.layer.{i}.attention.attention.{x}" for x in ("query", "key", "value")]
        for leaf in ("weight", "bias"):
            fused[f"blocks.{i}.attn.qkv.{leaf}"] = torch.cat([state[f"{p}.{leaf}"] for p in parts])
    return fused


def plain_dinov2(state: State, image: Tensor, positions: Tensor) -> list[Tensor]:
    """The paper's ViT written out on `transformers`' names: normed tokens after each block.

    image: normalised. positions: (1, N, DIM) of the patches.
    """

    def linear(x: Tensor, name: str) -> Tensor:
        return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]

    def norm(x: Tensor, name: str) -> Tensor:
        centred = x - x.mean(-1, keepdim=True)
        deviation = (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt()
        return centred / deviation * state[f"{name}.weight"] + state[f"{name}.bias"]

    patch = "embeddings.patch_embeddings.projection"
    x = F.conv2d(image, state[f"{patch}.weight"], state[f"{patch}.bias"], stride=14)
    x = x.flatten(2).mT + positions
    first = state["embeddings.cls_token"] + state["embeddings.position_embeddings"][:, :1]
    x = torch.cat([first.expand(len(x), -1, -1), x], dim=1)
    maps = []
    for i in range(DEPTH):
        layer = f"encoder.layer.{i}"
        normed = norm(x, f"{layer}.norm1")
        heads = []
        for h in range(2):
            part = slice(64 * h, 64 * (h + 1))
            q, k, v = (
                linear(normed, f"{layer}.attention.attention.{w}")[..., part]
                for w in ("query", "key", "value")
            )
            heads.append(((q @ k.mT) / 8).softmax(-1) @ v)
        attended = linear(torch.cat(heads, -1), f"{layer}.attention.output.dense")
        x = x + state[f"{layer}.layer_scale1.lambda1"] * attended
        inner = linear(norm(x, f"{layer}.norm2"), f"{layer}.mlp.fc1")
        inner = 0.5 * inner * (1 + torch.erf(inner / 2**0.5))
        x = x + state[f"{layer}.layer_scale2.lambda1"] * linear(inner, f"{layer}.mlp.fc2")
        maps.append(norm(x, "layernorm")[:, 1:])
    return maps


@pytest.fixture
def state() -> State:
    return transformers_state()


@pytest.fixture
def dinov2(state: State, tmp_path: Path) -> Path:
    path = tmp_path / "dinov2.safetensors"
    save_file(state, path, metadata={"format": "pt"})
    return path


@pytest.fixture
def build_wide(build: Build) -> Build:
    return lambda **fields: build(**{**SIZES, **fields})


class TestDinov2:
    @pytest.mark.parametrize("layout", ["transformers", "original"])
    def test_features_equal_the_plain_twin(
        self, layout: str, state: State, build_wide: Build, panorama: Tensor, tmp_path: Path
    ) -> None:
        path = tmp_path / "weights.safetensors"
        save_file(state if layout == "transformers" else original_state(state), path)
        model = build_wide()
        report = initialise(model, path)
        grid = state["embeddings.position_embeddings"][:, 1:].reshape(1, GRID, GRID, DIM)
        placed = F.interpolate(grid.permute(0, 3, 1, 2), size=(4, 8), mode="bicubic")
        with torch.no_grad():
            maps, _, _ = model.backbone_features(panorama)
            twin = plain_dinov2(state, model.normalise(panorama), placed.flatten(2).mT)
        for ours, theirs in zip(maps, twin, strict=True):
            assert ours.std() > 0.1
            assert torch.allclose(ours.flatten(1, 2), theirs, atol=1e-4)
        assert report.source == "DINOv2"
        assert set(report.taken) == {n for n in model.state_dict() if n.startswith("backbone.")}
        assert set(report.fresh) == {n for n in model.state_dict() if "backbone." not in n}
        assert len(report.unused) == 1

    def test_positions_by_latitude_are_means_of_rows(
        self, state: State, build_wide: Build, dinov2: Path, panorama: Tensor
    ) -> None:
        model = build_wide(**OWN, great_circle_bias=True)
        report = initialise(model, dinov2)
        grid = state["embeddings.position_embeddings"][:, 1:].reshape(1, GRID, GRID, DIM)
        rows = grid.mean(dim=2).mT
        placed = F.interpolate(rows, size=4, mode="linear").mT.repeat_interleave(8, dim=1)
        with torch.no_grad():
            maps, _, _ = model.backbone_features(panorama)
            twin = plain_dinov2(state, model.normalise(panorama), placed)
        assert torch.allclose(maps[3].flatten(1, 2), twin[3], atol=1e-4)
        assert "averaged over columns" in report.summary()
        assert "set to zero" in report.summary()
        assert not any(".bias.weight" in name for name in report.taken)

    def test_another_grid_and_no_class_token(
        self, state: State, build_wide: Build, dinov2: Path
    ) -> None:
        model = build_wide(class_token=False, position_grid=9)
        report = initialise(model, dinov2)
        assert "embeddings.cls_token" in report.unused
        grid = state["embeddings.position_embeddings"][:, 1:].reshape(1, GRID, GRID, DIM)
        expected = F.interpolate(grid.permute(0, 3, 1, 2), size=(9, 9), mode="bicubic")
        assert torch.equal(model.backbone.positions.data, expected.flatten(2).mT)

    def test_the_rest_is_left_alone(self, build_wide: Build, dinov2: Path) -> None:
        model = build_wide()
        before = {n: t.clone() for n, t in model.state_dict().items()}
        report = initialise(model, dinov2)
        after = model.state_dict()
        assert report.fresh
        assert all(torch.equal(before[n], after[n]) for n in report.fresh)
        assert all(not torch.equal(before[n], after[n]) for n in report.taken)

    def test_half_precision_file(self, state: State, build_wide: Build, tmp_path: Path) -> None:
        path = tmp_path / "half.safetensors"
        save_file({n: t.half() for n, t in state.items()}, path)
        model = build_wide()
        initialise(model, path)
        assert model.backbone.norm.weight.dtype == torch.float32
        assert torch.allclose(model.backbone.norm.weight, state["layernorm.weight"], atol=1e-3)

    @pytest.mark.parametrize(
        ("change", "line"),
        [
            ({"embeddings.register_tokens": torch.zeros(1, 4, DIM)}, "register tokens"),
            ({"encoder.layer.0.mlp.weights_in.weight": torch.zeros(2, 2)}, "giant"),
            ({"encoder.layer.0.mlp.fc3.weight": torch.zeros(2, 2)}, "unexpected tensor"),
            ({"layernorm.weight": None}, "does not fit"),
            ({"encoder.layer.2.attention.attention.key.bias": None}, "query, key or value"),
            ({"encoder.layer.1.norm2.bias": None}, "1 missing"),
            ({"encoder.layer.1.norm2.bias": torch.zeros(DIM + 1)}, "1 misshapen"),
            ({"encoder.layer.1.norm2.bias": torch.full((DIM,), torch.nan)}, "not finite"),
        ],
    )
    def test_other_files_are_refused(
        self, change: dict[str, Any], line: str, state: State, build_wide: Build, tmp_path: Path
    ) -> None:
        changed = {n: t for n, t in {**state, **change}.items() if t is not None}
        path = tmp_path / "changed.safetensors"
        save_file(changed, path)
        assert line in refused(build_wide(), path)

    @pytest.mark.parametrize(
        ("fields", "line"),
        [
            ({"dim": 64, "heads": 1}, "4 blocks of 128 channels does not fit"),
            ({"depth": 5}, "network's 5 of 128"),
            ({"heads": 4}, "64 channels per head"),
            (
                {"backbone": "conv", "stem_widths": (4, 6, 8), "stem_blocks": (1, 1, 1)},
                "patch backbone",
            ),
        ],
    )
    def test_other_networks_are_refused(
        self, fields: dict[str, Any], line: str, build_wide: Build, dinov2: Path
    ) -> None:
        assert line in refused(build_wide(**fields), dinov2)

    def test_names_of_the_two_layouts_are_one(self, state: State) -> None:
        keys = dinov2_keys()
        ours = {str(keys.to_ours(n)).partition(":")[0] for n in state if "mask" not in n}
        assert ours == {keys.to_ours(n) for n in original_state(state) if "mask" not in n}


def refused(model: SphereViT, path: Path, **options: Any) -> str:
    """The one line with which the file is refused; the model is left as it was."""
    before = {n: t.clone() for n, t in model.state_dict().items()}
    with pytest.raises(ModelError) as caught:
        initialise(model, path, **options)
    line = str(caught.value)
    assert "\n" not in line
    assert str(path) in line
    assert all(torch.equal(before[n], t) for n, t in model.state_dict().items())
    return line


class TestSphereVit:
    def test_a_whole_model_of_ours(
        self, build: Build, fields: dict[str, Any], panorama: Tensor, tmp_path: Path
    ) -> None:
        source = build(**fields)
        path = save_model(source, tmp_path / "m.safetensors")
        model = SphereViT(source.config).eval()
        report = initialise(model, path)
        with torch.no_grad():
            assert torch.equal(model(panorama).log_distance, source(panorama).log_distance)
        assert report.source == "panodepth"
        assert not report.fresh
        assert not report.adapted

    def test_the_release_with_a_new_sky_output(
        self, build: Build, panorama: Tensor, tmp_path: Path
    ) -> None:
        source = build()
        keys = released_keys()
        path = tmp_path / "released.safetensors"
        save_file({keys.to_theirs(n): t for n, t in source.state_dict().items()}, path)
        model = build(sky_head=True)
        report = initialise(model, path)
        with torch.no_grad():
            output = model(panorama)
            assert torch.allclose(
                output.log_distance, source(panorama).log_distance, rtol=0, atol=1e-6
            )
        assert output.sky_logit is not None
        assert report.source == "DA² release"
        assert "fresh sky output" in report.summary()

    def test_a_second_depth_starts_beside_the_first(
        self, build: Build, panorama: Tensor, tmp_path: Path
    ) -> None:
        source = build(sky_head=True)
        model = build(sky_head=True, depths=2)
        report = initialise(model, save_model(source, tmp_path / "m.safetensors"))
        assert "fresh second depth" in report.summary()
        with torch.no_grad():
            before, after = source(panorama), model.train()(panorama)
        assert after.pair is not None
        first, second, logit = after.pair.unbind(1)
        assert torch.allclose((first + second) / 2, before.log_distance, rtol=0, atol=1e-5)
        assert torch.allclose(second - first, torch.full_like(first, APART), atol=1e-5)
        assert not logit.any()
        assert torch.allclose(after.sky_logit, before.sky_logit, rtol=0, atol=1e-6)

    @pytest.mark.parametrize("features", [(2, 4, 6, 8), (1, 3, 6, 8), (1, 2, 3, 8)])
    def test_new_blocks_add_nothing_until_they_are_trained(
        self, build: Build, panorama: Tensor, tmp_path: Path, features: tuple[int, ...]
    ) -> None:
        own = {"great_circle_bias": True, "class_token": False}
        source = build(depth=4, features=(1, 2, 3, 4), **own)
        path = save_model(source, tmp_path / "m.safetensors")
        model = build(depth=8, features=features, **own).train()
        report = initialise(model, path)
        with torch.no_grad():
            assert torch.equal(model(panorama).log_distance, source.train()(panorama).log_distance)
        assert not report.fresh
        assert "copied from the block before" in report.summary()
        zero = [n for n, p in model.backbone.named_parameters() if not p.any()]
        assert sum("out.weight" in name for name in zero) == 2 * 4
        model(panorama).log_distance.sum().backward()
        new = [f"backbone.blocks.{i}." for i in range(8) if f"blocks.{i}.out.weight" in zero]
        assert len(new) == 4
        moved = {n for n, p in model.named_parameters() if p.grad is not None and p.grad.any()}
        assert all({f"{b}out.weight", f"{b}mlp_out.weight"} <= moved for b in new)

    def test_blocks_are_not_taken_away(self, build: Build, tmp_path: Path) -> None:
        path = save_model(build(depth=6, features=(1, 2, 3, 6)), tmp_path / "m.safetensors")
        assert "missing" in refused(build(depth=8, features=(1, 4, 6, 8), sky_head=True), path)

    def test_changed_behaviour_is_said(self, build: Build, tmp_path: Path) -> None:
        path = save_model(build(), tmp_path / "m.safetensors")
        report = initialise(build(wrap_padding=True), path)
        assert "wrap_padding True (was False)" in report.summary()

    def test_other_shapes_are_refused(self, build: Build, tmp_path: Path) -> None:
        path = save_model(build(), tmp_path / "m.safetensors")
        assert "misshapen" in refused(build(hidden=32), path)
        assert "missing" in refused(build(great_circle_bias=True), path)
        assert "unexpected" in refused(build(class_token=False), path)
        assert "set network.preset = 'micro'" in refused(build(name="other", hidden=32), path)
        save_file({"layer.weight": torch.zeros(3)}, path)
        assert "neither" in refused(build(), path)

    def test_backbone_alone_into_another_decoder(
        self, build: Build, panorama: Tensor, tmp_path: Path
    ) -> None:
        source = build()
        path = save_model(source, tmp_path / "m.safetensors")
        model = build(hidden=32, decoder=(8, 8, 8, 8), sky_head=True)
        report = initialise(model, path, backbone_only=True)
        with torch.no_grad():
            ours, theirs = model.backbone_features(panorama)[0], source.backbone_features(panorama)
        assert torch.equal(ours[3], theirs[0][3])
        assert {n.split(".")[0] for n in report.fresh} == {
            "projections",
            "cross",
            "decoder",
            "head",
        }
        assert any(n.startswith("decoder.") for n in report.unused)

    def test_backbone_with_its_great_circle_bias(self, build: Build, tmp_path: Path) -> None:
        fields = {**OWN, "great_circle_bias": True}
        path = save_model(build(**fields), tmp_path / "m.safetensors")
        model = build(**fields, hidden=32)
        initialise(model, path, backbone_only=True)
        kept = load_file(path)["backbone.blocks.2.bias.weight"]
        assert torch.equal(model.backbone.blocks[2].bias.weight.data, kept)
        assert load_model(path).config.latitude_positions
