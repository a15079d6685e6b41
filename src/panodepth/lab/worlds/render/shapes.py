"""Closed forms of the unit shapes: where a ray meets them, their normals, their texture axes.

Every shape lives in the local box −1..1 of its primitive; `shape` holds its numbers:

* BOX, ELLIPSOID: none. CYLINDER: radius 1 at y = −1, `taper` at y = +1 (0 makes a cone).
* CONVEX, CONVEX8: the box cut by at most 4 or 8 half-spaces, rows (a, b, c, d) that keep
  a x + b y + c z ≤ d, scaled so that d − a x − b y − c z is the distance in metres.
* HOLLOW: the box without the ellipsoid p x² + q (y + 1)² + r z² < 1, (p, q, r) first; r = 0 bores
  a straight tunnel (arch, vault), otherwise a dome from below or, turned over, a basin.
* PATCH: the surface y = k₀ + k₁ x + k₂ z + k₃ x z over −1 ≤ x, z ≤ 1, one cell of a height field.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

Array = npt.NDArray[np.float64]
BOX, ELLIPSOID, CYLINDER, CONVEX, CONVEX8, HOLLOW, PATCH = range(7)
KINDS = (BOX, ELLIPSOID, CYLINDER, CONVEX, CONVEX8, HOLLOW, PATCH)
PLANES = 8  # half-spaces of a CONVEX8
NUMBERS = 4 * PLANES  # per primitive, in `shape`
NEAR = 1e-3  # metres; hits nearer than this are ignored
_TINY = 1e-12

Axes = list[Tensor]


def intersect(kind: int, o: Axes, d: Axes, taper: Tensor, shape: Tensor) -> Tensor:
    """First distances along M·P rays to one kind of shape.

    o: three (M, P) or (M, 1) coordinates of the origins in the local box. d: three (M, P) of the
    directions, scaled so that the parameter along a ray is metres. taper: (M, 1). shape:
    (M, NUMBERS). Returns (M, P) metres, at least NEAR; inf where missed.
    """
    if kind == BOX:
        return _first(*_slabs(o, d))
    if kind == ELLIPSOID:
        enter, leave, hit = _roots(_dot(d, d), _dot(o, d), _dot(o, o) - 1.0)
        return torch.where(hit, _first(enter, leave), torch.inf)
    if kind == CYLINDER:
        return _frustum(o, d, taper)
    if kind == HOLLOW:
        return _hollow(o, d, shape)
    if kind == PATCH:
        return _patch(o, d, shape)
    return _convex(o, d, shape.view(-1, PLANES, 4)[:, : 4 if kind == CONVEX else PLANES])


def _dot(a: Axes, b: Axes) -> Tensor:
    """(M, P) scalar products of vectors given as three (M, P) or (M, 1)."""
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def _roots(a: Tensor, b: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Both roots of a t² + 2 b t + c, the one with the minus first, and whether they are real.

    a, b, c: (M, P) or (M, 1). Returns (M, P) each.
    """
    root = b * b - a * c
    spread = root.clamp_min(0).sqrt()
    return (-b - spread) / a, (-b + spread) / a, root > 0


def _first(near: Tensor, far: Tensor) -> Tensor:
    """Where a ray that is inside from `near` to `far` first meets the surface, inf for nowhere.

    All (M, P), metres.
    """
    t = torch.where(near > NEAR, near, far)  # from inside, the surface is where the ray leaves
    return torch.where((near < far) & (t > NEAR), t, torch.inf)


def _nearest(*candidates: tuple[Tensor, Tensor]) -> Tensor:
    """The least t of (t, whether t is a hit) beyond NEAR, inf where there is none."""
    best = torch.full_like(candidates[0][0], torch.inf)
    for t, hit in candidates:
        best = torch.minimum(best, torch.where(hit & (t > NEAR), t, torch.inf))
    return best


def _reciprocal(x: Tensor) -> Tensor:
    """1 / x (...), finite at 0."""
    return 1.0 / torch.where(x.abs() < _TINY, _TINY, x)


def _slabs(o: Axes, d: Axes) -> tuple[Tensor, Tensor]:
    """Where rays enter and leave the box −1..1: the last way in and the first way out of its slabs
    (Kay and Kajiya, 1986); missed where near > far.
    """
    near, far = [], []
    for oi, di in zip(o, d, strict=True):
        inverse = _reciprocal(di)
        middle, reach = -oi * inverse, inverse.abs()
        near.append(middle - reach)
        far.append(middle + reach)
    return (
        torch.maximum(torch.maximum(near[0], near[1]), near[2]),
        torch.minimum(torch.minimum(far[0], far[1]), far[2]),
    )


