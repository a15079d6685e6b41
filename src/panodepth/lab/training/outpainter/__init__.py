"""Training the LoRA of a learned out-painter on whole panoramas; see docs/outpainting.md."""
