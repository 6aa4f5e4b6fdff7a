"""In the place of setuptools, of which PyTensor uses one exception."""