def _frustum(o: Axes, d: Axes, taper: Tensor) -> Tensor:
    """`intersect` for CYLINDER. taper: (M, 1)."""
    slope = (taper - 1.0) / 2.0
    middle = (taper + 1.0) / 2.0
    # The side is x² + z² = radius(y)², and the radius is linear along the ray.
    ro, rd = middle + slope * o[1], slope * d[1]
    a = d[0] * d[0] + d[2] * d[2] - rd * rd
    a = torch.where(a.abs() < 1e-9, 1e-9, a)  # parallel to the side: one root, the other far away
    b = o[0] * d[0] + o[2] * d[2] - ro * rd
    c = o[0] * o[0] + o[2] * o[2] - ro * ro
    enter, leave, real = _roots(a, b, c)
    # The infinite cone has a second sheet beyond its tip; the caps' heights cut it off.
    sides = [(t, real & ((o[1] + t * d[1]).abs() <= 1.0)) for t in (enter, leave)]
    caps, inverse = [], _reciprocal(d[1])
    for cap in (-1.0, 1.0):
        t = (cap - o[1]) * inverse
        x, z, radius = o[0] + t * d[0], o[2] + t * d[2], middle + slope * cap
        caps.append((t, x * x + z * z <= radius * radius))
    return _nearest(*sides, *caps)


def _convex(o: Axes, d: Axes, planes: Tensor) -> Tensor:
    """`intersect` for CONVEX and CONVEX8. planes: (M, K, 4), rows (a, b, c, d)."""
    near, far = _slabs(o, d)
    for k in range(planes.shape[1]):
        a, b, c, limit = (planes[:, k, i, None] for i in range(4))
        away = a * d[0] + b * d[1] + c * d[2]
        t = (limit - a * o[0] - b * o[1] - c * o[2]) / torch.where(away.abs() < _TINY, _TINY, away)
        # A ray that goes the way a plane faces leaves its half-space there, another one enters it.
        leaves = away > -_TINY
        far = torch.minimum(far, torch.where(leaves, t, torch.inf))
        near = torch.maximum(near, torch.where(leaves, -torch.inf, t))
    return _first(near, far)


def _hollow(o: Axes, d: Axes, shape: Tensor) -> Tensor:
    """`intersect` for HOLLOW. shape: (M, NUMBERS), p, q, r first."""
    p, q, r = (shape[:, i, None] for i in range(3))
    near, far = _slabs(o, d)
    y = o[1] + 1.0  # the ellipsoid is centred on the bottom of the box
    a = (p * d[0] * d[0] + q * d[1] * d[1] + r * d[2] * d[2]).clamp_min(_TINY)
    b = p * o[0] * d[0] + q * y * d[1] + r * o[2] * d[2]
    c = p * o[0] * o[0] + q * y * y + r * o[2] * o[2] - 1.0
    enter, leave, bored = _roots(a, b, c)
    # A face of the box is hit where the ellipsoid did not take it away ...
    faces = [(t, (near < far) & (~bored | (t <= enter) | (t >= leave))) for t in (near, far)]
    # ... and the ellipsoid where it lies in the box.
    walls = [(t, (t > near) & (t < far) & bored) for t in (enter, leave)]
    return _nearest(*faces, *walls)


def _patch(o: Axes, d: Axes, shape: Tensor) -> Tensor:
    """`intersect` for PATCH. shape: (M, NUMBERS), k₀ to k₃ first."""
    k0, k1, k2, k3 = (shape[:, i, None] for i in range(4))
    # The ray put into y = k₀ + k₁ x + k₂ z + k₃ x z is a t² + b t + c = 0.
    a = -k3 * d[0] * d[2]
    b = d[1] - k1 * d[0] - k2 * d[2] - k3 * (o[0] * d[2] + o[2] * d[0])
    c = o[1] - k0 - k1 * o[0] - k2 * o[2] - k3 * o[0] * o[2]
    root = b * b - 4 * a * c
    spread = root.clamp_min(0).sqrt()
    # c / q and q / a: flat cells have a ≈ 0, where the usual formula would cancel.
    q = -0.5 * (b + torch.where(b < 0, -spread, spread))
    edge = 1.0 + 1e-5  # neighbours overlap by a hair, so that no ray slips between them
    hits = []
    for over, under in ((c, q), (q, a)):
        t = over / torch.where(under.abs() < 1e-20, 1e-20, under)
        x, z = o[0] + t * d[0], o[2] + t * d[2]
        hits.append((t, (root >= 0) & (x.abs() <= edge) & (z.abs() <= edge)))
    return _nearest(*hits)


