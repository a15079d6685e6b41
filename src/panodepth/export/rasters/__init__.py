"""Pictures on the panorama's own grid: PNG, EXR, TIFF, npz."""
