"""Bodies nobody would send, for the parts that strangers reach: ``make fuzz``."""
