"""PyTorch: safetensors and ``.pt`` files."""
