"""Load a model and predict; what is heavy is imported when a model is loaded."""

from panodepth.predict.loading import load

__all__ = ["load"]
