"""What the picture's colours add to a network's sky: `python benchmarks/sky.py [--model M]`.

Intersection over union of the sky of rendered validation worlds outdoors, over all their pixels:
of the network's own logit, enlarged, and of what `predict` says, at each size of picture and each
quality. --version 2: worlds with dark, dusky and blown skies among them.
"""

from __future__ import annotations

import argparse

import numpy as np
from scorecard import worlds

import panodepth
from panodepth.geometry.resizing import resize_erp
from panodepth.predict.options import QUALITIES


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", default="default")
    parser.add_argument("--worlds", type=int, default=24)
    parser.add_argument("--version", type=int, default=1, choices=(1, 2))
    parser.add_argument("--heights", type=int, nargs="+", default=(128, 256, 512))
    parser.add_argument("--qualities", nargs="+", default=QUALITIES, choices=QUALITIES)
    chosen = parser.parse_args()
    predictor = panodepth.load(chosen.model)
    print("| picture | network alone | " + " | ".join(chosen.qualities) + " |")
    print("|" + "---|" * (2 + len(chosen.qualities)))
    for height in chosen.heights:
        shares = np.zeros((1 + len(chosen.qualities), 2))
        for batch in worlds("outdoor", chosen.worlds, (height, 2 * height), chosen.version):
            for image, sky in zip(batch.image.numpy(), batch.sky.numpy(), strict=True):
                (output,) = predictor.run([resize_erp(image, predictor.size)])
                assert output.sky_logit is not None, f"{predictor.name} has no sky output"
                answers = [resize_erp(output.sky_logit, sky.shape, antialias=False) > 0]
                for quality in chosen.qualities:
                    picture = np.moveaxis(image, 0, -1)
                    found = predictor.predict(picture, quality=quality, level="none")
                    answers.append(found.sky)
                shares += [((said & sky).sum(), (said | sky).sum()) for said in answers]
        cells = " | ".join(f"{both / either:.4f}" for both, either in shares)
        print(f"| {height}×{2 * height} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
