"""Training the detail network on whole panoramas of 512 rows and more: `panodepth train-detail`."""
