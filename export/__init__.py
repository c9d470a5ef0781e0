"""ONNX export in several precisions, and the check of the files against PyTorch."""
