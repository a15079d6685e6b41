"""Geometry of the panorama: pure functions of NumPy arrays and torch tensors alike, on one grid.

grid: ERP pixels, longitude and latitude, rays, solid angles. rotation: turning the camera.
lens: how a camera maps directions to pixels. sampling, resizing: reading and scaling an image that
has no border. resampling: from one lens to another. cubemap: six faces. points: z-depth, distance,
points, normals. The frame and the grid are those of docs/conventions.md.

NumPy callers load no torch: `bands` and `torch_kernels` hold what is fast in one library only, and
each is tested against the clear formula that both share.
"""
