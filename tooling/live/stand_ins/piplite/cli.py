"""What becomes of ``%pip``."""


async def get_transformed_code(argv):  # noqa: ARG001 (the kernel passes it)
    """Return the code that runs in its place."""
    return "print('Nothing can be installed here, and what the pages need is there: run the next cell.')"
