"""What typer makes of a command: its numbers, and what `--help` shows, which is options in groups,
examples at the end, whole sentences in lists.
"""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Any

from typer.core import TyperCommand

FIRST, REST = "Arguments", "Options"
EXAMPLES = {
    "predict": (
        ("panodepth predict photo.jpg", "distances, a preview and a point cloud, in out/"),
        ("panodepth predict photo.jpg --quality best --format glb,html", "a mesh, and a viewer"),
        ("panodepth predict photo.jpg --camera-height 1.6 --format e57,ods", "in metres"),
        ("panodepth predict photos --format exr --skip-existing", "a folder; resumes if stopped"),
        (
            "panodepth predict fisheye.jpg --projection fisheye --fov 200",
            "docs/cookbook.md has more",
        ),
    ),
    "view": (
        ("panodepth view photo.jpg --open", "predict, and open the browser"),
        ("panodepth view out --html rooms.html", "saved predictions; docs/viewer.md"),
    ),
    "align": (("panodepth align hall.jpg kitchen.jpg --out flat", "docs/align.md"),),
    "video": (
        ("panodepth video walk.mp4", "distances and a preview, as videos, in out/"),
        ("panodepth video walk.mp4 --camera-height 1.6 --format mkv,path,exr", "docs/video.md"),
    ),
    "live": (
        ("panodepth live frames --camera-height 1.2 --beams 360", "a folder; docs/robots.md"),
    ),
    "serve": (("panodepth serve --port 8360", "docs/service.md"),),
    "app": (("panodepth app", "on this machine; docs/app.md"),),
    "export": (("panodepth export model.onnx", "docs/onnx.md"),),
    "render": (("panodepth render --count 4 --out worlds", "docs/worlds.md"),),
    "evaluate": (
        ("panodepth evaluate --data my_panoramas --protocol uncapped --out report", "your data"),
        ("panodepth evaluate --rendered 20 --protocol uncapped --out worlds", "docs/protocols.md"),
    ),
    "train": (
        (
            "panodepth train --recipe recipes/finetune.toml --init default --data my_panoramas",
            "docs/finetuning.md",
        ),
        (
            "panodepth train --recipe recipes/compact.toml --set run.out=runs/mine",
            "docs/training.md",
        ),
    ),
    "curate": (("panodepth curate --source my_frames --out shards", "docs/curation.md"),),
}


class GroupedCommand(TyperCommand):
    """A command whose help lists its options under the names of their groups."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As typer does it, but "1_6", which Python takes for 16, is no number."""
        given = self.make_parser(ctx).parse_args(args=list(args))[0]
        rest: list[str] = super().parse_args(ctx, args)
        for parameter in self.get_params(ctx):
            text, value = given.get(parameter.name), ctx.params.get(parameter.name)
            if isinstance(text, str) and "_" in text and isinstance(value, int | float):
                ctx.fail(f"Invalid value for '{parameter.opts[0]}': {text!r} is no number")
        return rest

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Arguments, options without a group, then the groups in the order of their options."""
        groups: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for name in (FIRST, REST):
            groups[name] = []
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                own = FIRST if parameter.param_type_name == "argument" else REST
                groups[getattr(parameter, "rich_help_panel", None) or own].append(record)
        for name, records in groups.items():
            if records:
                with formatter.section(name):
                    formatter.write_dl(records)


def shown(name: str, text: str) -> dict[str, Any]:
    """How a command is registered, so that --help shows it as above. text: its docstring."""
    lines = [f"  {line}" + f"\n      {why}" * bool(why) for line, why in EXAMPLES.get(name, ())]
    examples = "\b\nExamples:\n" + "\n".join(lines)  # "\b": click keeps these line breaks
    return {
        "cls": GroupedCommand,
        "short_help": re.split(r"[:;.]( |$)", " ".join(text.split()), maxsplit=1)[0] + ".",
        "epilog": examples if lines else None,
    }
