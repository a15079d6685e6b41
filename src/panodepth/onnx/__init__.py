"""The network as one file for other runtimes: ONNX, with pre- and post-processing inside."""
