"""Predictions out: one writer per kind of file, chosen by its format name.

| format | file | what |
|---|---|---|
| npz | NAME_distance.npz | distance float32, mask, sky, metadata; uncompressed |
| exr | NAME_distance.exr | distance float32, channel Y, mask as A, ZIP |
| png | NAME_distance.png | distance 16-bit, scale in a text chunk and in NAME_distance.png.json |
| tiff | NAME_distance.tiff | distance float32 |
| normals, normals-png | NAME_normals.exr, .png | unit normals, float32 or 16-bit |
| confidence-npz, confidence-exr, confidence-png | NAME_confidence.npz, ... | in [0, 1] |
| preview | NAME_preview.png | photograph, coloured distance and its scale, to look at |
| preview-plain | NAME_preview-plain.png | the coloured distance alone |
| pfm, mask | NAME_distance.pfm, NAME_mask.png | distance float32; 255 = a surface |
| ply, pcd, las, laz, e57, points-glb, points-usdz | NAME_points.ply, ... | coloured points |
| glb, obj, usdz, usdc | NAME.glb, ... | textured mesh |
| ply-mesh, stl | NAME_mesh.ply, NAME.stl | coloured mesh, bare mesh |
| light-dome, light-dome-usd | NAME_light.glb, ... | mesh that emits the panorama's light |
| splat, splat-binary, gltf-splat | NAME_splat.ply, NAME.splat, NAME_splat.glb | Gaussian splats |
| laserscan | NAME_scan.json | what a laser scanner would see, as ROS has it |
| occupancy | NAME_map.png, .png.yaml | map for nav2 |
| octomap | NAME.bt | occupied, free and unknown cubes |
| pointcloud2 | NAME_points.cdr | PointCloud2, as ROS 2 sends it |
| mcap, rosbag2 | NAME.mcap, NAME_bag/ | image, cloud and scan of one moment |
| birdseye | NAME_birdseye.npz | heights over the floor |
| views | NAME_views.zip | pictures of pinhole cameras, distance, z-depth, poses |
| colmap, nerfstudio | NAME_colmap.zip, ... | the same as those tools read it, with points |
| ods, ods-jpeg | NAME_360_TB.png, .jpg | a panorama for each eye, left on top |
| vr180 | NAME.vr.jpg | half a turn for each eye |
| gdepth | NAME_gdepth.jpg | photograph with its distance inside |
| disparity | NAME_depth.png | lighter = nearer |
| dome | NAME_dome.glb, .glb.exr | unit sphere and its displacement |
| html | NAME.html | viewer in one file, for a browser |

Every file says its frame, unit and scale. Maps, `ply`, `ply-mesh` and splats are in the house
frame, all others in that of their standard or of those who read them (docs/formats.md). Files
appear complete or not at all.
"""

from panodepth.export.registry import DEFAULT_FORMATS, WRITERS, Writer, output_paths, parse_formats
from panodepth.export.saving import save

__all__ = ["DEFAULT_FORMATS", "WRITERS", "Writer", "output_paths", "parse_formats", "save"]
