"""Files of OpenVINO: made once, calibrated, tried beside torch."""
