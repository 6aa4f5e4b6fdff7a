"""In the place of psutil, which watches processes: in a page there are none."""
