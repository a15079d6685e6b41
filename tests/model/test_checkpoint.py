"""Checkpoints load exactly or not at all, and nothing is ever unpickled."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from panodepth.errors import ConfigError, ModelError, OutputError, PanodepthError
from panodepth.model import PRESETS, ModelConfig, SphereViT, load_model, save_model
from panodepth.model.checkpoint import released_keys

Build = Callable[..., SphereViT]


def released_state(config: ModelConfig) -> dict[str, torch.Tensor]:
    """A random network's tensors under the released names, with the leftovers of that format."""
    keys = released_keys()
    torch.manual_seed(0)
    state = SphereViT(config).state_dict()
    named = {keys.to_theirs(name): tensor.contiguous() for name, tensor in state.items()}
    named["dino.register_tokens"] = torch.zeros(1, 1, config.dim)
    named["dino.mask_token"] = torch.zeros(1, config.dim)
    branch = "vit_w_esphere._vit_w_esphere.to_confidence"
    named[f"{branch}_lr.weight"] = torch.zeros(8, 16, 3, 3)
    named[f"{branch}_hr.2.bias"] = torch.zeros(1)
    return named


@pytest.fixture
def released(tmp_path: Path) -> Path:
    path = tmp_path / "released.safetensors"
    save_file(released_state(PRESETS["tiny"]), path)
    return path


def refused(path: Path, **options: Any) -> str:
    """The one line with which the file is refused."""
    with pytest.raises(ModelError) as caught:
        load_model(path, **options)
    line = str(caught.value)
    assert "\n" not in line
    assert str(path) in line
    return line


