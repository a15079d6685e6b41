"""Pages that predict by themselves: `static` writes one for any web host."""
