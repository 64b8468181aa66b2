"""What things cost, measured beside the least they could cost. `make bench` runs them all."""