class TestOwnFormat:
    def test_round_trip(
        self, build: Build, fields: dict[str, Any], panorama: torch.Tensor, tmp_path: Path
    ) -> None:
        model = build(**fields)
        path = save_model(model, tmp_path / "new" / "model.safetensors", {"step": "7"})
        for place in (path, path.parent, str(path)):
            loaded = load_model(place)
            assert loaded.config == model.config
            assert not loaded.training
            with torch.no_grad():
                assert torch.equal(loaded(panorama).log_distance, model(panorama).log_distance)
        assert sorted(f.name for f in path.parent.iterdir()) == ["model.safetensors"]

    def test_stored_in_half(self, build: Build, tmp_path: Path) -> None:
        model = build()
        path = save_model(model, tmp_path / "half.safetensors", dtype=torch.float16)
        stored = load_file(path)
        assert stored["backbone.norm.weight"].dtype == torch.float16
        assert stored["head.out.weight"].dtype == torch.float32
        assert {p.dtype for p in load_model(path).parameters()} == {torch.float32}
        assert torch.equal(load_model(path).head.out.weight, model.head.out.weight)

    def test_loaded_in_bfloat16(self, build: Build, tmp_path: Path) -> None:
        model = build()
        loaded = load_model(save_model(model, tmp_path / "m.safetensors"), dtype=torch.bfloat16)
        assert loaded.backbone.norm.weight.dtype == torch.bfloat16
        assert torch.equal(loaded.head.conv.weight, model.head.conv.weight)

    def test_loaded_weights_can_be_trained(
        self, build: Build, panorama: torch.Tensor, tmp_path: Path
    ) -> None:
        loaded = load_model(save_model(build(), tmp_path / "m.safetensors")).train()
        loaded(panorama).log_distance.sum().backward()
        assert all(p.requires_grad and p.grad is not None for p in loaded.parameters())

    def test_overwrites_whole_or_not_at_all(self, build: Build, tmp_path: Path) -> None:
        path = tmp_path / "m.safetensors"
        path.write_bytes(b"older")
        save_model(build(), path)
        assert load_model(path).config.name == "micro"

    def test_unwritable_place(self, build: Build, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(OutputError, match="cannot be written"):
            save_model(build(), tmp_path / "file" / "m.safetensors")

    def test_config_from_outside_wins(self, build: Build, tmp_path: Path) -> None:
        model = build()
        path = save_model(model, tmp_path / "m.safetensors")
        fields = {**model.config.to_dict(), "name": "renamed"}
        assert load_model(path, config=fields).config.name == "renamed"
        assert load_model(path, config=ModelConfig.from_dict(fields)).config.name == "renamed"
        with pytest.raises(ConfigError, match="did you mean 'depth'"):
            load_model(path, config={"dept": 2})
        assert "missing" in refused(path, config="tiny") or "misshapen" in refused(
            path, config="tiny"
        )

    @pytest.mark.parametrize("text", ["{", '{"dimm": 3}', '{"dim": -1}'])
    def test_bad_config_in_the_file(self, text: str, tmp_path: Path) -> None:
        path = tmp_path / "m.safetensors"
        save_file({"x": torch.zeros(1)}, path, metadata={"config": text})
        assert "model config" in refused(path)


class TestReleasedFormat:
    def test_preset_by_shapes(self, released: Path) -> None:
        model = load_model(released)
        assert model.config == PRESETS["tiny"]
        state = load_file(released)
        qkv = "dino.blocks.7.attn.qkv.weight"
        assert torch.equal(model.backbone.blocks[7].qkv.weight, state[qkv])

    def test_leftovers_are_known(self, released: Path) -> None:
        known = released_keys()
        assert {name for name in load_file(released) if known.is_ignored(name)} == {
            "dino.register_tokens",
            "dino.mask_token",
            "vit_w_esphere._vit_w_esphere.to_confidence_lr.weight",
            "vit_w_esphere._vit_w_esphere.to_confidence_hr.2.bias",
        }

    @pytest.mark.parametrize("how", ["metadata", "config", "dict", "name"])
    def test_other_sizes_by_config(self, how: str, tmp_path: Path) -> None:
        config = ModelConfig.from_dict({**PRESETS["tiny"].to_dict(), "name": "mine", "depth": 9})
        path = tmp_path / "m.safetensors"
        metadata = {"config": config.to_json()} if how == "metadata" else None
        save_file(released_state(config), path, metadata=metadata)
        given: Any = {"config": config, "dict": config.to_dict(), "name": "tiny"}.get(how)
        if how == "name":
            assert "unexpected tensors" in refused(path, config=given)
        else:
            assert load_model(path, config=given).config == config

    def test_unknown_sizes_need_a_config(self, tmp_path: Path) -> None:
        config = ModelConfig.from_dict({**PRESETS["tiny"].to_dict(), "depth": 9})
        path = tmp_path / "m.safetensors"
        save_file(released_state(config), path)
        assert "give config=" in refused(path)

    def test_missing_tensor_is_named_as_in_the_file(self, released: Path) -> None:
        state = load_file(released)
        del state["dino.blocks.3.ls1.gamma"]
        save_file(state, released)
        line = refused(released)
        assert "1 missing tensor for the 'tiny' network: dino.blocks.3.ls1.gamma" in line

    def test_only_the_first_of_many_are_named(self, released: Path) -> None:
        state = {k: v for k, v in load_file(released).items() if ".mlp." not in k}
        save_file(state, released)
        line = refused(released)
        assert "56 missing tensors" in line
        assert "and 53 more" in line

    def test_unexpected_tensor(self, released: Path) -> None:
        state = load_file(released)
        state["dino.blocks.0.attn.qkv.scale"] = torch.zeros(3)
        save_file(state, released)
        assert "unexpected tensor" in refused(released)
        assert "dino.blocks.0.attn.qkv.scale" in refused(released)

    def test_wrong_shape(self, released: Path) -> None:
        state = load_file(released)
        state["dino.blocks.2.mlp.fc1.bias"] = torch.zeros(383)
        save_file(state, released)
        line = refused(released)
        assert "dino.blocks.2.mlp.fc1.bias is (383,), not (384,)" in line

    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    def test_not_finite(self, released: Path, value: float) -> None:
        state = load_file(released)
        state["dino.norm.weight"][5] = value
        save_file(state, released)
        assert "dino.norm.weight" in refused(released)

    def test_key_map_has_one_name_each_way(self) -> None:
        keys = released_keys()
        with torch.device("meta"):
            ours = list(SphereViT(PRESETS["tiny"]).state_dict())
        theirs = [keys.to_theirs(name) for name in ours]
        assert len(set(theirs)) == len(ours)
        assert [keys.to_ours(name) for name in theirs] == ours
        assert all(name.startswith(keys.prefixes) for name in theirs)


class _Explosive:
    """Unpickling it writes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, (str(self.path),))


class TestRefusals:
    @pytest.mark.parametrize("name", ["m.pt", "m.pth", "m.bin", "m.ckpt", "m.safetensors", "m"])
    @pytest.mark.parametrize("zipped", [True, False])
    def test_pickle(self, name: str, zipped: bool, tmp_path: Path) -> None:
        path = tmp_path / name
        trace = tmp_path / "opened"
        torch.save(_Explosive(trace), path, _use_new_zipfile_serialization=zipped)
        line = refused(path)
        assert "convert" in line
        assert ".safetensors" in line
        assert not trace.exists()

    def test_folder_with_a_pickle_alone(self, tmp_path: Path) -> None:
        torch.save({}, tmp_path / "pytorch_model.bin")
        with pytest.raises(ModelError, match=r"pytorch_model\.bin.*convert"):
            load_model(tmp_path)

    def test_missing(self, tmp_path: Path) -> None:
        assert "no such weights" in refused(tmp_path / "nowhere.safetensors")
        assert "no model.safetensors" in refused(tmp_path)

    def test_a_hidden_file_beside_the_weights_is_none(self, build: Build, tmp_path: Path) -> None:
        save_model(build(dim=32), tmp_path / "a.safetensors")
        (tmp_path / "._a.safetensors").touch()
        assert load_model(tmp_path).config.dim == 32

    def test_folder_with_several(self, build: Build, tmp_path: Path) -> None:
        for name in ("a", "b"):
            save_model(build(), tmp_path / f"{name}.safetensors")
        refused(tmp_path)
        (tmp_path / "state.json").touch()  # as training writes them
        assert str(tmp_path.parents[1] / "model.safetensors") in refused(tmp_path)
        save_model(build(dim=32), tmp_path / "model.safetensors")
        assert load_model(tmp_path).config.dim == 32

    @pytest.mark.parametrize("length", [0, 4, 8, 100, 5000, -1])
    def test_truncated(self, length: int, build: Build, tmp_path: Path) -> None:
        path = save_model(build(), tmp_path / "m.safetensors")
        path.write_bytes(path.read_bytes()[:length])
        assert "not a whole .safetensors file" in refused(path)

    @pytest.mark.parametrize("name", ["m.onnx", "m.xml"])
    def test_an_exported_file_is_not_said_to_be_damaged(self, name: str, tmp_path: Path) -> None:
        (tmp_path / name).write_bytes(b"<?xml, or whatever is in it")
        assert "give the model it was made of" in refused(tmp_path / name)

    @pytest.mark.parametrize(
        "content",
        [
            b"this is text, whatever it is called",
            bytes(range(256)) * 4,
            struct.pack("<Q", 2**60) + b"{}",
            struct.pack("<Q", 2) + b"[]",
        ],
    )
    def test_garbage(self, content: bytes, tmp_path: Path) -> None:
        path = tmp_path / "m.safetensors"
        path.write_bytes(content)
        assert "not a whole .safetensors file" in refused(path)

    def test_foreign_safetensors(self, tmp_path: Path) -> None:
        path = tmp_path / "m.safetensors"
        save_file({"layer.weight": torch.zeros(3)}, path)
        assert "not a SphereViT checkpoint" in refused(path)

    def test_integers(self, build: Build, tmp_path: Path) -> None:
        model = build()
        path = tmp_path / "m.safetensors"
        state = {**model.state_dict(), "backbone.norm.weight": torch.zeros(16, dtype=torch.int32)}
        save_file(state, path, metadata={"config": json.dumps(model.config.to_dict())})
        assert "backbone.norm.weight" in refused(path)

    def test_every_refusal_is_ours(self) -> None:
        assert issubclass(ModelError, PanodepthError)


def test_a_saved_file_can_be_read_by_whom_the_umask_lets(tmp_path: Path) -> None:

    old = os.umask(0o022)
    try:
        path = save_model(SphereViT(PRESETS["tiny"]), tmp_path / "model.safetensors")
    finally:
        os.umask(old)
    assert path.stat().st_mode & 0o777 == 0o644
