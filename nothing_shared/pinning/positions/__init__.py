"""How far a server has got, asked in each engine's own words."""
