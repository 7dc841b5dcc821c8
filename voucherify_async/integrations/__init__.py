"""At home in other packages; each module needs its extra."""
