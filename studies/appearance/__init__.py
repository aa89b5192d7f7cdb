"""How much a synthetic picture looks like an echo: grey levels, texture and edges against real stills."""
