"""In the place of piplite, which installs from the internet: a notebook in the browser asks no other host."""