def local_normals(
    kind: Tensor, local: Tensor, half: Tensor, taper: Tensor, shape: tuple[Tensor, Tensor]
) -> Tensor:
    """Outward normals at surface points, as covectors of the local box, not normalised.

    kind, taper: (R,). local: (3, R) in −1..1. half: (3, R) metres. shape: a (K, NUMBERS) table and
    (R,) rows of it: few points need these wide numbers. Returns (3, R).
    """
    box, tube = kind == BOX, kind == CYLINDER
    cap, side = _frustum_normals(local, taper)
    # A box's normal is the axis along which the point is farthest out; an ellipsoid's is the point
    # itself, and so are x and z of a cylinder's.
    faces = torch.where(torch.stack(_main_axis(local)), local.sign(), 0.0)
    normal = torch.where(box, faces, local)
    steep = torch.where(cap, local[1].sign(), side)
    normal[1] = torch.where(tube, steep, normal[1])
    flat = tube & cap
    normal[0].masked_fill_(flat, 0.0)
    normal[2].masked_fill_(flat, 0.0)
    rare = (kind >= CONVEX).nonzero()[:, 0]
    if len(rare):
        table, rows = shape
        found = _rare_normals(kind[rare], local[:, rare].T, half[:, rare].T, table[rows[rare]])
        normal.index_copy_(1, rare, found.T)
    return normal


def _main_axis(v: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Where the first, second or third of (3, R) is the largest in size; one of them is true."""
    x, y, z = v.abs()
    first = (x >= y) & (x >= z)
    second = (y >= z) & ~first
    return first, second, ~(first | second)


def _frustum_normals(local: Tensor, taper: Tensor) -> tuple[Tensor, Tensor]:
    """Whether points (3, R) lie on a cap, and the y part of the normal where they do not."""
    x, y, z = local
    slope = (taper - 1) / 2
    radius = (taper + 1) / 2 + slope * y
    inside = x * x + z * z < (radius.abs() - 1e-3).clamp_min(0) ** 2
    return (y.abs() > 1 - 1e-3) & inside, -slope * radius


def _rare_normals(kind: Tensor, local: Tensor, half: Tensor, shape: Tensor) -> Tensor:
    """Normals of CONVEX, CONVEX8, HOLLOW and PATCH: of the surface that the point lies nearest.

    kind: (n,). local: (n, 3) in −1..1. half: (n, 3) metres. shape: (n, NUMBERS). Returns (n, 3), of
    any length.
    """
    x, y, z = local.unbind(-1)
    gap, axis = ((1 - local.abs()) * half).min(-1)  # metres to the nearest face of the box
    face = F.one_hot(axis, 3).to(local) * torch.sign(local)
    planes = shape.view(-1, PLANES, 4)
    slack = planes[..., 3] - (planes[..., :3] * local[:, None]).sum(-1)
    nearest, which = slack.abs().min(-1)
    plane = planes[torch.arange(len(which), device=which.device), which, :3]
    cut = torch.where((nearest < gap.abs())[:, None], plane, face)
    inner = shape[:, :3] * torch.stack([x, y + 1, z], -1)
    value = (inner * torch.stack([x, y + 1, z], -1)).sum(-1) - 1
    depth = value.abs() / torch.linalg.vector_norm(2 * inner / half, dim=-1).clamp_min(_TINY)
    bored = torch.where((depth < gap.abs())[:, None], -inner, face)
    slope_x, slope_z = shape[:, 1] + shape[:, 3] * z, shape[:, 2] + shape[:, 3] * x
    ground = torch.stack([-slope_x, torch.ones_like(x), -slope_z], -1)
    choice = kind[:, None]
    return torch.where(choice == PATCH, ground, torch.where(choice == HOLLOW, bored, cut))


def texture_coordinates(kind: Tensor, metric: Tensor, normal: Tensor) -> Tensor:
    """(2, R) texture coordinates in metres: the position without its normal's main axis.

    metric: (3, R) local position in metres. normal: (3, R) local normal, any length. A PATCH is
    always laid out from above, so that neighbouring cells join.
    """
    x, y, z = metric
    across, up, _ = _main_axis(normal)
    up = up | (kind == PATCH)
    across = across & ~up
    uv = torch.stack([torch.where(across, z, x), torch.where(up, z, -y)])
    slanted = (((kind == CONVEX) | (kind == CONVEX8)) & ~up).nonzero()[:, 0]
    if len(slanted):  # upright faces at any angle: run along the face
        (nx, _, nz), (x, _, z) = normal[:, slanted], metric[:, slanted]
        tangent = (x * nz - z * nx) / torch.hypot(nx, nz).clamp_min(_TINY)
        facing = torch.where(across[slanted], -nx.sign(), nz.sign())
        uv[0].index_copy_(0, slanted, facing * tangent)
    return uv
