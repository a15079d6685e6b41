"""How models are made and judged: worlds, data, losses, curation, training, evaluation, bench."""
